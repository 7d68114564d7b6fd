"""The kernel and the reference pass, and wrong kernels do not."""

import pytest
from kparity import Options, Session

from kparity_extra_tasks import plugin

OPTIONS = Options(seed=1, timing=None, isolation="inline")
WRONG = {
    "forgets to divide": "return sums(x, width, np.float32).astype(x.dtype)",
    "drops the last of a window": "return (sums(x, width - 1, np.float32) / width).astype(x.dtype)",
    "adds in float16": "return (sums(x, width, np.float16) / np.float16(width)).astype(x.dtype)",
}
SUMS = """
import numpy as np

def sums(x, width, dtype):
    total = np.zeros(x.shape, dtype)
    for k in range(min(width, x.shape[1])):
        total[:, k:] += x[:, : x.shape[1] - k].astype(dtype)
    return total

def moving_average(x, width=3):
    """


def session() -> Session:
    return Session(extra=[plugin])


@pytest.mark.parametrize("name", ["shifted", "numpy"])
def test_what_is_right_passes(name):
    found = list(
        session().run(
            ["signal/*"], backends=["cpu_ref"], implementations=[f"cpu_ref:{name}"], roles=["edge"], options=OPTIONS
        )
    )
    assert {one.status for one in found} == {"passed"}, [one.verdict.message for one in found]
    assert {one.implementation.owner for one in found} >= (
        {"kparity_extra_tasks.plugin"} if name == "shifted" else set()
    )


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_fails(fault):
    outcome = session().evaluate(
        "signal/moving_average",
        "cpu_ref",
        f"{SUMS}    {WRONG[fault]}\n",
        roles=["typical"],
        dtypes=["float32"],
        options=OPTIONS,
    )
    assert outcome.status == "failed", outcome.message
