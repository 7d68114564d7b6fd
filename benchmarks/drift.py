"""How much the times of two recorded runs of the same code differ: what `kparity regress` puts down to the machine.

    python benchmarks/drift.py                    # the committed runs on two H100s
    python benchmarks/drift.py RUN RUN --check    # exit 1 where a pair differs by more than the allowance

Prints quantiles of |ratio of medians - 1| over the evaluations that passed in both.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from kparity import read_runs
from kparity.records import quantile
from kparity.regress import DRIFT, regress

RESULTS = Path(__file__).parent / "results"
DEFAULT = (RESULTS / "2026-11-22-h100" / "perf", RESULTS / "2026-11-22-h100-earlier" / "times")


def main() -> None:
    """Print the table; with --check, hold it against the allowance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path, default=DEFAULT, help="two run folders of the same code")
    parser.add_argument("--check", action="store_true", help="exit 1 where a pair differs by more than the allowance")
    arguments = parser.parse_args()
    if len(arguments.runs) != 2:
        sys.exit(f"expected two run folders, got {len(arguments.runs)}")
    one, other = arguments.runs
    found = regress(read_runs([one]), read_runs([other]))
    moved: dict[str, list[float]] = {"all": []}
    for change in found.changes:
        if change.before_s is not None and change.after_s is not None:
            difference = math.expm1(abs(math.log(change.after_s / change.before_s)))
            moved["all"].append(difference)
            moved.setdefault(change.label, []).append(difference)
    if not moved["all"]:
        sys.exit("the two runs have no times in common")
    print("| line-up | pairs | median | 95 % | largest |\n| --- | --- | --- | --- | --- |")
    for label, values in sorted(moved.items()):
        shown = " | ".join(f"{quantile(values, q):.2%}" for q in (0.5, 0.95, 1.0))
        print(f"| {label} | {len(values)} | {shown} |")
    if arguments.check and max(moved["all"]) > DRIFT:
        sys.exit(f"a pair differs by {max(moved['all']):.1%}, more than the allowance of {DRIFT:.0%}")


if __name__ == "__main__":
    main()
