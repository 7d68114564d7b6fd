"""Promises of `DeviceInfo` and of the optional abilities: what is claimed is true."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import itertools
import math
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kparity import dtypes
from kparity.backend import Backend, Support
from kparity.clock import DeviceClock, Telemetry, busy_seconds, self_test
from kparity.conformance.workbench import NotChecked, Promise, Workbench, outputs_of, small_integers
from kparity.errors import Unsupported

_CLOCK_TRIALS = 5
_FLUSH_S = 5e-6
"""No cache worth the name is evicted in less."""
_CALLS = 1000
_VIEWED = 96
_VIEWS = (((5, 7), (12, 1), 3), ((7, 5), (1, 7), 0), ((4, 3), (18, 2), 1), ((9,), (1,), 5), ((2, 3, 4), (4, 8, 1), 2))
"""Shape, strides and offset of views: columns, axes swapped, steps, off alignment, three axes."""
_BYTES = 1 << 16
_LEAK = 0.25
"""Share of what a thousand calls move that may stay behind."""


def claimed_run(bench: Workbench) -> list[str]:
    """For each claimed dtype, some kernel gives the right result."""
    broken, unknown = [], []
    for dtype in bench.info.dtypes:
        try:
            bench.doubler(16, dtype)
        except NotChecked as error:
            if not _copies(bench, dtype):
                unknown.append(f"{dtype}: {error}")
        except Exception as error:
            broken.append(f"{dtype} is claimed, but x + x raised {type(error).__name__}: {error}")
    if unknown and not broken:
        raise NotChecked(f"{len(unknown)} of {len(bench.info.dtypes)} dtypes, e.g. {unknown[0]}; the others run")
    return broken


def unclaimed_refused(bench: Workbench) -> list[str]:
    """`supports` answers no, with a reason, to a dtype that is not claimed."""
    unclaimed = [name for name in dtypes.NAMES if name not in bench.info.dtypes]
    if not unclaimed:
        raise NotChecked("the device claims every dtype that there is")
    function, broken = bench.load("doubled"), []
    for dtype in unclaimed:
        support = bench.backend.supports(bench.case(16, dtype), function)
        if not isinstance(support, Support):
            return [f"supports gave {support!r}, not a Support"]
        if support.answer != "no":
            broken.append(f"{dtype} is not claimed, but supports answers {support.answer!r}")
        elif not support.reason:
            broken.append(f"supports refuses {dtype} without a reason")
    return broken


def clock_is_true(bench: Workbench) -> list[str]:
    """The clock passes its self-test, twice: a busy host may disturb a trial, or hide a small fault in one."""
    clock, passed = _clock(bench), 0
    faults: tuple[str, ...] = ()
    for _ in range(_CLOCK_TRIALS):
        report = self_test(clock)
        passed += report.trusted
        if passed == 2:
            return []
        faults = report.faults or faults
    return list(faults)


def clock_sees_calls(bench: Workbench) -> list[str]:
    """Each call shows on the clock, for no longer than it took."""
    clock, doubler, whole = _clock(bench), bench.doubler(), []
    bench.backend.synchronize(doubler())
    clock.collect()
    for _ in range(20):
        clock.begin()
        start = time.perf_counter()
        bench.backend.synchronize(doubler())
        whole.append(time.perf_counter() - start)
        clock.end()
    recorded = clock.collect()
    if len(recorded) != len(whole):
        return [f"the clock recorded {len(recorded)} of {len(whole)} calls"]
    busy = [busy_seconds(activities) for activities in recorded]
    if not all(seconds > 0 for seconds in busy):
        return [f"the clock saw no work in {sum(seconds <= 0 for seconds in busy)} of {len(busy)} calls"]
    late = [(own, call) for own, call in zip(busy, whole, strict=True) if own > call + 1e-6]
    if late:
        return [f"the clock gave {late[0][0] * 1e6:.1f} us for a call that took {late[0][1] * 1e6:.1f} us end to end"]
    return []


def flushes(bench: Workbench) -> list[str]:
    """A call after `flush_cache` is slower than one before."""
    if bench.info.kind == "interpreter":
        raise NotChecked("nothing is timed on an interpreter")
    took = math.inf
    for _ in range(5):  # the shortest: a busy machine makes any call long
        start = time.perf_counter()
        done = bench.backend.flush_cache()
        took = min(took, time.perf_counter() - start)
        if not done:
            raise NotChecked("flush_cache answers that it cannot")
    if took < _FLUSH_S:
        return [f"flush_cache answered yes after {took * 1e6:.1f} us; nothing is evicted in so short a time"]
    doubler = bench.doubler(1 << 18)
    clock = bench.backend.clock()
    timed = _timer(bench, doubler, clock)
    timed()
    cold, warm = [], []
    for _ in range(15):
        bench.backend.flush_cache()
        cold.append(timed())
        warm.append(timed())
    cold_s, warm_s = statistics.median(cold), statistics.median(warm)
    if cold_s < 1.05 * warm_s:
        raise NotChecked(
            f"a call takes {cold_s * 1e6:.1f} us after a flush, {warm_s * 1e6:.1f} us without: no effect shows"
        )
    return []


def telemetry(bench: Workbench) -> list[str]:
    """Numbers by quantity, finite."""
    read = bench.backend.telemetry()
    if read is None:
        raise NotChecked("the backend offers no telemetry")
    if not isinstance(read, Telemetry):
        return [f"telemetry gave a {type(read).__name__}, not a Telemetry"]
    return [f"{name} is {value!r}" for name, value in read.values.items() if not _finite(value)]


def probes(bench: Workbench) -> list[str]:
    """An empty call, a copy and a product that work on device arrays."""
    if bench.info.kind == "interpreter":
        raise NotChecked("nothing is timed on an interpreter")
    offered, backend, broken = bench.backend.probes(), bench.backend, []
    if offered is None:
        raise NotChecked("the backend offers no probes")
    array = small_integers(1024, bench.float_dtype)
    for name, probe in (("null", offered.null), ("copy", offered.copy)):
        back = _run(bench, probe, array[:1] if name == "null" else array)
        if name == "copy" and (back.shape, back.dtype) != (array.shape, array.dtype):
            broken.append(f"the copy of {array.dtype}{list(array.shape)} is {back.dtype}{list(back.shape)}")
    products = [] if offered.matmul is None else [(dtype, offered.matmul) for dtype in offered.matmul_dtypes]
    if offered.matmul_tf32 is not None:
        products.append(("float32", offered.matmul_tf32))
    for dtype, product in products:
        a, one = small_integers(64 * 64, dtype).reshape(64, 64), np.eye(64, dtype=dtypes.dtype(dtype))
        outputs = (product(backend.put(a), backend.put(one)),)
        backend.wait(outputs)
        back = backend.get(outputs[0])
        if back.shape != a.shape or not np.array_equal(back.astype(np.float64), a.astype(np.float64)):
            broken.append(f"the {dtype} product of a matrix and the identity is not that matrix")
    return broken


def no_leak(bench: Workbench) -> list[str]:
    """A thousand rounds leave the process, and the device where that can be read, as large as before."""
    doubler = None
    array = small_integers(_BYTES // 4, "float32" if "float32" in bench.info.dtypes else bench.float_dtype)
    with_kernel = True
    try:
        doubler = bench.doubler(array.size, array.dtype.name)
    except NotChecked:
        with_kernel = False
    host, device = [_host_bytes()], [_device_bytes(bench)]
    for count in range(1, _CALLS + _CALLS // 5 + 1):
        argument = bench.backend.put(array)
        if doubler is not None:
            outputs = outputs_of(doubler.executable, [argument])
            bench.backend.wait(outputs)
            argument = outputs[0]
        bench.backend.get(argument)
        if count in (_CALLS // 5, _CALLS // 5 + _CALLS // 2, _CALLS // 5 + _CALLS):
            del argument
            gc.collect()
            host.append(_host_bytes())
            device.append(_device_bytes(bench))
    broken, allowed = [], _LEAK * _CALLS / 2 * array.nbytes
    what = "rounds of put, call and get" if with_kernel else "rounds of put and get"
    for where, seen in (("the process", host), ("the device", device)):
        grown = [later - earlier for earlier, later in itertools.pairwise(seen[1:])]
        if all(growth > allowed for growth in grown):  # in both halves: a pool that fills up once is no leak
            broken.append(f"{_CALLS} {what} of {array.nbytes >> 10} KiB left {sum(grown) / 1e6:.0f} MB in {where}")
    return broken


def poisoned(bench: Workbench) -> list[str]:
    """Fresh memory does not hold an earlier result."""
    _claims(bench, "poison")
    array = small_integers(1 << 12, bench.float_dtype)
    argument = bench.backend.put(array)
    for _ in range(4):
        bench.doubler(array.size).result()
    executable = bench.compiled("unwritten", [array], [argument])
    outputs = outputs_of(executable, [argument])
    bench.backend.wait(outputs)
    back = bench.backend.get(outputs[0])
    return ["memory that a kernel did not write held an earlier result"] if np.any(back == array + array) else []


def guarded(bench: Workbench) -> list[str]:
    """A kernel that writes behind its output is found out."""
    _claims(bench, "guard")
    array = small_integers(1 << 12, bench.float_dtype)
    argument = bench.backend.put(array)
    executable = bench.compiled("overrunning", [array], [argument])
    try:
        outputs = outputs_of(executable, [argument])
        bench.backend.wait(outputs)
        bench.backend.get(outputs[0])
    except Exception:
        return []
    return ["a kernel wrote behind its output and nobody noticed"]


def views(bench: Workbench) -> list[str]:
    """A view holds the right elements of its memory, and sees what becomes of that."""
    backend = bench.backend
    if type(backend).strided is Backend.strided:
        raise NotChecked("the backend's arrays have no strides")
    broken = []
    for shape, strides, offset in _VIEWS:
        host = small_integers(_VIEWED, bench.float_dtype)
        places = offset + sum(index * stride for index, stride in zip(np.indices(shape), strides, strict=True))
        memory = backend.put(host)
        view = backend.strided(memory, shape, strides, offset)
        what = f"the view of shape {shape} with strides {strides} from element {offset}"
        back = backend.get(view)
        if back.shape != shape or not np.array_equal(back, host[places]):
            broken.append(f"{what} holds other elements than lie there")
        changed = backend.alter(memory, np.arange(_VIEWED), host[::-1].copy())
        if changed is memory and not np.array_equal(backend.get(view), host[::-1][places]):
            broken.append(f"{what} does not see what alter did to its memory: it is a copy")
    return broken


def _claims(bench: Workbench, ability: str) -> None:
    if not any(ability in name for name in bench.info.capabilities):
        raise NotChecked(f"no capability of the device is called {ability}...")


def _clock(bench: Workbench) -> DeviceClock:
    if bench.info.kind == "interpreter":
        raise NotChecked("nothing is timed on an interpreter")
    clock = bench.backend.clock()
    if clock is None:
        raise NotChecked("the backend has no device clock")
    return clock


def _copies(bench: Workbench, dtype: str) -> bool:
    """Whether the backend's own copy, or a registered kernel, works on arrays of this dtype.

    Raises:
        ImplementationFailure: a registered kernel fails.
    """
    for kernel in bench.kernels:
        for case in kernel.small_cases(dtype):
            try:
                if kernel.judge(bench.engine, case).status == "passed":
                    return True
            except Unsupported:
                continue
    offered = None if bench.info.kind == "interpreter" else bench.backend.probes()
    if offered is None:
        return False
    array = small_integers(16, dtype)
    try:
        return _run(bench, offered.copy, array).dtype == array.dtype
    except (TypeError, NotImplementedError):
        return False


def _run(bench: Workbench, function: Callable[..., Any], array: np.ndarray) -> np.ndarray:
    outputs = outputs_of(function, [bench.backend.put(array)])
    bench.backend.wait(outputs)
    return bench.backend.get(outputs[0])


def _timer(bench: Workbench, call: Callable[[], Sequence[Any]], clock: DeviceClock | None) -> Callable[[], float]:
    def on_host() -> float:
        start = time.perf_counter()
        bench.backend.synchronize(call())
        return time.perf_counter() - start

    def on_device() -> float:
        assert clock is not None
        clock.begin()
        bench.backend.synchronize(call())
        clock.end()
        return busy_seconds(clock.collect()[-1])

    return on_host if clock is None else on_device


def _host_bytes() -> float:
    """How large the process is, without what it has freed and keeps, which would hide a leak that takes it."""
    with contextlib.suppress(AttributeError, OSError):  # not every C library gives it back
        ctypes.CDLL(None).malloc_trim(0)
    try:
        return float(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        raise NotChecked("this system does not tell how large a process is") from None


def _device_bytes(bench: Workbench) -> float:
    read = bench.backend.telemetry()
    return 0.0 if read is None else float(read.values.get("memory_used_mb", 0.0)) * 1e6


def _finite(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


PROMISES: Sequence[Promise] = (
    Promise("claims.dtypes", "a claimed dtype runs", claimed_run),
    Promise("claims.refusals", "an unclaimed dtype is refused, with a reason", unclaimed_refused),
    Promise("claims.probes", "the probes work on device arrays", probes),
    Promise("claims.telemetry", "telemetry gives finite numbers", telemetry),
    Promise("claims.flush", "flush_cache evicts the cache where it says so", flushes),
    Promise("claims.poison", "memory that a kernel leaves unwritten shows, where that is claimed", poisoned),
    Promise("claims.guard", "writing behind an output is found out, where that is claimed", guarded),
    Promise("claims.strided", "a strided view is one of its memory, where arrays have strides", views),
    Promise("clock.true", "the device clock passes its self-test", clock_is_true),
    Promise("clock.calls", "each call shows on the clock, for no longer than it took", clock_sees_calls),
    Promise("memory.no_leak", "a thousand calls leave nothing behind", no_leak),
)
