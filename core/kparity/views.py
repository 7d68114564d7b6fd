"""Views of the catalogue for the console: what `doctor`, `list` and `show` print."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kparity.backend import DeviceInfo, Implementation
from kparity.catalogue import Catalogue
from kparity.errors import Unavailable
from kparity.host import host_info
from kparity.report import escape, table
from kparity.spec import KernelSpec, TensorSpec

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def doctor_view(catalogue: Catalogue, devices: Mapping[str, DeviceInfo | Unavailable]) -> list[RenderableType]:
    """Each backend with its device, versions and capabilities, or why there is none and what to install."""
    host = host_info()
    parts: list[RenderableType] = [f"{host.cpu}, {host.cores} cores, Python {host.python}, {host.system}"]
    grid = table("Backends", "backend", "device", "kind", "versions", "dtypes, capabilities, notes")
    for name, device in devices.items():
        if isinstance(device, Unavailable):
            remedy = f"\n[bold]{escape(device.remedy)}[/]" if device.remedy else ""
            grid.add_row(name, "[yellow]not available[/]", "", "", escape(device.reason) + remedy)
        else:
            versions = "\n".join(f"{key} {value}" for key, value in device.versions.items())
            about = [" ".join(device.dtypes), " ".join(device.capabilities), *device.notes]
            grid.add_row(name, device.label, device.kind, versions, "\n".join(escape(line) for line in about if line))
    parts.append(grid)
    parts.extend(f"[yellow]fault:[/] {escape(str(fault))}" for fault in catalogue.faults)
    return parts


def doctor_data(catalogue: Catalogue, devices: Mapping[str, DeviceInfo | Unavailable]) -> dict[str, Any]:
    """The same for machines."""
    return {
        "host": host_info(),
        "devices": [device for device in devices.values() if isinstance(device, DeviceInfo)],
        "unavailable": {
            name: {"reason": why.reason, "remedy": why.remedy}
            for name, why in devices.items()
            if isinstance(why, Unavailable)
        },
        "plugins": catalogue.plugins,
        "faults": [{"plugin": fault.plugin, "fault": fault.fault} for fault in catalogue.faults],
    }


def task_rows(catalogue: Catalogue, specs: Iterable[KernelSpec]) -> list[dict[str, Any]]:
    """One row for each task: name, owner, signature, dtypes, cases by role, implementations."""
    rows = []
    for spec in specs:
        roles = [case.role for case in spec.cases()]
        implementations = _implementations(catalogue, spec, catalogue.backends)
        rows.append(
            {
                "task": spec.name,
                "owner": catalogue.owner("task", spec.name),
                "signature": spec.signature,
                "dtypes": sorted({name for choices in spec.dtypes.values() for name in choices}),
                "cases": {role: roles.count(role) for role in dict.fromkeys(roles)},
                "implementations": [one.label for one in implementations],
            }
        )
    return rows


def list_view(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `task_rows` as a table."""
    grid = table("Tasks", "task", "cases", "dtypes", "implementations")
    for row in rows:
        cases = ", ".join(f"{count} {role}" for role, count in row["cases"].items())
        grid.add_row(row["task"], cases, " ".join(row["dtypes"]), " ".join(row["implementations"]))
    return grid


def show_view(
    catalogue: Catalogue, spec: KernelSpec, backends: Iterable[str], *, sources: bool
) -> list[RenderableType]:
    """A task's contract, its cases, and the source of every realization on these backends."""
    from rich.syntax import Syntax

    parts: list[RenderableType] = [f"[bold]{spec.name}[/]  {escape(spec.signature)}", "", escape(spec.description), ""]
    for title, declared in (("in ", spec.inputs), ("out", spec.outputs)):
        parts.extend(f"{title}  {name} : {_notation(one)}" for name, one in declared.items())
    parts.extend(f"dtype {name}: {', '.join(choices)}" for name, choices in spec.dtypes.items())
    contract = spec.numerics
    parts.append(
        f"numerics: sums carried in {contract.accumulate}; intermediates may "
        f"{'' if contract.storage_intermediates else 'not '}be rounded to the storage dtype; TF32 "
        f"{'' if contract.tf32 else 'not '}allowed"
    )
    if spec.flops is not None:
        parts.append(f"operations: {spec.flops.text}")
    grid = table("Cases", "role", "case", "inputs -> outputs", "operations", "bytes")
    for case in spec.cases():
        flops = "" if case.flops is None else f"{case.flops:,}"
        grid.add_row(case.role, case.key, escape(case.describe()), flops, f"{case.bytes:,}")
    parts.append(grid)
    for one in _implementations(catalogue, spec, backends):
        parts.append(f"[bold]{one.label}[/]  [dim]{one.target}, from {one.owner}[/]")
        for path in _source_files(one) if sources else ():
            language = "python" if path.suffix == ".py" else "cuda"
            parts.append(Syntax(path.read_text(encoding="utf-8"), language, background_color="default"))
    return parts


def _implementations(catalogue: Catalogue, spec: KernelSpec, backends: Iterable[str]) -> list[Implementation]:
    return [one for backend in backends for one in catalogue.implementations(spec.name, backend)]


def _source_files(one: Implementation) -> list[Path]:
    """The module of the target and files of the same name beside it, found without importing the module."""
    module = one.target.partition(":")[0]
    try:
        found = importlib.util.find_spec(module)
    except ImportError:
        return []
    if found is None or found.origin is None:
        return []
    origin = Path(found.origin)
    return [origin, *sorted(path for path in origin.parent.glob(f"{origin.stem}.*") if path.suffix in {".cu", ".cl"})]


def _notation(spec: TensorSpec) -> str:
    axes = ", ".join(axis.text for axis in spec.axes)
    drawn = f"  ~ {spec.distribution}" if spec.distribution is not None else ""
    return escape(f"[{axes}] {spec.dtype}{drawn}")
