"""The transfer contract on every backend of this machine, each in a process of its own."""

from __future__ import annotations

import importlib.util
import sys

import pytest

from kparity import DeviceInfo, Session, Unavailable, dtypes
from kparity.conformance.certify import Examination
from kparity.conformance.suite import PROMISES

FRAMEWORKS = {"cuda": ["cupy"], "jax": ["jax"], "torch": ["torch"], "triton": ["torch", "triton"]}
BACKENDS = ("cpu_ref", "cuda", "jax", "torch", "triton", "toy")


def lacks_framework(backend):
    """True where what the backend builds on is not installed: the one excuse for not opening."""
    return any(importlib.util.find_spec(name) is None for name in FRAMEWORKS.get(backend, ()))


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_arrays_go_to_the_device_and_back_unchanged(backend, install):
    install("toy-accelerator", toy="toy_plugin")
    examination = Examination(type(Session().catalogue.backend(backend)))
    try:
        found = [examination.finding(name) for name in PROMISES if name.startswith(("open.", "transfer."))]
    except Unavailable as error:
        if lacks_framework(backend) and error.remedy:
            pytest.skip(error.reason)
        raise
    finally:
        examination.close()
    assert len(found) >= 7
    assert {one.promise: one.detail for one in found if one.outcome != "holds"} == {}
    info = examination.device
    assert info.versions
    assert {"float32", "float16", "bfloat16", "int32"} <= set(info.dtypes) <= set(dtypes.NAMES)


@pytest.mark.slow
def test_devices_opens_every_backend_in_a_process_of_its_own():
    before = set(sys.modules)
    devices = Session().devices()
    assert list(devices) == list(Session().catalogue.backends)
    for name, device in devices.items():
        if isinstance(device, DeviceInfo):
            assert device.backend == name
        else:
            assert lacks_framework(name), device
            assert device.remedy
    assert not {"torch", "triton", "jax", "cupy", "numba"} & (set(sys.modules) - before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backend", "framework"),
    [("jax", "jax"), ("torch", "torch"), ("triton", "triton"), ("triton", "torch")],
)
def test_a_missing_framework_is_unavailable_with_a_reason_and_a_remedy(backend, framework, python):
    program = (
        "import sys, kparity\n"
        "class Hidden:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.partition('.')[0] == {framework!r}:\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hidden())\n"
        f"backend = kparity.Session().catalogue.backend({backend!r})\n"
        "try:\n"
        "    backend.open(0)\n"
        "except kparity.Unavailable as error:\n"
        "    print(error.reason + '|' + error.remedy)\n"
    )
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
    reason, _, remedy = done.stdout.strip().partition("|")
    assert framework in reason
    assert "not installed" in reason or "cannot be imported" in reason
    assert "pip install 'kparity[" in remedy
