"""What a candidate can do to a GPU; needs one. Run it on such a machine with `pytest tests/faults`."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kparity import Limits, Options, Session

pytestmark = pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="needs an NVIDIA GPU")

_spec = importlib.util.spec_from_file_location("kparity_device_faults", Path(__file__).with_name("faults.py"))
assert _spec is not None
assert _spec.loader is not None
faults = importlib.util.module_from_spec(_spec)
sys.modules[_spec.name] = faults
_spec.loader.exec_module(faults)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as opened:
        yield opened


def judged(session: Session, backend: str, source: str, timeout_s: float, timing: bool = False):
    """The record of one typical case."""
    options = Options(seed=3, timeout_s=timeout_s, limits=Limits(), **({} if timing else {"timing": None}))
    outcome = session.evaluate(
        "activation/softmax", backend, source, roles=["typical"], dtypes=["float32"], options=options
    )
    return outcome.evaluations[0]


@pytest.mark.slow
@pytest.mark.parametrize("name", faults.ON_DEVICE)
def test_a_fault_on_the_device_is_an_error_and_the_next_candidate_passes(session, name):
    backend, source, message, timeout_s = faults.ON_DEVICE[name]
    record = judged(session, backend, source, timeout_s)
    assert record.status == "error", record.verdict
    assert re.search(message, record.verdict.message), record.verdict.message
    honest = judged(session, backend, faults.HONEST[backend], 60.0)
    assert honest.status == "passed", honest.verdict


@pytest.mark.slow
@pytest.mark.parametrize("backend", faults.HONEST)
def test_a_confined_candidate_is_timed_on_the_devices_own_clock(session, backend):
    record = judged(session, backend, faults.HONEST[backend], 120.0, timing=True)
    assert record.status == "passed", record.verdict
    assert record.time("device") is not None, record.withheld
    print(backend, record.assurance)
