"""A check that every kernel has to meet here, and a reporter."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import numpy as np
from kparity import Check, CheckResult, Evaluation, Evidence, Reporter, dtypes, hookimpl

requires_api = "1.0"


class NoMadeSubnormals(Check):
    """Where the exact result is zero or a normal number, no element is subnormal: those are slow on our next chip."""

    name = "no_made_subnormals"

    def examine(self, evidence: Evidence) -> CheckResult:
        """Count the subnormal elements whose exact value is none."""
        made = 0
        for output, truth in zip(evidence.outputs, evidence.problem.oracle, strict=True):
            if dtypes.is_float(output.dtype.name):
                smallest = float(dtypes.finfo(output.dtype.name).smallest_normal)
                size, exact = np.abs(output.astype(np.float64)), np.abs(truth)
                made += int(np.count_nonzero((size > 0) & (size < smallest) & ((exact == 0) | (exact >= smallest))))
        return self.failed(f"{made} elements are subnormal and should not be", made=made) if made else self.passed()


class CsvReporter(Reporter):
    """One line for each evaluation."""

    name = "csv"

    def render(self, info: object, evaluations: Sequence[Evaluation]) -> str:
        """Task, implementation, case, status and the reason where there is one."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["task", "implementation", "case", "status", "message"])
        for one in evaluations:
            writer.writerow([one.task, one.implementation.label, one.case.key, one.status, one.verdict.message])
        return text.getvalue()


@hookimpl
def register_checks() -> list[Check]:
    """Asked after the mandatory checks, of every task."""
    return [NoMadeSubnormals()]


@hookimpl
def register_reporters() -> list[Reporter]:
    """`kparity report RUN --format csv`."""
    return [CsvReporter()]
