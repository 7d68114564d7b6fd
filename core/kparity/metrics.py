"""The metrics of the field, from the matrix: how much compiles, is right, is fast; pass@k of several candidates."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import msgspec

from kparity.crossing import Cell, Matrix, Ratio
from kparity.errors import UsageError
from kparity.stats import CONFIDENCE

THRESHOLDS: tuple[float, ...] = (0.5, 0.8, 1.0, 1.5, 2.0)


class Rate(msgspec.Struct, frozen=True):
    """So many of so many."""

    count: int
    of: int

    @property
    def share(self) -> float:
        """Between 0 and 1; NaN of none."""
        return self.count / self.of if self.of else math.nan


class ColumnMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """What one column of the matrix amounts to. Tasks that the device does not support at all are not counted.

    Attributes:
        compiled: tasks whose every case gave an output.
        correct: tasks whose every case passed.
        fast: fast_p by threshold p: tasks that are correct and faster than p times the baseline's speed, out of those
            that are wrong or have a speedup (Ouyang et al., KernelBench, 2025). Correct tasks that nobody timed on
            both sides count in neither; empty where no task has a speedup.
        speedup: geometric mean over the correct tasks that have one, with the limits of a t interval on their
            logarithms: how it would vary with the choice of tasks, not with the noise of a measurement.
        timed: number of those tasks.
    """

    label: str
    device: str
    compiled: Rate
    correct: Rate
    fast: dict[str, Rate]
    speedup: Ratio | None
    timed: int


class PassAtK(msgspec.Struct, frozen=True):
    """pass@k of the candidates of one backend on one device, averaged over tasks.

    Attributes:
        candidates: fewest candidates that a counted task has; tasks with fewer than k are left out.
        tasks: counted.
        value: chance that at least one of k candidates, drawn at random from those of a task, is correct.
    """

    label: str
    device: str
    k: int
    candidates: int
    tasks: int
    value: float


def column_metrics(
    matrix: Matrix, thresholds: Sequence[float] = THRESHOLDS, confidence: float = CONFIDENCE
) -> list[ColumnMetrics]:
    """The metrics of each column, in the matrix's order."""
    found = []
    for column in matrix.columns:
        at = (column.label, column.device)
        cells = [cell for cell in matrix.cells if (cell.label, cell.device) == at and cell.ran]
        if not cells:
            continue
        right = [cell for cell in cells if is_correct(cell)]
        speedups = [cell.speedup.estimate for cell in right if cell.speedup is not None]
        judged = len(cells) - len(right) + len(speedups)
        found.append(
            ColumnMetrics(
                label=column.label,
                device=column.device,
                compiled=Rate(sum(cell.compiled for cell in cells), len(cells)),
                correct=Rate(len(right), len(cells)),
                fast={f"{p:g}": Rate(sum(one > p for one in speedups), judged) for p in thresholds} if speedups else {},
                speedup=geometric_mean(speedups, confidence) if speedups else None,
                timed=len(speedups),
            )
        )
    return found


def is_correct(cell: Cell) -> bool:
    """Whether every case that the device supports passed, and at least one did."""
    return cell.ran > 0 and cell.passed == cell.ran


def geometric_mean(values: Sequence[float], confidence: float = CONFIDENCE) -> Ratio:
    """Geometric mean with a Student t interval on the logarithms; one value has the limits 0 and infinity's stand-in.

    Raises:
        UsageError: no value, or one that is not positive.
    """
    if not values or min(values) <= 0:
        raise UsageError(f"a geometric mean needs positive values; got {list(values)}")
    logs = [math.log(value) for value in values]
    mean = sum(logs) / len(logs)
    if len(logs) == 1:
        return Ratio(values[0], 0.0, math.inf)
    from scipy.special import stdtrit  # scipy.stats would take longer to import than all the rest

    deviation = math.sqrt(sum((value - mean) ** 2 for value in logs) / (len(logs) - 1))
    half = float(stdtrit(len(logs) - 1, (1 + confidence) / 2)) * deviation / math.sqrt(len(logs))
    return Ratio(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def pass_at_k(candidates: int, correct: int, k: int) -> float:
    """Unbiased estimate of the chance that one of k candidates is correct: 1 - C(n - c, k) / C(n, k).

    Source: Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374, equation 1.

    Args:
        candidates: n, how many were evaluated.
        correct: c, how many of them are correct.
        k: how many are drawn, at most n.

    Raises:
        UsageError: counts that contradict each other.
    """
    if not 0 <= correct <= candidates or not 1 <= k <= candidates:
        raise UsageError(f"pass@{k} of {correct} correct among {candidates} candidates is not defined")
    return 1.0 - math.comb(candidates - correct, k) / math.comb(candidates, k)


def pass_rates(matrix: Matrix, ks: Iterable[int] = (1, 5, 10)) -> list[PassAtK]:
    """pass@k for every backend and device where tasks have several candidates, told apart by their sources."""
    digests = {(column.label, column.device): column.source_digest for column in matrix.columns}
    counts: dict[tuple[str, str], dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for cell in matrix.cells:
        if digests[cell.label, cell.device] and cell.ran:
            counts[cell.label.partition("@")[0], cell.device][cell.task].append(is_correct(cell))
    found = []
    for (label, device), tasks in sorted(counts.items()):
        for k in ks:
            enough = [verdicts for verdicts in tasks.values() if len(verdicts) >= k]
            if enough and (k == 1 or max(map(len, enough)) > 1):
                value = sum(pass_at_k(len(ones), sum(ones), k) for ones in enough) / len(enough)
                found.append(PassAtK(label, device, k, min(map(len, enough)), len(enough), value))
    return found
