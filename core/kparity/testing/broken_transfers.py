"""Pretend accelerators whose `open`, `put`, `get`, or what gives arrays new content, has one fault each."""

from __future__ import annotations

import os
from typing import ClassVar

import msgspec
import numpy as np

from kparity.backend import DeviceArray, DeviceInfo
from kparity.errors import Unavailable
from kparity.testing.pretend import FaultyBackend


class AliasingPut(FaultyBackend):
    """`put` keeps the host's memory instead of copying it."""

    name: ClassVar[str] = "aliasing_put"

    def put(self, array: np.ndarray) -> np.ndarray:
        return array


class AliasingGet(FaultyBackend):
    """`get` hands out the device's own memory."""

    name: ClassVar[str] = "aliasing_get"

    def get(self, array: DeviceArray) -> np.ndarray:
        super().get(array)
        return array  # type: ignore[no-any-return]


class ReadOnlyGet(FaultyBackend):
    """`get` gives arrays that cannot be written to."""

    name: ClassVar[str] = "read_only_get"

    def get(self, array: DeviceArray) -> np.ndarray:
        back = super().get(array)
        back.flags.writeable = False
        return back


class Narrowing(FaultyBackend):
    """`put` narrows float64 to float32, silently."""

    name: ClassVar[str] = "narrowing"

    def put(self, array: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return array.astype(np.float32) if array.dtype == np.float64 else super().put(array)


class RoundingBfloat16(FaultyBackend):
    """bfloat16 travels as float16: its large numbers become infinite."""

    name: ClassVar[str] = "rounding_bfloat16"

    def put(self, array: np.ndarray) -> np.ndarray:
        with np.errstate(over="ignore"):
            return array.astype(np.float16).astype(array.dtype) if array.dtype.name == "bfloat16" else array.copy()


class LosingSigns(FaultyBackend):
    """Negative zero loses its sign on the way."""

    name: ClassVar[str] = "losing_signs"

    def put(self, array: np.ndarray) -> np.ndarray:
        copy = super().put(array)
        copy[copy == 0] = 0
        return copy


class FlushingSubnormals(FaultyBackend):
    """Numbers below the smallest normal one arrive as zero."""

    name: ClassVar[str] = "flushing_subnormals"

    def put(self, array: np.ndarray) -> np.ndarray:
        copy = super().put(array)
        if copy.dtype.kind == "f":
            copy[np.abs(copy) < np.finfo(copy.dtype).smallest_normal] = 0
        return copy


class LosingEmptyShapes(FaultyBackend):
    """Arrays without elements lose their shape."""

    name: ClassVar[str] = "losing_empty_shapes"

    def put(self, array: np.ndarray) -> np.ndarray:
        return array.copy() if array.size else np.empty(0, array.dtype)


class FlatteningScalars(FaultyBackend):
    """Arrays without axes come back with one."""

    name: ClassVar[str] = "flattening_scalars"

    def put(self, array: np.ndarray) -> np.ndarray:
        return np.atleast_1d(array).copy()


class CrashingOnEmpty(FaultyBackend):
    """An array without elements ends the process; only for workers."""

    name: ClassVar[str] = "crashing_on_empty"

    def put(self, array: np.ndarray) -> np.ndarray:
        if not array.size:
            os.abort()
        return super().put(array)


class GarblingStrides(FaultyBackend):
    """`put` copies as many bytes as there are elements, whatever lies between them."""

    name: ClassVar[str] = "garbling_strides"

    def put(self, array: np.ndarray) -> np.ndarray:
        base = array if array.base is None or not isinstance(array.base, np.ndarray) else array.base
        if array.flags.c_contiguous or base.nbytes < array.nbytes:
            return array.copy()
        return np.frombuffer(base.tobytes(), array.dtype, array.size).reshape(array.shape).copy()


class RefusingReadOnly(FaultyBackend):
    """`put` wants to write to what it is given."""

    name: ClassVar[str] = "refusing_read_only"

    def put(self, array: np.ndarray) -> np.ndarray:
        if not array.flags.writeable:
            raise ValueError("the array is read-only")
        return super().put(array)


class WrongDtypeFromGet(FaultyBackend):
    """`get` gives int64 for every integer."""

    name: ClassVar[str] = "wrong_dtype_from_get"

    def get(self, array: DeviceArray) -> np.ndarray:
        back = super().get(array)
        return back.astype(np.int64) if back.dtype.kind == "i" else back


class TakingStrangers(FaultyBackend):
    """`get` makes an array of whatever it is given."""

    name: ClassVar[str] = "taking_strangers"

    def get(self, array: DeviceArray) -> np.ndarray:
        return super().get(array) if type(array) is np.ndarray else np.array(array)


class OpeningAnything(FaultyBackend):
    """`open` finds a device at every index."""

    name: ClassVar[str] = "opening_anything"

    def open(self, index: int = 0) -> DeviceInfo:
        return super().open(0)


class RefusingWithoutReason(FaultyBackend):
    """`open` refuses a device and does not say why."""

    name: ClassVar[str] = "refusing_without_reason"

    def open(self, index: int = 0) -> DeviceInfo:
        if index:
            raise Unavailable("")
        return super().open(index)


class RefusingWithAnotherError(FaultyBackend):
    """`open` refuses a device with whatever its framework raises."""

    name: ClassVar[str] = "refusing_with_another_error"

    def open(self, index: int = 0) -> DeviceInfo:
        if index:
            raise IndexError(f"list index {index} out of range")
        return super().open(index)


class Misreporting(FaultyBackend):
    """The device that it reports has another backend's name, and no name of its own."""

    name: ClassVar[str] = "misreporting"

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = msgspec.structs.replace(super().open(index), backend="another", name="")
        return self.info


class RefillingFromTheStart(FaultyBackend):
    """`refill` takes the first elements, whatever the offset."""

    name: ClassVar[str] = "refilling_from_the_start"

    def refill(self, array: DeviceArray, source: DeviceArray, offset: int) -> DeviceArray:
        return super().refill(array, source, 0)


class DuplicatingByName(FaultyBackend):
    """`duplicate` gives the array itself, and `alter` works in place."""

    name: ClassVar[str] = "duplicating_by_name"

    def duplicate(self, array: DeviceArray) -> DeviceArray:
        return array

    def alter(self, array: DeviceArray, positions: np.ndarray, values: np.ndarray) -> DeviceArray:
        array.reshape(-1)[positions] = values
        return array

    def refill(self, array: DeviceArray, source: DeviceArray, offset: int) -> DeviceArray:
        array.reshape(-1)[:] = source[offset : offset + array.size]
        return array
