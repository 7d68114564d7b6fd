"""How near the bundled kernels come to what the device can do, from a recorded run.

    python benchmarks/performance.py --from auto             # the newest committed results
    python benchmarks/performance.py --from RUN --check      # exit 1 where the goal is missed: 80 % of the limit

Prints a Markdown table: device time of each perf case and the fraction of the limit that the measured ceilings allow.
The goal counts the best hand-written realization (triton, cuda or jax:pallas) of each case that does fewer than 20
operations for each byte.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from kparity import Evaluation, read_run

RESULTS = Path(__file__).parent / "results"
OURS = ("triton", "cuda", "jax:pallas")
GOAL = 0.8


def main() -> None:
    """Print the table; with --check, hold it against the goal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", default="auto", help="a run folder, or 'auto'")
    parser.add_argument("--check", action="store_true", help="exit 1 when the goal is missed")
    arguments = parser.parse_args()
    folders = _newest() if arguments.source == "auto" else [Path(arguments.source)]
    timed = _timed(folders)
    if not timed:
        sys.exit(f"{folders[0]} holds no perf case with a device time")
    print("\n".join(table(timed)))
    names = ", ".join(folder.name for folder in folders)
    print(f"\n{timed[0].device.name if timed[0].device else ''}, {names}")
    missed = _missed(timed)
    if arguments.check and missed:
        sys.exit("missed: " + "; ".join(missed))


def table(evaluations: Sequence[Evaluation]) -> list[str]:
    """Markdown rows: one for each case, one column for each implementation."""
    labels = sorted({one.implementation.label for one in evaluations})
    lines = ["| task | case | bound by | " + " | ".join(labels) + " |", "| --- " * (3 + len(labels)) + "|"]
    for key in sorted({(one.task, one.case.key) for one in evaluations}):
        row = {one.implementation.label: one for one in evaluations if (one.task, one.case.key) == key}
        cells = [_cell(row.get(label)) for label in labels]
        limit = next(iter(row.values())).roofline
        lines.append(f"| {key[0]} | `{key[1]}` | {limit.bound if limit else ''} | {' | '.join(cells)} |")
    return lines


def _cell(one: Evaluation | None) -> str:
    time = one.time("device") if one is not None else None
    if one is None or time is None or one.roofline is None:
        return ""
    return f"{time.median_s * 1e6:,.0f} us, {one.roofline.fraction:.0%}"


def _missed(evaluations: Sequence[Evaluation]) -> list[str]:
    best: dict[tuple[str, str], float] = {}
    for one in evaluations:
        if (
            one.implementation.label in OURS
            and one.roofline is not None
            and (one.case.flops or 0) < 20 * one.case.bytes
        ):
            key = (one.task, one.case.key)
            best[key] = max(best.get(key, 0.0), one.roofline.fraction)
    return [f"{task} {case} reaches {share:.0%}" for (task, case), share in best.items() if share < GOAL]


def _newest() -> list[Path]:
    """The run folders `perf*` of the newest results."""
    found = sorted(RESULTS.glob("*/perf/run.json"))
    if not found:
        sys.exit(f"no results under {RESULTS}")
    return sorted(one.parent for one in found[-1].parent.parent.glob("perf*/run.json"))


def _timed(folders: Sequence[Path]) -> list[Evaluation]:
    """Perf cases with device times; where several runs hold one, the run that began last counts."""
    newest: dict[tuple[str, str, str], Evaluation] = {}
    for _, evaluations in sorted((read_run(folder) for folder in folders), key=lambda run: run[0].started_at):
        for one in evaluations:
            if one.case.role == "perf" and one.time("device") and one.roofline:
                newest[one.task, one.case.key, one.implementation.label] = one
    return list(newest.values())


if __name__ == "__main__":
    main()
