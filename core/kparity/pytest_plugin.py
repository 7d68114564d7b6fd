"""The pytest plugin: a repository of kernels tests them in three lines.

    @pytest.mark.kparity(tasks=["activation/*"], backends=["my_chip"])
    def test_kernel(kparity_evaluation):
        kparity_evaluation.check()

pytest imports this module in every run of an environment that has kparity, so it holds options and hooks alone; the
rest is imported when a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from kparity.pytesting import Judged

_FIXTURE = "kparity_evaluation"


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options that narrow what tests with `kparity_evaluation` evaluate."""
    group = parser.getgroup("kparity")
    for name, what in (("backend", "backends"), ("task", "tasks")):
        group.addoption(
            f"--kparity-{name}", action="append", default=[], metavar="GLOB", help=f"only these {what}; repeatable"
        )
    group.addoption(
        "--kparity-role", action="append", default=[], metavar="ROLE", help="edge, typical or perf; repeatable"
    )
    group.addoption(
        "--kparity-seed", type=int, default=None, metavar="NUMBER", help="seed of the inputs; random by default"
    )
    group.addoption("--kparity-timing", action="store_true", help="take times too; never under pytest-xdist")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "kparity(tasks, backends, implementations, dtypes, roles, cases, source, entry_point): what the test's "
        "kparity_evaluation covers; everything by default",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test with `kparity_evaluation` runs once for each task and line-up that its marker and the options select."""
    if _FIXTURE in metafunc.fixturenames:
        from kparity.pytesting import subjects

        chosen = subjects(metafunc)
        metafunc.parametrize(_FIXTURE, chosen, ids=[str(one) for one in chosen], indirect=True)


@pytest.fixture
def kparity_evaluation(request: pytest.FixtureRequest) -> Judged:
    """The evaluation of one implementation over a task's cases; `check()` fails, skips or returns with it."""
    from kparity.pytesting import judged

    return judged(request)


def pytest_unconfigure(config: pytest.Config) -> None:
    """End the processes that were kept warm."""
    import sys

    if "kparity.pytesting" in sys.modules:
        sys.modules["kparity.pytesting"].close(config)
