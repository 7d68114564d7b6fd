"""What a run of many recorded evaluations costs: to plan, to append to, to open, to resume, to report.

    python benchmarks/scale.py --out benchmarks/results/DATE-MACHINE/scale.json
    python benchmarks/scale.py --only 'HTML report' --out THE_SAME      # these steps again, the others kept
    python benchmarks/scale.py --from benchmarks/results/2026-11-22-cpu/scale.json --check

Evaluations are planned and recorded for 100, 1,000 and 10,000 evaluations of a pretend device; nothing is evaluated.
Every step runs in a process of its own; its memory is the peak of that process above one that only imports kparity.
Each record carries 50 samples of two measurands, as a timed case of a CPU does. `--check` holds the largest run against
the goals: no step over 10 s or 200 MiB, and to plan an evaluation costs at most twice what it costs in a run of 1,000.
The HTML report, which holds samples of every record until it is written, may take 400 MiB, and its file 25 MB.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec
from committed import read
from scale_steps import SIZES, STEPS

from kparity import read_runs
from kparity.host import host_info

RESULTS = Path(__file__).parent / "results"
SECONDS, MEBIBYTES = 10.0, 200.0
PAGE, PAGE_MEBIBYTES, PAGE_BYTES = "HTML report", 400.0, 25e6


def in_child(step: str, size: int, folder: Path) -> dict[str, float]:
    """One step in a process of its own."""
    command = [sys.executable, __file__, "--step", step, "--size", str(size), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{step} of {size} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(only: Collection[str] = (), known: dict[str, Any] | None = None) -> dict[str, Any]:
    """Every step at every size; or the steps `only`, beside what is known of the others on this machine."""
    host = msgspec.to_builtins(host_info())
    found: dict[str, Any] = known or {"host": host, "steps": {}, "recorded": recorded()}
    if found["host"] != host:
        sys.exit(f"the other steps were measured on {found['host']}, this is {host}: measure all of them")
    with tempfile.TemporaryDirectory() as temporary:
        for size in SIZES:
            bare = in_child("import", size, Path(temporary))["peak_mib"]
            for step in (step for step in STEPS if not only or step in (*only, "append")):
                result = in_child(step, size, Path(temporary) / f"run{size}")
                result["peak_mib"] = max(result["peak_mib"] - bare, 0.0)
                if not only or step in only:
                    found["steps"].setdefault(step, {})[str(size)] = result
                print(f"{step} {size}: {result['seconds']:.3f} s", file=sys.stderr)
    found["steps"] = {step: found["steps"][step] for step in STEPS if step in found["steps"]}
    return found


def recorded() -> dict[str, Any]:
    """What evaluations took in the committed runs on an H100, waiting for others included."""
    found: dict[str, list[float]] = {}
    for run in read_runs([RESULTS / "2026-11-22-h100"]).runs:
        for one in run:
            found.setdefault(f"{run.path.name}, {one.case.role}", []).append(one.duration_s)
    return {name: {"evaluations": len(values), "mean_s": sum(values) / len(values)} for name, values in found.items()}


def table(found: dict[str, Any]) -> list[str]:
    """Markdown rows: seconds, time for each evaluation, and memory, by step and size."""
    sizes = list(next(iter(found["steps"].values())))
    largest = sizes[-1]
    heads = [f"{int(size):,}" for size in sizes]
    lines = [
        f"| step | {' | '.join(heads)} | processor time each, of {heads[-1]} | memory |",
        "| --- " * (len(sizes) + 3) + "|",
    ]
    for step, by_size in found["steps"].items():
        seconds = " | ".join(f"{by_size[size]['seconds']:.3f} s" for size in sizes)
        each = by_size[largest]["cpu_s"] / int(largest) * 1e6
        lines.append(f"| {step} | {seconds} | {each:.1f} us | {by_size[largest]['peak_mib']:.0f} MiB |")
    size_each = found["steps"]["append"][largest]["bytes"] / int(largest)
    lines += ["", f"A record is {size_each:,.0f} bytes."]
    if PAGE in found["steps"]:
        lines += [f"The HTML report is a file of {found['steps'][PAGE][largest]['bytes'] / 1e6:.1f} MB."]
    lines += ["", "| committed run | evaluations | mean duration |"]
    lines.append("| --- | --- | --- |")
    for name, one in found["recorded"].items():
        lines.append(f"| {name} | {one['evaluations']:,} | {one['mean_s']:.2f} s |")
    return lines


def faults(found: dict[str, Any]) -> list[str]:
    """The goals that were missed."""
    largest = str(max(map(int, next(iter(found["steps"].values())))))
    missed = []
    for step, by_size in found["steps"].items():
        one = by_size[largest]
        if one["seconds"] > SECONDS:
            missed.append(f"{step} of {largest} took {one['seconds']:.1f} s")
        if one["peak_mib"] > (PAGE_MEBIBYTES if step == PAGE else MEBIBYTES):
            missed.append(f"{step} of {largest} took {one['peak_mib']:.0f} MiB")
        if step == PAGE and one["bytes"] > PAGE_BYTES:
            missed.append(f"{step} of {largest} is a file of {one['bytes'] / 1e6:.1f} MB")
    planned = {int(size): one["cpu_s"] / int(size) for size, one in found["steps"]["plan"].items()}
    if planned[10_000] > 2 * planned[1_000]:
        missed.append(f"planning is not flat: {planned[1_000] * 1e6:.0f} us, then {planned[10_000] * 1e6:.0f} us")
    return missed


def main() -> None:
    """Measure or read, print, and check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="write what was measured to this JSON file")
    parser.add_argument("--from", dest="source", help="results to read instead of measuring: a file, or 'auto'")
    parser.add_argument("--only", action="append", choices=tuple(STEPS), default=[], help="measure this step again")
    parser.add_argument("--check", action="store_true", help="exit 1 where a goal is missed")
    for hidden, kind in (("--step", str), ("--size", int), ("--folder", Path)):
        parser.add_argument(hidden, type=kind, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step is not None:
        result = STEPS[arguments.step](arguments.size, arguments.folder) if arguments.step in STEPS else {}
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**result, "peak_mib": peak}))
        return
    source = arguments.source or (arguments.out if arguments.only else None)
    found = read(source, "scale.json") if source is not None else None
    if arguments.source is None:
        found = measure(arguments.only, found)
    if arguments.out is not None:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps(found, indent=2) + "\n")
    print("\n".join(table(found)))
    missed = faults(found)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


if __name__ == "__main__":
    main()
