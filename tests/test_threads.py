import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from kparity import Session
from kparity.oracle import evaluate_reference
from kparity.signature import perf
from kparity.threads import FLOPS, quiet

SPEC = Session().catalogue.task("matmul/matmul")
SMALL = SPEC.cases(roles=["edge"])[0]


def counts():
    return [one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas" and "numpy" in one["filepath"]]


def limit(number):
    thread = threading.Thread(target=threadpool_limits, args=(number, "blas"))
    thread.start()
    thread.join()


@pytest.fixture(autouse=True)
def two_threads():
    np.ones((2, 2)) @ np.ones((2, 2))
    if not counts():
        pytest.skip("NumPy's linear algebra has no threads here that can be counted")
    before = counts()[0]
    limit(2)
    yield
    limit(before)


def test_the_limit_holds_inside_alone():
    before = counts()
    with quiet(SMALL):
        assert set(counts()) == {1}
    assert counts() == before


def test_it_holds_until_the_last_of_several_threads_has_left():
    before, entered, leave = counts(), threading.Event(), threading.Event()

    def stay():
        with quiet(SMALL):
            entered.set()
            leave.wait(30)

    other = threading.Thread(target=stay)
    other.start()
    assert entered.wait(30)
    with quiet(SMALL):
        pass
    within = counts()
    leave.set()
    other.join()
    assert set(within) == {1}
    assert counts() == before


def test_it_is_lifted_when_something_raises():
    before = counts()
    with pytest.raises(ValueError, match="broken"), quiet(SMALL):
        raise ValueError("broken")
    assert counts() == before


def test_references_of_affordable_cases_multiply_in_one_thread():
    seen = []

    def watching(a, b, **attributes):
        seen.extend(counts())
        return SPEC.reference(a, b, **attributes)

    arrays = tuple(np.ones(info.shape, np.float32) for info in SMALL.inputs)
    evaluate_reference(SPEC, SMALL, arrays, "float32", watching)
    assert set(seen) == {1}


def test_huge_cases_keep_all_threads():
    huge = SPEC.bind(perf(m=4096, n=4096, k=4096), {"T": "float32"})
    assert huge.flops >= FLOPS
    with quiet(huge):
        assert set(counts()) == {2}
