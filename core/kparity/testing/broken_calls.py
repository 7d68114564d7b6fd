"""Pretend accelerators with one fault each in what they do with kernels, or in what they claim."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np

from kparity.backend import DeviceArray, DeviceInfo, Executable, Probes, Support
from kparity.case import Case
from kparity.clock import Telemetry
from kparity.loading import Function, load_python
from kparity.testing.pretend import FaultyBackend


class WaitReturnsEarly(FaultyBackend):
    """`wait` does not wait; `get` does."""

    name: ClassVar[str] = "wait_returns_early"

    def wait(self, outputs: Sequence[DeviceArray]) -> None:
        return


class SynchronizeReturnsEarly(FaultyBackend):
    """`synchronize` does not wait; `wait` and `get` do."""

    name: ClassVar[str] = "synchronize_returns_early"

    def synchronize(self, outputs: Sequence[DeviceArray]) -> None:
        return


class Hanging(FaultyBackend):
    """`wait` never returns; only for workers."""

    name: ClassVar[str] = "hanging"

    def wait(self, outputs: Sequence[DeviceArray]) -> None:
        time.sleep(3600)


class PreloadingThreads(FaultyBackend):
    """`preload` starts a thread, which a fork would lose."""

    name: ClassVar[str] = "preloading_threads"

    def preload(self) -> None:
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start()


class LostInFork(FaultyBackend):
    """It holds something from `preload` that works only in the process that made it."""

    name: ClassVar[str] = "lost_in_fork"
    _home = 0

    def preload(self) -> None:
        self._home = os.getpid()

    def open(self, index: int = 0) -> DeviceInfo:
        if self._home not in (0, os.getpid()):
            raise RuntimeError("cannot re-initialize the pretend device in a forked process")
        return super().open(index)


class SwallowingErrors(FaultyBackend):
    """A kernel that raises gives back its argument, and nobody hears of it."""

    name: ClassVar[str] = "swallowing_errors"

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)

        def call(*arrays: DeviceArray) -> Any:
            with contextlib.suppress(Exception):
                return compute(*arrays)
            return arrays[0]

        return call


class DyingOfErrors(FaultyBackend):
    """After a kernel has raised, nothing works any more."""

    name: ClassVar[str] = "dying_of_errors"
    _dead = False

    def put(self, array: np.ndarray) -> np.ndarray:
        if self._dead:
            raise RuntimeError("the pretend device was lost")
        return super().put(array)

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)

        def call(*arrays: DeviceArray) -> Any:
            try:
                return compute(*arrays)
            except Exception:
                self._dead = True
                raise

        return call


class LeakingSyntaxErrors(FaultyBackend):
    """`load` lets a candidate's SyntaxError through as it is."""

    name: ClassVar[str] = "leaking_syntax_errors"

    def load(self, source: str, entry_point: str) -> Function:
        compile(source, "<candidate>", "exec")
        return load_python(source, entry_point)


class LoadingAnything(FaultyBackend):
    """`load` takes text that lacks the function, and gives one that fails when it is called."""

    name: ClassVar[str] = "loading_anything"

    def load(self, source: str, entry_point: str) -> Function:
        namespace: dict[str, Any] = {}
        with contextlib.suppress(SyntaxError):
            exec(source, namespace)
        return lambda *arrays: namespace[entry_point](*arrays)


class ClaimedDtypeFails(FaultyBackend):
    """It claims float64, and no kernel runs on it."""

    name: ClassVar[str] = "claimed_dtype_fails"

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        if any(argument.dtype == np.float64 for argument in arguments):
            raise RuntimeError("the pretend device has no float64")
        return super().compile(function, arguments, case)


class ClaimedDtypeIsWrong(FaultyBackend):
    """It claims bfloat16, and computes with zeros."""

    name: ClassVar[str] = "claimed_dtype_is_wrong"

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)
        if case.inputs[0].dtype != "bfloat16":
            return compute
        return lambda *arrays: compute(*(array * 0 for array in arrays))


class SupportingEverything(FaultyBackend):
    """It claims float32 alone, and `supports` says yes to every dtype."""

    name: ClassVar[str] = "supporting_everything"

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = msgspec.structs.replace(super().open(index), dtypes=("float32",))
        return self.info

    def supports(self, case: Case, function: Function) -> Support:
        return Support()


class PretendingToFlush(FaultyBackend):
    """`flush_cache` says that it did, and did nothing."""

    name: ClassVar[str] = "pretending_to_flush"

    def flush_cache(self) -> bool:
        return True


class EndlessTelemetry(FaultyBackend):
    """Its telemetry is not finite."""

    name: ClassVar[str] = "endless_telemetry"

    def telemetry(self) -> Telemetry:
        return Telemetry({"power_w": float("inf")})


class BrokenProbes(FaultyBackend):
    """Its probes cannot be called."""

    name: ClassVar[str] = "broken_probes"

    def probes(self) -> Probes:
        def probe(*arrays: DeviceArray) -> DeviceArray:
            raise RuntimeError("no such probe")

        return Probes(probe, probe, probe)


class ForgettingToCompute(FaultyBackend):
    """An executable gives its first result again, whatever it is called on."""

    name: ClassVar[str] = "forgetting_to_compute"

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)
        kept: list[Any] = []

        def call(*arrays: DeviceArray) -> Any:
            kept.append(compute(*arrays) if not kept else kept[0])
            return kept[0]

        return call


class DriftingCompiler(FaultyBackend):
    """Each compilation of a function gives slightly other results."""

    name: ClassVar[str] = "drifting_compiler"
    _compilations = 0

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)
        self._compilations += 1
        odd = self._compilations % 2 == 0 and case.inputs[0].dtype == "float32"
        return (lambda *arrays: compute(*arrays) * np.float32(1 + 2e-7)) if odd else compute


class ScribblingOnInputs(FaultyBackend):
    """A call uses its argument as scratch space."""

    name: ClassVar[str] = "scribbling_on_inputs"

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)

        def call(*arrays: DeviceArray) -> Any:
            outputs = compute(*arrays)
            arrays[0][:1] = 1
            return outputs

        return call


class SharingState(FaultyBackend):
    """Every instance numbers its arrays from 0, and all keep them in the same place."""

    name: ClassVar[str] = "sharing_state"
    _memory: ClassVar[dict[int, np.ndarray]] = {}
    _count = 0

    def put(self, array: np.ndarray) -> Any:
        copy = super().put(array)
        self._count += 1
        slot = self._memory.get(self._count)
        if slot is not None and (slot.shape, slot.dtype) == (copy.shape, copy.dtype):
            slot[...] = copy
            return slot
        self._memory[self._count] = copy
        return copy


class Leaking(FaultyBackend):
    """Whatever is put on the device stays there."""

    name: ClassVar[str] = "leaking"

    def open(self, index: int = 0) -> DeviceInfo:
        self._kept: list[np.ndarray] = []
        return super().open(index)

    def put(self, array: np.ndarray) -> np.ndarray:
        copy = super().put(array)
        self._kept.append(copy)
        return copy


class BlindToCheating(FaultyBackend):
    """Whatever a candidate returns, `get` gives an array of the shape and dtype that were put last."""

    name: ClassVar[str] = "blind_to_cheating"

    def put(self, array: np.ndarray) -> np.ndarray:
        self._last = super().put(array)
        return self._last

    def get(self, array: DeviceArray) -> np.ndarray:
        back = super().get(array)
        return back if (back.shape, back.dtype) == (self._last.shape, self._last.dtype) else self._last + self._last


class HoldingStaleMemory(FaultyBackend):
    """It claims poisoned allocation, and a kernel's fresh memory holds the last result."""

    name: ClassVar[str] = "holding_stale_memory"
    specimens: ClassVar[Mapping[str, str]] = {
        "unwritten": "from kparity.testing.broken_calls import HoldingStaleMemory\n\n"
        "def doubled(x):\n    return HoldingStaleMemory.last\n"
    }
    last: ClassVar[np.ndarray] = np.zeros(0)

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = msgspec.structs.replace(super().open(index), capabilities=("poisoned allocation",))
        return self.info

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        compute = super().compile(function, arguments, case)

        def call(*arrays: DeviceArray) -> Any:
            type(self).last = compute(*arrays)
            return self.last

        return call


class OverlookingOverruns(FaultyBackend):
    """It claims guarded allocation, and a kernel that writes behind its output goes unnoticed."""

    name: ClassVar[str] = "overlooking_overruns"
    specimens: ClassVar[Mapping[str, str]] = {"overrunning": "def doubled(x):\n    return x + x\n"}

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = msgspec.structs.replace(super().open(index), capabilities=("guarded allocation",))
        return self.info


class ForgettingOffsets(FaultyBackend):
    """Every strided view begins with the first element of its memory."""

    name: ClassVar[str] = "forgetting_offsets"

    def strided(self, memory: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> DeviceArray:
        distances = [stride * memory.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(memory, shape, distances)


class CopyingViews(FaultyBackend):
    """A strided view is a copy, which does not see what `alter` does to the memory in place."""

    name: ClassVar[str] = "copying_views"

    def strided(self, memory: np.ndarray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> DeviceArray:
        distances = [stride * memory.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(memory[offset:], shape, distances).copy()

    def alter(self, array: np.ndarray, positions: np.ndarray, values: np.ndarray) -> np.ndarray:
        array.reshape(-1)[positions] = values
        return array
