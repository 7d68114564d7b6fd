"""Every bundled kernel on every backend of this machine, and that no task lacks one."""

from __future__ import annotations

import fnmatch
import importlib.util

import pytest

from kparity import NothingEvaluatedError, Options, Session, Unavailable

FRAMEWORKS = {"cpu_ref": ["numba"], "cuda": ["cupy"], "jax": ["jax"], "torch": ["torch"], "triton": ["torch", "triton"]}
BACKENDS = tuple(FRAMEWORKS)
IMPLEMENTATIONS = ("cpu_ref:numba", "cpu_ref:numpy", "cuda", "jax:pallas", "jax:xla", "torch:*", "triton")
TASKS = 21


@pytest.fixture(scope="module")
def session():
    """The bundled plugins and whatever else is installed."""
    return Session()


def is_bundled(session, kind, name):
    """True for what kparity's own entry points registered."""
    return session.catalogue.owner(kind, name).startswith("kparity/")


def test_every_task_has_an_implementation_on_every_backend(session):
    tasks = [name for name in session.catalogue.tasks if is_bundled(session, "task", name)]
    assert len(tasks) == TASKS
    missing = [
        (task, backend)
        for task in tasks
        for backend in BACKENDS
        if not [one for one in session.catalogue.implementations(task, backend) if one.name != "numpy"]
    ]
    assert missing == []


def test_every_bundled_backend_and_line_up_is_tested_here(session):
    assert {name for name in session.catalogue.backends if is_bundled(session, "backend", name)} == set(BACKENDS)
    labels = {
        one.label
        for task in session.catalogue.tasks
        for backend in BACKENDS
        for one in session.catalogue.implementations(task, backend)
        if one.owner.startswith("kparity/")
    }
    assert {label for label in labels if not any(fnmatch.fnmatchcase(label, glob) for glob in IMPLEMENTATIONS)} == set()


def test_every_task_covers_edge_typical_and_perf_in_three_dtypes(session):
    for name, spec in session.catalogue.tasks.items():
        for kind in ("float32", "float16", "bfloat16"):
            roles = {case.role for case in spec.cases(dtypes=[kind])}
            assert roles == {"edge", "typical", "perf"}, (name, kind)
        assert all(case.flops for case in spec.cases()) or name == "index/embedding", name
        smallest = min(spec.cases(roles=["edge"]), key=lambda case: case.elements)
        assert max(smallest.axes.values()) <= 16, name


@pytest.mark.slow
@pytest.mark.parametrize("label", IMPLEMENTATIONS)
def test_kernels_pass_the_quick_coverage_of_their_tasks(session, label):
    options = Options(seed=20240229, timing=None, jobs=1)
    backend = label.partition(":")[0]
    chosen = {"backends": [backend], "implementations": [label], "roles": ["edge", "typical"], "coverage": "quick"}
    try:
        records = list(session.run(options=options, **chosen))
    except (Unavailable, NothingEvaluatedError) as error:
        if any(importlib.util.find_spec(name) is None for name in FRAMEWORKS[backend]):
            pytest.skip(str(error))
        raise
    wrong = [
        f"{one.status}: {one.implementation.label} {one.task} {one.case.key}: {one.verdict.message}"
        for one in records
        if one.status not in ("passed", "unsupported")
    ]
    assert not wrong, "\n".join(wrong)
    assert {one.seed for one in records} == {options.seed}
    passed = {(one.implementation.label, one.task) for one in records if one.status == "passed"}
    assert passed == {
        (one.label, task)
        for task in session.catalogue.tasks
        for one in session.catalogue.implementations(task, backend)
        if fnmatch.fnmatchcase(one.label, label)
    }
