"""The faults of `tests/faults` on this machine: what becomes of each, of the candidate after it, and what stays behind.

    python benchmarks/faults.py --out benchmarks/results/NAME     # try them on every backend
    python benchmarks/faults.py --check --from auto               # check the newest committed results

The goals: each fault is an error of its own candidate with a message that says what happened, the honest candidate
after it passes, and no process and no file stays behind. What exhausts memory, processes or files is tried on cpu_ref
alone, whose framework needs next to none of them; what a kernel does to a GPU, where there is one. A fault is skipped
where the protection against it cannot be had, as `kparity doctor` says.

Faults are tried side by side, those that hang first, then as many honest candidates: what harms its neighbours shows in
their messages, and one hang is waited for as long as many. What exhausts a resource is tried alone.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import json
import os
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

from committed import earlier, read
from isolation import SOURCES

from kparity import DeviceInfo, Session

HERE = Path(__file__).parent
TASK, CASE = "activation/softmax", "rows=3,*"
PATIENCE_S = 8.0
"""At least so long a request may take where the first one sets a GPU up."""


def _beside(name: str) -> ModuleType:
    path = HERE.parent / "tests" / "faults" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"kparity_faults_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


faults, courts = _beside("faults"), _beside("court")


def main() -> None:
    """Try or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for faults.json")
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    parser.add_argument("--from", dest="source", help="results to read instead of trying: a folder, or 'auto'")
    parser.add_argument("--only", default="", help="names that contain this")
    parser.add_argument("--backend", action="append", choices=list(SOURCES), help="only this one; may be repeated")
    parser.add_argument("--jobs", type=int, default=min(8, os.cpu_count() or 1), help="faults side by side")
    parser.add_argument("--keep", action="store_true", help="keep what the folder holds of other backends")
    arguments = parser.parse_args()
    if arguments.source:
        results = read(arguments.source, "faults.json")
    else:
        backends = arguments.backend or list(SOURCES)
        kept = earlier(arguments.out, "faults.json", arguments.keep)
        results = attempt(backends, arguments.only, arguments.out, arguments.jobs, kept)
    missed = show(results)
    if arguments.check and missed:
        sys.exit(f"{len(missed)} missed: " + "; ".join(missed))


def attempt(
    backends: list[str], only: str, out: Path | None, jobs: int, kept: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Try every fault, beside what is kept of other backends; written after each few: an interruption loses those."""
    results: dict[str, Any] = {"devices": {}, "missing": {}, "faults": [], "seconds": 0.0, **(kept or {})}
    results["faults"] = [one for one in results["faults"] if one["backend"] not in backends]
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="kparity-faults-") as name, courts.workplace(Path(name)):
        for backend in backends:
            with Session() as session:
                device = session.devices([backend])[backend]
                if not isinstance(device, DeviceInfo) or device.kind == "interpreter":
                    reason = "an interpreter" if isinstance(device, DeviceInfo) else device
                    print(f"{backend}: {reason}", file=sys.stderr)
                    continue
                court = courts.Court(Path(name), session, TASK, backend, CASE)
                results["devices"][backend] = device.label
                results["missing"] = court.missing
                for several in _together(_faults(backend, device.kind == "gpu", only), jobs):
                    rows = _tried(court, backend, several)
                    results["faults"] += rows
                    results["seconds"] = time.perf_counter() - started
                    for row in rows:
                        print(f"{backend:8} {row['name']:38} {row['wrong'] or row['message'][:90]}", file=sys.stderr)
                    if out is not None:
                        out.mkdir(parents=True, exist_ok=True)
                        (out / "faults.json").write_text(json.dumps(results, indent=1) + "\n")
    return results


def _faults(backend: str, on_gpu: bool, only: str) -> dict[str, Any]:
    """By name, either a `Fault` or a device's fault."""
    found: dict[str, Any] = {}
    if on_gpu:
        found |= {name: one for name, one in faults.ON_DEVICE.items() if one[0] == backend}
    found |= faults.ALL if backend == "cpu_ref" else {**faults.DYING, **faults.SPEAKING, **faults.REACHING}
    return {name: one for name, one in found.items() if only in name}


def _together(found: dict[str, Any], jobs: int) -> list[list[tuple[str, Any]]]:
    """Which are tried side by side."""
    alone = [[(name, one)] for name, one in found.items() if name in faults.EXHAUSTING]
    rest = [(name, one) for name, one in found.items() if name not in faults.EXHAUSTING]
    rest.sort(key=lambda pair: not _hangs(pair[1]))
    groups = [list(several) for _, several in itertools.groupby(rest, key=lambda pair: _hangs(pair[1]))]
    return [group[at : at + jobs] for group in groups for at in range(0, len(group), jobs)] + alone


def _hangs(fault: Any) -> bool:
    return (fault.message if isinstance(fault, faults.Fault) else fault[2]).startswith("no answer within")


def _tried(court: Any, backend: str, several: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    """Faults side by side, then a look around, then as many honest candidates."""
    with ThreadPoolExecutor(len(several)) as pool:
        rows = list(pool.map(lambda pair: _one(court, backend, *pair), several))
        left = court.left()
        ran = [row for row in rows if not row["skipped"]]
        honest = list(pool.map(lambda row: court.judge(SOURCES[backend], timeout_s=60.0), ran))
    for row, record in zip(ran, honest, strict=True):
        row["left"] = left
        row["after"] = "" if record.status == "passed" else f"{record.status}: {record.verdict.message}"
    return rows


def _one(court: Any, backend: str, name: str, fault: Any) -> dict[str, Any]:
    row = {"backend": backend, "name": name, "message": "", "wrong": "", "after": "", "left": [], "skipped": ""}
    if (needed := faults.NEEDS.get(name)) in court.missing:
        return row | {"skipped": f"no {needed} here: {court.missing[needed]}"}
    began = time.perf_counter()
    if isinstance(fault, faults.Fault):
        patience = fault.timeout_s if backend == "cpu_ref" else max(fault.timeout_s, PATIENCE_S)
        expected = fault.message.replace(f"within {fault.timeout_s:g} s", f"within {patience:g} s")
        with court.names() as names:
            source = faults.source(fault.body, "softmax(x)", "x", **names)
            record = court.judge(source, fault.limits, patience)
        row["wrong"] = courts.wrong(record, fault.status, expected)
    else:
        _, source, expected, patience = fault
        record = court.judge(source, timeout_s=patience)
        row["wrong"] = courts.wrong(record, "error", expected)
    return row | {"message": record.verdict.message, "seconds": time.perf_counter() - began}


def show(results: dict[str, Any]) -> list[str]:
    """Print the table; returns what went wrong."""
    for backend, device in results["devices"].items():
        print(f"{backend:10} {device}")
    for protection, reason in results["missing"].items():
        print(f"not in force: {protection}: {reason}")
    print(f"\n{'backend':9}{'fault':39}{'next':8}{'left':6} what happened")
    missed = []
    for one in results["faults"]:
        label = f"{one['name']} on {one['backend']}"
        if one["skipped"]:
            print(f"{one['backend']:9}{one['name']:39}{'-':8}{'-':6} skipped: {one['skipped']}")
            continue
        after, left = "failed" if one["after"] else "passed", str(len(one["left"]) or "-")
        print(f"{one['backend']:9}{one['name']:39}{after:8}{left:6} {one['message'][:80]}")
        missed += [f"{label}: {one['wrong']}"] if one["wrong"] else []
        missed += [f"{label}: the next candidate, {one['after']}"] if one["after"] else []
        missed += [f"{label}: left behind: {', '.join(one['left'][:3])}"] if one["left"] else []
    ran = [one for one in results["faults"] if not one["skipped"]]
    if not ran:
        missed.append("nothing was tried")
    print(f"\n{len(ran)} faults in {results['seconds']:.0f} s, {len(results['faults']) - len(ran)} skipped")
    for line in missed:
        print(f"MISSED {line}")
    return missed


if __name__ == "__main__":
    main()
