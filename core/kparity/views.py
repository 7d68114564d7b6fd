"""Views of the catalogue for the console: what `doctor`, `list` and `show` print."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kparity.assurance import PROTECTIONS, Assurance
from kparity.backend import DeviceInfo
from kparity.case import ROLES
from kparity.catalogue import Catalogue
from kparity.dtypes import NAMES
from kparity.errors import Unavailable
from kparity.host import host_info
from kparity.loading import Implementation, source_file
from kparity.report import escape, table
from kparity.signature import TensorSpec
from kparity.spec import KernelSpec

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def doctor_view(
    catalogue: Catalogue, devices: Mapping[str, DeviceInfo | Unavailable], candidates: Assurance
) -> list[RenderableType]:
    """Each backend with its device, or why there is none and what to install; and what confines candidates."""
    from rich.table import Table

    host = host_info()
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column()
    grid.add_row("[bold]machine[/]", "", escape(f"{host.cpu}, {host.cores} cores"))
    grid.add_row("", "", escape(f"Python {host.python}, {host.system}"))
    for name, device in devices.items():
        grid.add_row()
        if isinstance(device, Unavailable):
            grid.add_row(f"[bold]{name}[/]", "[yellow]not available[/]", escape(device.reason))
            if device.remedy:
                grid.add_row("", "[dim]remedy[/]", f"[bold]{escape(device.remedy)}[/]")
            continue
        grid.add_row(f"[bold]{name}[/]", f"[green]{device.kind}[/]", escape(device.label))
        facts = (
            ("versions", ", ".join(f"{key} {value}" for key, value in device.versions.items())),
            ("dtypes", "all" if set(device.dtypes) >= set(NAMES) else " ".join(device.dtypes)),
            ("abilities", " ".join(device.capabilities)),
            *(("note", note) for note in device.notes),
        )
        for kind, text in facts:
            if text:
                grid.add_row("", f"[dim]{kind}[/]", escape(text))
    grid.add_row()
    missing = dict(candidates.missing)
    state = "[yellow]partly confined[/]" if missing else "[green]confined[/]"
    grid.add_row("[bold]candidates[/]", state, "what stands between untrusted source text and this machine")
    grid.add_row("", "[dim]in force[/]", escape(" ".join(candidates.protections) or "nothing"))
    for protection, reason in missing.items():
        grid.add_row("", "[yellow]missing[/]", escape(f"{protection} ({PROTECTIONS[protection]}): {reason}"))
    faults = [f"[yellow]fault:[/] {escape(str(fault))}" for fault in catalogue.faults]
    return [grid, *([""] if faults else []), *faults]


def doctor_data(
    catalogue: Catalogue, devices: Mapping[str, DeviceInfo | Unavailable], candidates: Assurance
) -> dict[str, Any]:
    """The same for machines."""
    return {
        "host": host_info(),
        "devices": [device for device in devices.values() if isinstance(device, DeviceInfo)],
        "unavailable": {
            name: {"reason": why.reason, "remedy": why.remedy}
            for name, why in devices.items()
            if isinstance(why, Unavailable)
        },
        "candidates": candidates,
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
                "dtypes": list(dict.fromkeys(name for choices in spec.dtypes.values() for name in choices)),
                "cases": {role: roles.count(role) for role in dict.fromkeys(roles)},
                "implementations": [one.label for one in implementations],
            }
        )
    return rows


def list_view(rows: Sequence[Mapping[str, Any]]) -> Table:
    """The rows of `task_rows` as a table: how many cases there are in each role, dtypes included."""
    grid = table("task")
    for role in ROLES:
        grid.add_column(role, justify="right", no_wrap=True)
    grid.add_column("dtypes")
    grid.add_column("implemented by")
    for row in rows:
        counts = [str(row["cases"].get(role, "")) for role in ROLES]
        grid.add_row(row["task"], *counts, " ".join(row["dtypes"]), " ".join(row["implementations"]))
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
    if spec.strided:
        parts.append(f"may arrive with any strides and alignment: {', '.join(spec.strided)}")
    if spec.gradient_of is not None:
        parts.append(f"gradient of: {spec.gradient_of.name}")
    if spec.flops is not None:
        parts.append(f"operations: {spec.flops.text}")
    grid = table("role", "case: key, then inputs -> outputs")
    for heading in ("operations", "bytes"):
        grid.add_column(heading, justify="right", no_wrap=True)
    grid.columns[1].overflow = "fold"  # keys are there to be copied: nothing of them may be cut off
    for case in spec.cases():
        flops = "" if case.flops is None else f"{case.flops:,}"
        grid.add_row(case.role, f"{escape(case.key)}\n[dim]{escape(case.describe())}[/]", flops, f"{case.bytes:,}")
    parts.append(grid)
    for one in _implementations(catalogue, spec, backends):
        parts.append(f"[bold]{one.label}[/]  [dim]{one.target}, from {one.owner}[/]")
        for path in _source_files(one) if sources else ():
            language = {".py": "python", ".cu": "cuda"}.get(path.suffix, "c")
            parts.append(Syntax(path.read_text(encoding="utf-8"), language, background_color="default"))
    return parts


def source_texts(catalogue: Catalogue) -> dict[str, str]:
    """The source of every registered implementation by its target, the module and what lies beside it in one text."""
    texts = {}
    for spec in catalogue.select_tasks(()):
        for one in _implementations(catalogue, spec, catalogue.select_backends(())):
            texts[one.target] = "\n".join(path.read_text(encoding="utf-8") for path in _source_files(one))
    return texts


def _implementations(catalogue: Catalogue, spec: KernelSpec, backends: Iterable[str]) -> list[Implementation]:
    return [one for backend in backends for one in catalogue.implementations(spec.name, backend)]


def _source_files(one: Implementation) -> list[Path]:
    """The target's file, or its module and files of the same name beside it, found without importing the module."""
    module = one.target.partition(":")[0]
    try:
        file = source_file(one.target)
        if file is not None:
            return [file] if file.is_file() else []
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
