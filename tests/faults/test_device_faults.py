"""What a candidate can do to a GPU; needs one. Run it on such a machine with `pytest tests/faults`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kparity import Limits, Options, Session

pytestmark = pytest.mark.skipif(not Path("/dev/nvidiactl").exists(), reason="needs an NVIDIA GPU")

CUPY = "import cupy\n"
ENDLESS = """
endless = cupy.RawKernel(r'''
extern "C" __global__ void endless(volatile float* y) { while (y[0] == y[0]) y[0] = y[0] + 0.0f; }
''', "endless")
def softmax(x):
    y = cupy.zeros_like(x)
    endless((1,), (1,), (y,))
    return y
"""
WILD = """
wild = cupy.RawKernel(r'''
extern "C" __global__ void wild(float* y) { ((float*)16)[threadIdx.x] = 1.0f; }
''', "wild")
def softmax(x):
    y = cupy.zeros_like(x)
    wild((1,), (32,), (y,))
    cupy.cuda.Device().synchronize()
    return y
"""
TRAP = WILD.replace("((float*)16)[threadIdx.x] = 1.0f;", "__trap();")
FAULTS = {
    "endless kernel": ("cuda", CUPY + ENDLESS, r"no answer within 15 s", 15.0),
    "illegal address": ("cuda", CUPY + WILD, r"[Ii]llegal|cudaError", 60.0),
    "trap": ("cuda", CUPY + TRAP, r"cudaError|launch|trap|illegal", 60.0),
    "out of memory, CuPy": ("cuda", CUPY + "def softmax(x):\n    return cupy.empty(1 << 42)\n", r"[Mm]emory", 60.0),
    "out of memory, torch": (
        "torch",
        "import torch\ndef softmax(x):\n    return torch.empty(1 << 42, device='cuda')\n",
        r"[Mm]emory",
        60.0,
    ),
    "out of memory, JAX": (
        "jax",
        "import jax.numpy as jnp\n"
        "def softmax(x):\n    return x + jnp.cumsum(jnp.ones((1 << 21, 1 << 20)), axis=0)[:1, :1]\n",
        r"RESOURCE_EXHAUSTED|[Mm]emory",
        60.0,
    ),
}
HONEST = {
    "cuda": CUPY
    + "def softmax(x):\n    e = cupy.exp(x - x.max(-1, keepdims=True))\n    return e / e.sum(-1, keepdims=True)\n",
    "torch": "import torch\ndef softmax(x):\n    return torch.softmax(x, -1)\n",
    "jax": "import jax\ndef softmax(x):\n    return jax.nn.softmax(x, -1)\n",
}


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
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_on_the_device_is_an_error_and_the_next_candidate_passes(session, name):
    backend, source, message, timeout_s = FAULTS[name]
    record = judged(session, backend, source, timeout_s)
    assert record.status == "error", record.verdict
    assert re.search(message, record.verdict.message), record.verdict.message
    honest = judged(session, backend, HONEST[backend], 60.0)
    assert honest.status == "passed", honest.verdict


@pytest.mark.slow
@pytest.mark.parametrize("backend", HONEST)
def test_a_confined_candidate_is_timed_on_the_devices_own_clock(session, backend):
    record = judged(session, backend, HONEST[backend], 120.0, timing=True)
    assert record.status == "passed", record.verdict
    assert record.time("device") is not None, record.withheld
    print(backend, record.assurance)
