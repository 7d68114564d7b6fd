"""A plugin that uses every hook: a task, a backend, a kernel, a check, a reporter and an observer."""

import sys

import numpy as np

from kparity import (
    Backend,
    Check,
    DeviceInfo,
    Implementation,
    Reporter,
    edge,
    hookimpl,
    kernel_spec,
    typical,
)


@kernel_spec(
    "signal/difference",
    inputs={"x": "rows cols : T"},
    outputs={"y": "rows cols-1 : T"},
    dtypes={"T": ("float32", "float16")},
    cases=[edge(rows=1, cols=2), edge(rows=3, cols=1023), typical(rows=128, cols=4096)],
    flops="rows * (cols - 1)",
)
def difference(x):
    """First difference along the last axis: y[r, c] = x[r, c + 1] - x[r, c]."""
    return x[:, 1:] - x[:, :-1]


def difference_by_diff(x):
    """A kernel: device arrays in, a device array out, of the declared dtype."""
    return np.diff(x.astype(np.float32), axis=-1).astype(x.dtype)


class HostBackend(Backend):
    """The host's memory as a device."""

    name = "host"
    put = get = staticmethod(np.ndarray.copy)

    def open(self, index=0):
        return DeviceInfo(backend=self.name, name="host memory", kind="cpu")


class Telescopes(Check):
    """The differences of a row add up to its last element minus its first, within the sum of their bounds."""

    name = "telescopes"

    def examine(self, evidence):
        problem = evidence.problem
        if problem.case.task != "signal/difference":
            return self.passed()
        x, y = problem.inputs[0].astype(np.float64), evidence.outputs[0].astype(np.float64)
        error = np.abs(y.sum(axis=-1) - (x[:, -1] - x[:, 0]))
        if (error > problem.bounds[0].sum(axis=-1)).any():
            return self.failed(f"row {int(np.argmax(error))} does not add up", error=float(error.max()))
        return self.passed(error=float(error.max()))


class CsvReporter(Reporter):
    """One line for each evaluation."""

    name = "csv"

    def render(self, info, evaluations):
        rows = [f'{one.task},{one.implementation.label},"{one.case.key}",{one.status}' for one in evaluations]
        return "\n".join(["task,implementation,case,status", *rows])


@hookimpl
def register_tasks():
    return [difference]


@hookimpl
def register_backends():
    return [HostBackend()]


@hookimpl
def register_implementations():
    return [Implementation("signal/difference", "host", f"{__name__}:difference_by_diff", "numpy")]


@hookimpl
def register_checks():
    return [Telescopes()]


@hookimpl
def register_reporters():
    return [CsvReporter()]


@hookimpl
def evaluation_finished(evaluation):
    if evaluation.status != "passed":
        print(evaluation.task, evaluation.case.key, evaluation.status, file=sys.stderr)
