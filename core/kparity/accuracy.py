"""How accurate an output is as a whole: figures for people, which no verdict follows from."""

from __future__ import annotations

import math

import numpy as np

from kparity import dtypes
from kparity.case import ArrayInfo
from kparity.inputs import Arrays
from kparity.problem import Problem
from kparity.records import ULP_BINS, Accuracy
from kparity.sampling import cut_outputs


def accuracy(problem: Problem, outputs: Arrays) -> tuple[Accuracy, ...]:
    """The error of each floating-point output against the oracle; of a sampled problem, over the sample.

    Outputs must have the declared shapes and dtypes. Elements that are not finite in the oracle or in the output are
    left out.
    """
    pieces = [(part, cut_outputs(problem.spec, outputs, part.chosen)) for part in problem.parts]
    pieces = pieces or [(problem, outputs)]
    return tuple(
        _of_output(info, [(part.oracle[position], cut[position]) for part, cut in pieces])
        for position, info in enumerate(problem.case.outputs)
        if dtypes.is_float(info.dtype)
    )


def _of_output(info: ArrayInfo, pairs: list[tuple[np.ndarray, np.ndarray]]) -> Accuracy:
    square, scale, worst, compared = 0.0, 0.0, 0.0, 0
    counts = np.zeros(len(ULP_BINS) + 1, dtype=np.int64)
    for truth, output in pairs:
        with np.errstate(invalid="ignore", over="ignore"):
            error = np.abs(output.astype(np.float64) - truth)
        finite = np.isfinite(error)
        error, known = error[finite], truth[finite]
        compared += error.size
        if not error.size:
            continue
        square += _sum_of_squares(error)
        scale += _sum_of_squares(known)
        ulps = error / dtypes.spacing(known, info.dtype)
        worst = max(worst, float(ulps.max()))
        counts += np.bincount(np.searchsorted(ULP_BINS, ulps), minlength=counts.size)
    relative = math.sqrt(square / scale) if scale > 0 else None if square else 0.0
    return Accuracy(
        output=info.name,
        relative_l2=relative if relative is None or math.isfinite(relative) else None,
        worst_ulps=worst,
        ulps=tuple(int(count) for count in counts),
        compared=compared,
    )


def _sum_of_squares(values: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        return float(np.add.reduce(np.square(values)))  # a dot product would wake the threads of BLAS, which spin
