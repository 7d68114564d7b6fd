"""The backend contract: what a plugin implements to bring an accelerator.

Only `name`, `open`, `put` and `get` have to be written. NumPy arrays are the only currency between core and backends;
what a backend puts on its device is opaque to everybody else.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple

import msgspec
import numpy as np

from kparity import dtypes
from kparity.cache import evict_host_cache
from kparity.case import Case
from kparity.clock import DeviceClock, Telemetry
from kparity.errors import Unsupported
from kparity.frequency import processor_telemetry
from kparity.loading import Function, load_python

DeviceArray = Any
"""An array on a device; only its backend looks inside."""

Executable = Callable[..., Any]
"""What `Backend.compile` returns: takes the device arrays only."""

Kind = Literal["gpu", "cpu", "accelerator", "interpreter"]


class DeviceInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The capability report of one opened device.

    Attributes:
        backend: the backend's name.
        name: of the hardware, as people know it, e.g. `NVIDIA H100 80GB HBM3`.
        kind: times taken on an `interpreter` are never ranked.
        index: which device of its kind, from 0.
        uuid: identity of the piece of hardware, where it has one.
        dtypes: dtype names that kernels may use on it.
        versions: of the frameworks and drivers in use, by name.
        capabilities: optional abilities, by name.
        notes: what a user should know, e.g. that numbers come from an emulation.
        modes: switches in force that change numerical results, by name, e.g. whether TF32 may be used.
    """

    backend: str
    name: str
    kind: Kind
    index: int = 0
    uuid: str = ""
    dtypes: tuple[str, ...] = dtypes.NAMES
    versions: dict[str, str] = {}
    capabilities: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    modes: dict[str, str] = {}

    @property
    def label(self) -> str:
        """Short name for tables: the hardware's name, with the index where it is not the first."""
        return self.name if self.index == 0 else f"{self.name} #{self.index}"


class Support(msgspec.Struct, frozen=True):
    """Whether a device can run a case: `yes`, `emulated` (right but not at the hardware's speed), or `no`."""

    answer: Literal["yes", "emulated", "no"] = "yes"
    reason: str = ""


class Probes(NamedTuple):
    """Functions on device arrays that measure a device: made by the vendor, not by us.

    Attributes:
        null: takes a one-element array and does as little as a call can.
        copy: takes an array and returns a copy of it.
        matmul: takes two square matrices and returns their product; None where the backend has no tuned one.
        matmul_dtypes: the operand dtypes for which that product is tuned.
        matmul_tf32: takes two float32 matrices and multiplies them in TF32; None where the device has no such mode.
    """

    null: Function
    copy: Function
    matmul: Function | None = None
    matmul_dtypes: tuple[str, ...] = ("float32", "float16", "bfloat16")
    matmul_tf32: Function | None = None


class Backend(ABC):
    """One way to run kernels. Instances are unopened until `open`; nothing heavy is imported before that.

    Attributes:
        name: unique in the catalogue.
        remedy: what to install where the framework is missing.
        realizes_references: True where `compile` also accepts a `KernelSpec`, so that every task's reference counts as
            an implementation of this backend.
        fork_safe: False where a process that ran `preload` must not be forked; each worker then imports for itself.
        requires_api: the backend API that it was written for, e.g. `"1.0"`; see `kparity.API_VERSION`. Empty asks for
            nothing.
        specimens: source texts for the conformance suite, by name, where plain Python with operators on device arrays
            does not do; see `kparity.conformance.specimens`.
        library_kernels: regular expressions for the names of device kernels that come from a vendor's or framework's
            library, for the policy `hand-written`. They are searched for in the name as the clock reports it and, of a
            mangled C++ name, in `namespace::function`.
        chore_kernels: the same for a library's kernels that merely fill and copy, which anybody may use.
        kernel_definitions: regular expressions whose first group is a name that a candidate's source gives to a kernel.
            Where there are any, a kernel under a name that the source does not define is not known to be its own.
        full_precision: how a kernel asks the framework for float32 products that are not cut to TF32; said where an
            output is off by just that.
        guarded: modules (`package.module`) and classes (`package.module:Class`) of the framework that an
            implementation must leave as they are, since kparity relies on them.
    """

    name: ClassVar[str]
    remedy: ClassVar[str] = ""
    realizes_references: ClassVar[bool] = False
    fork_safe: ClassVar[bool] = True
    requires_api: ClassVar[str] = ""
    specimens: ClassVar[Mapping[str, str]] = {}
    library_kernels: ClassVar[tuple[str, ...]] = ()
    chore_kernels: ClassVar[tuple[str, ...]] = ()
    kernel_definitions: ClassVar[tuple[str, ...]] = ()
    full_precision: ClassVar[str] = ""
    guarded: ClassVar[tuple[str, ...]] = ()
    info: DeviceInfo

    @abstractmethod
    def open(self, index: int = 0) -> DeviceInfo:
        """Import the framework, claim device `index` and report it.

        Raises:
            Unavailable: with the reason and the remedy.
        """

    @abstractmethod
    def put(self, array: np.ndarray) -> DeviceArray:
        """Copy a C-contiguous array to the device: same dtype, same shape, never an alias of host memory."""

    @abstractmethod
    def get(self, array: DeviceArray) -> np.ndarray:
        """Copy a device array back: same dtype, same shape.

        Raises:
            TypeError: `array` is not one of this backend's device arrays.
        """

    def preload(self) -> None:
        """Import what `open` would import, and touch no device: workers are forked from the process that did this.

        It must start no thread. What it raises is ignored; `open` will meet it again and say so.
        """
        return

    def supports(self, case: Case, function: Function) -> Support:
        """Whether `function` can run `case` on the opened device; by default: when that has all of the case's dtypes.

        What is `emulated` is verified but never timed.
        """
        for array in (*case.inputs, *case.outputs):
            if array.dtype not in self.info.dtypes:
                return Support("no", f"{self.info.name} has no {array.dtype}")
        return Support()

    def compile(self, function: Function, arguments: Sequence[DeviceArray], case: Case) -> Executable:
        """Prepare `function` for arguments like these; by default only binds the case's attributes.

        Raises:
            Exception: whatever the framework's compiler raises; it becomes an `error` of that implementation.
        """
        return functools.partial(function, **case.attributes) if case.attributes else function

    def load(self, source: str, entry_point: str) -> Function:
        """Turn a candidate's source text into a function.

        Raises:
            CandidateError: with the line, where the source does not compile or lacks the entry point.
        """
        return load_python(source, entry_point)

    def wait(self, outputs: Sequence[DeviceArray]) -> None:
        """Block until the outputs are computed; by default device work is synchronous and this returns at once."""
        return

    # Optional capabilities. A missing one lowers what is recorded, never the bar.

    def synchronize(self, outputs: Sequence[DeviceArray]) -> None:
        """Block until the whole device is idle, side queues included; by default `wait`."""
        self.wait(outputs)

    def clock(self) -> DeviceClock | None:
        """A clock that reads kernel time on the opened device; None times on the host clock alone."""
        return None

    def flush_cache(self) -> bool:
        """Evict the device's last-level cache and wait; returns whether that was done.

        By default a device of kind `cpu` evicts the processor's cache, and others cannot.
        """
        if self.info.kind != "cpu":
            return False
        evict_host_cache()
        return True

    def telemetry(self) -> Telemetry | None:
        """Clocks, power, temperature and the like at this moment, where they can be read.

        By default those of the processor's cores for a device of kind `cpu`.
        """
        return processor_telemetry() if self.info.kind == "cpu" else None

    def alter(self, array: DeviceArray, positions: np.ndarray, values: np.ndarray) -> DeviceArray:
        """`array` with other values at flat positions, for fresh content between timed calls.

        In place where the framework can (and then without leaving a trace such as a version counter), else a new array;
        by default through the host.
        """
        host = self.get(array)
        host.reshape(-1)[positions] = values
        return self.put(host)

    def duplicate(self, array: DeviceArray) -> DeviceArray:
        """A copy in memory of its own; by default through the host."""
        return self.put(self.get(array))

    def refill(self, array: DeviceArray, source: DeviceArray, offset: int) -> DeviceArray:
        """`array` filled with elements of `source`, a longer array of one axis, from `offset` on: new content for every
        timed call, at the price of a copy on the device.

        In place where the framework can (see `alter`), else a new array; by default through the host.
        """
        host, elements = self.get(array), self.get(source)[offset:]
        return self.put(elements[: host.size].reshape(host.shape))

    def strided(
        self, memory: DeviceArray, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> DeviceArray:
        """An array of this shape whose elements lie in `memory`, a contiguous array of one axis that `put` gave: a
        view, no copy. A backend that overrides this runs the cases whose inputs are not contiguous.

        Args:
            memory: what is viewed.
            shape: of the view.
            strides: elements of `memory` from one element to the next along each axis; positive.
            offset: elements of `memory` before the first.

        Raises:
            Unsupported: by default: the framework's arrays have no strides.
        """
        raise Unsupported(f"{self.name}: its arrays have no strides")

    def storage(self, array: DeviceArray) -> tuple[int, int] | None:
        """Address and length in bytes of the memory that `array` spans; None where the framework does not tell."""
        return None

    def poison(self, sizes: Sequence[int]) -> bool:
        """Fill free memory that allocations of these sizes would get with bytes 0xFF (NaN in every float format), so
        that memory which is never written holds no old answer; returns whether that was done.
        """
        return False

    def numerics_modes(self) -> dict[str, str] | None:
        """The framework's global switches that change results (TF32, default precision, ...); None where unknown."""
        return None

    def probes(self) -> Probes | None:
        """Calls that show what the opened device can reach; None leaves records without a roofline."""
        return None
