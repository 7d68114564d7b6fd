"""Promises of `compile`, `load`, `wait` and `synchronize`: what calls give, when they are done, what errors do."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kparity.backend import Backend, Executable
from kparity.clock import DeviceClock, busy_seconds
from kparity.conformance.workbench import (
    Doubler,
    NotChecked,
    Promise,
    Workbench,
    outputs_of,
    same_values,
    small_integers,
)
from kparity.errors import CandidateError, Unavailable, Unsupported

_BURST_S = 0.03
"""How long a burst of calls must last for the lag of a `wait` to show."""
_MOST_CALLS = 1 << 14
_SHOWS_S = 0.01
_TRIES = 3
"""A breach shows in each of them; what shows in some is a busy host."""


def repeatable(bench: Workbench) -> list[str]:
    """Compiling twice and calling several times gives the same bytes, and leaves the argument alone."""
    array = _noise(bench)
    argument = bench.backend.put(array)
    bench.doubler()  # says why not, where it cannot run
    results = []
    for _ in range(2):
        executable = bench.compiled("doubled", [array], [argument])
        results += [_called(bench.backend, executable, argument) for _ in range(3)]
    broken = []
    if any(not same_values(results[0], result) for result in results[1:3]):
        broken.append("three calls of one executable gave different results")
    if not same_values(results[0], results[3]):
        broken.append("two compilations of one function gave different results")
    if not same_values(bench.backend.get(argument), array):
        broken.append("the argument changed, though the function does not write to it")
    return broken


def fresh(bench: Workbench) -> list[str]:
    """Another argument gives that argument's result, through the same executable."""
    bench.doubler()
    arrays = [small_integers(1000, bench.float_dtype), small_integers(1001, bench.float_dtype)[1:].copy()]
    arguments = [bench.backend.put(array) for array in arrays]
    executable = bench.compiled("doubled", arrays[:1], arguments[:1])
    broken = []
    for which, (array, argument) in enumerate(zip(arrays * 2, arguments * 2, strict=True), 1):
        result = _called(bench.backend, executable, argument)
        if not same_values(result, array + array):
            broken.append(f"call {which}, with other content than the one before, gave a result that is not its own")
    return broken


def waits(bench: Workbench) -> list[str]:
    """After `wait`, nothing is left to wait for."""
    return _lags(bench, bench.backend.wait, "wait")


def synchronizes(bench: Workbench) -> list[str]:
    """After `synchronize`, nothing is left to wait for."""
    return _lags(bench, bench.backend.synchronize, "synchronize")


def side_queue(bench: Workbench) -> list[str]:
    """Work on a second queue is over when `synchronize` returns, and the clock saw it."""
    backend = bench.backend
    clock = None if bench.info.kind == "interpreter" else backend.clock()
    if clock is None:
        raise NotChecked("without a device clock nobody can tell")
    array = small_integers(1000, bench.float_dtype)
    argument = backend.put(array)
    executable = bench.compiled("sideways", [array], [argument])
    backend.synchronize(outputs_of(executable, [argument]))
    clock.collect()
    breaches = [_beside(backend, clock, executable, argument) for _ in range(_TRIES)]
    return [] if "" in breaches else breaches[:1]


def _beside(backend: Backend, clock: DeviceClock, executable: Executable, argument: Any) -> str:
    """What is wrong with one call that leaves work on a second queue; empty where nothing is."""
    clock.begin()
    start = time.perf_counter()
    backend.synchronize(outputs_of(executable, [argument]))
    whole = time.perf_counter() - start
    time.sleep(5 * _SHOWS_S)  # what outlived synchronize ends before the window is closed
    clock.end()
    (activities,) = clock.collect()
    busy = busy_seconds(activities)
    if busy > whole + 1e-3:
        return f"synchronize returned after {whole * 1e3:.1f} ms, the device worked for {busy * 1e3:.1f} ms"
    if whole < _SHOWS_S:
        return f"a call that leaves {_SHOWS_S * 1e3:.0f} ms of work on a second queue was over in {whole * 1e3:.1f} ms"
    if busy < whole / 2:
        return f"the clock saw {busy * 1e3:.1f} ms of work in a call of {whole * 1e3:.1f} ms"
    return ""


def surface(bench: Workbench) -> list[str]:
    """What a kernel raises reaches the caller, by `get` at the latest."""
    bench.doubler()
    error = _provoke(bench)
    if error is None:
        return ["a kernel raised, and nobody heard of it: compile, call, wait and get all returned"]
    return [] if str(error).strip() else [f"a kernel's exception arrived as {type(error).__name__} without its message"]


def candidates(bench: Workbench) -> list[str]:
    """Source text that is no program, or lacks the function, is a CandidateError."""
    array, broken = small_integers(1000, bench.float_dtype), []
    case = bench.case(array.size, array.dtype.name)
    for name, what in (("malformed", "text that is no program"), ("nameless", "text without the entry point")):
        try:
            function = bench.backend.load(bench.source(name), "doubled")
            if name in bench.backend.specimens:  # a compiler may want to know the types first
                bench.backend.compile(function, [bench.backend.put(array)], case)
        except (CandidateError, Unsupported) as error:
            if not str(error).strip():
                broken.append(f"{what} raised {type(error).__name__} without a message")
        except Exception as error:
            broken.append(f"{what} raised {type(error).__name__}, not CandidateError: {error}")
        else:
            broken.append(f"the backend took {what}")
    return broken


def usable_after_errors(bench: Workbench) -> list[str]:
    """After each error, transfers and calls work as before."""
    works, reason = bool(_computes(bench)), ""
    try:
        bench.doubler()
    except NotChecked as error:
        reason = str(error)
    broken = [] if works else ["transfers do not work even before an error"]
    for what, provoke in (
        ("a kernel that raised", lambda: _provoke(bench)),
        ("source text that is no program", lambda: bench.backend.load(bench.source("malformed"), "doubled")),
        ("get of a stranger's array", lambda: bench.backend.get(None)),
        ("put of objects", lambda: bench.backend.put(np.array([None, "text"]))),
    ):
        with contextlib.suppress(Exception):
            provoke()
        try:
            fine = _computes(bench)
            if not reason:
                bench.doubler()
        except Exception as error:
            broken.append(f"after {what}: {type(error).__name__}: {error}")
            break
        if not fine:
            broken.append(f"after {what}, arrays come back with other values")
            break
    return broken


def separate(bench: Workbench) -> list[str]:
    """Two instances of the backend, and two devices where there are two, know nothing of each other."""
    broken = []
    others: list[tuple[str, Backend]] = [("a second instance", bench.another())]
    neighbour = type(bench.backend)()
    with contextlib.suppress(Unavailable):
        neighbour.info = neighbour.open(bench.index + 1)
        others.append((f"device {bench.index + 1}", neighbour))
    for what, other in others:
        here = [np.full(1000, fill, bench.float_dtype) for fill in (1, 2)]
        there = [np.full(1000, fill, bench.float_dtype) for fill in (3, 4)]
        on_here, on_there = [], []
        for mine, its in zip(here, there, strict=True):
            on_here.append(bench.backend.put(mine))
            on_there.append(other.put(its))
        if not all(same_values(bench.backend.get(one), kept) for one, kept in zip(on_here, here, strict=True)):
            broken.append(f"arrays changed when {what} was given some")
        if not all(same_values(other.get(one), kept) for one, kept in zip(on_there, there, strict=True)):
            broken.append(f"{what}: arrays came back with other values")
        with contextlib.suppress(NotChecked):
            executable = bench.compiled("doubled", here[:1], on_here[:1])
            if not same_values(_called(bench.backend, executable, on_here[0]), here[0] + here[0]):
                broken.append(f"a kernel gave a wrong result after {what} was opened")
    return broken


def _lags(bench: Workbench, settle: Callable[[Sequence[Any]], None], name: str) -> list[str]:
    """Compare the first `get` after `settle` with the next one: a lag means that something was still under way.

    It shows only where the device works longer for a call than the host needs to submit it, hence two sizes.
    """
    sizes = (1 << 10,) if bench.info.kind == "interpreter" else (1 << 10, 1 << 22)
    return [breach for size in sizes for breach in _lags_on(bench.doubler(size), settle, name)][:1]


def _lags_on(doubler: Doubler, settle: Callable[[Sequence[Any]], None], name: str) -> list[str]:
    calls = 1
    while _burst(doubler, settle, calls)[0] < _BURST_S and calls < _MOST_CALLS:
        calls *= 2
    wanted, lags, shares = doubler.array + doubler.array, [], []
    for _ in range(_TRIES):
        whole, lag, result = _burst(doubler, settle, calls)
        if not same_values(result, wanted):
            return [f"after {name}, the output held other values than the result"]
        lags.append(lag)
        shares.append(lag / whole)
    if min(shares) > 0.3:
        return [f"{name} returned {min(lags) * 1e3:.1f} ms before the device had done the work"]
    return []


def _burst(doubler: Doubler, settle: Callable[[Sequence[Any]], None], calls: int) -> tuple[float, float, np.ndarray]:
    """Seconds until the result of the last of many calls was there, by how much getting it lagged, and the result."""
    backend = doubler.backend
    start = time.perf_counter()
    for _ in range(calls):
        outputs = doubler()
    settle(outputs)
    settled = time.perf_counter()
    result = backend.get(outputs[0])
    first = time.perf_counter()
    backend.get(outputs[0])
    second = time.perf_counter()
    return first - start, (first - settled) - (second - first), result


def _provoke(bench: Workbench) -> Exception | None:
    """Run a kernel that raises; gives what reached the caller.

    Raises:
        NotChecked: the backend does not run such a kernel.
    """
    array = small_integers(1000, bench.float_dtype)
    argument = bench.backend.put(array)
    function = bench.load("raising")
    try:
        executable = bench.backend.compile(function, [argument], bench.case(array.size, array.dtype.name))
        outputs = outputs_of(executable, [argument])
        bench.backend.wait(outputs)
        bench.backend.get(outputs[0])
    except Unsupported as error:
        raise NotChecked(f"the device does not run specimen 'raising': {error}") from error
    except Exception as error:
        return error
    return None


def _computes(bench: Workbench) -> bool:
    array = small_integers(1000, bench.float_dtype)
    return same_values(bench.backend.get(bench.backend.put(array)), array)


def _called(backend: Backend, executable: Callable[..., Any], argument: Any) -> np.ndarray:
    outputs = outputs_of(executable, [argument])
    backend.wait(outputs)
    return backend.get(outputs[0])


def _noise(bench: Workbench) -> np.ndarray:
    from kparity import dtypes

    return np.random.default_rng(3).standard_normal(1000).astype(dtypes.dtype(bench.float_dtype))


PROMISES: Sequence[Promise] = (
    Promise("calls.repeatable", "compiling and calling again gives the same bytes", repeatable),
    Promise("calls.fresh", "a call's result is that of its own arguments", fresh),
    Promise("calls.wait", "after wait, the outputs are computed", waits),
    Promise("calls.synchronize", "after synchronize, the outputs are computed", synchronizes),
    Promise("calls.side_queue", "synchronize and the clock know of work on a second queue", side_queue),
    Promise("errors.surface", "what a kernel raises reaches the caller", surface),
    Promise("errors.candidate", "source text that is no kernel is a CandidateError", candidates),
    Promise("errors.leave_usable", "after an error, the device works as before", usable_after_errors),
    Promise("state.separate", "two opened instances, or devices, do not share state", separate),
)
