"""Tables of `timing_truth.py` and `timing_cpu.py`, and the goals that both have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def print_truth(rows: Sequence[dict[str, Any]], independent: str) -> None:
    """One line for each implementation of each task."""
    print(f"{'task':24}{'implementation':16}{'clock':8}{'kparity us':>12}{independent:>16}{'off':>8}{'spread':>8}")
    for row in rows:
        print(
            f"{row['task']:24}{row['label']:16}{row['clock']:8}{row['median_us']:12.2f}{row['independent_us']:16.2f}"
            f"{row['off']:8.2%}{row['spread']:8.2%}"
        )


def missed_truth(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Which of them are further than 1 % from the independent clock, or have repeats that spread by 0.5 % or more."""
    missed = []
    for row in rows:
        name = f"{row['task']} on {row['label']}"
        missed += (
            [f"{name}: {row['off']:.2%} off the {row.get('independent', 'profiler')}"] if abs(row["off"]) > 0.01 else []
        )
        missed += [f"{name}: repeats spread by {row['spread']:.2%}"] if row["spread"] >= 0.005 else []
    return missed


def called_different(rows: Sequence[dict[str, Any]], where: str = "") -> list[str]:
    """Print how many A/A comparisons called a difference; the goal, if it is missed: at most 5 %."""
    total = sum(row["comparisons"] for row in rows)
    wrong = sum(row["outcomes"].get(name, 0) for row in rows for name in ("faster", "slower"))
    text = f"A/A{where}: {wrong} of {total} called different"
    print(text)
    return [text] if wrong > 0.05 * total else []


def called_slower(rows: Sequence[dict[str, Any]], wanted: int, where: str = "") -> list[str]:
    """Print how many comparisons with a slowed kernel said so; the goals that are missed: 95 % of at least `wanted`."""
    missed = []
    for percent in (1, 2):
        row = next((row for row in rows if row["percent"] == percent), None)
        count, found = (row["comparisons"], row["outcomes"].get("slower", 0)) if row else (0, 0)
        text = f"{percent} % slower{where}: {found} of {count} comparisons say so"
        print(text + (f"; their median ratio is {row['ratio']:.4f}" if row else ""))
        missed += [text] if found < 0.95 * count or count < wanted else []
    return missed


def too_few(rows: Sequence[dict[str, Any]], wanted: int) -> list[str]:
    """The goal, if it is missed, of so many A/A comparisons in all."""
    total = sum(row["comparisons"] for row in rows)
    return [f"A/A: {total} of {wanted} comparisons were made"] if total < wanted else []


def print_compared(rows: Sequence[dict[str, Any]]) -> None:
    """One line for each series of comparisons."""
    print(f"\n{'comparison':52}{'outcomes':44}{'ratio':>8}{'pairs':>7}{'median s':>10}{'most s':>8}")
    for row in rows:
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in row["outcomes"].items())
        print(
            f"{row['name']:52}{outcomes:44}{row['ratio']:8.4f}{row['pairs']:7.0f}{row['seconds']:10.2f}"
            f"{row['seconds_most']:8.2f}"
        )
