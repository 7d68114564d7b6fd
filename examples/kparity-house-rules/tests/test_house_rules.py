"""The check finds what it is for and nothing else; the reporter gives a line for each evaluation."""

import csv

from kparity import Options, Session, edge, hookimpl, kernel_spec

from kparity_house_rules import plugin

NAME = "no_made_subnormals"
OPTIONS = Options(seed=1, timing=None, isolation="inline")


@kernel_spec("house/zero", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[edge(n=9)])
def zero(x):
    """y[i] = x[i] - x[i]."""
    return x - x


class Tasks:
    """A plugin with the task above."""

    @hookimpl
    def register_tasks(self):
        return [zero]


def judged(source):
    return Session(extra=[plugin, Tasks()]).evaluate("house/zero", "cpu_ref", source, options=OPTIONS)


def found(outcome):
    return [next(check for check in one.verdict.checks if check.name == NAME) for one in outcome.evaluations]


def test_a_kernel_without_subnormals_passes():
    outcome = judged("def zero(x): return x - x")
    assert outcome.passed
    assert {check.status for check in found(outcome)} == {"passed"}


def test_a_subnormal_where_there_should_be_zero_fails():
    outcome = judged("def zero(x): return x * 0 + x.dtype.type(1e-40)")
    assert "9 elements are subnormal and should not be" in {check.message for check in found(outcome)}


def test_one_line_for_each_evaluation():
    outcome = judged("def zero(x): return x - x")
    lines = list(csv.reader(plugin.CsvReporter().render(None, outcome.evaluations).splitlines()))
    assert lines[0] == ["task", "implementation", "case", "status", "message"]
    assert [line[3] for line in lines[1:]] == ["passed"] * len(outcome.evaluations)
