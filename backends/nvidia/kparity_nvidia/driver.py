"""A few calls of the CUDA driver, in the primary context that all frameworks share."""

from __future__ import annotations

import contextlib
import ctypes
import uuid
from collections.abc import Iterator

Event = ctypes.c_void_p
"""A CUDA event; `Context.event` makes one."""

_L2_CACHE_SIZE = 38  # CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE


class CudaError(RuntimeError):
    """A driver call failed; the message names the call and the driver's own words."""


class Context:
    """The primary context of GPU `index`.

    Attributes:
        uuid: the GPU's identity, `GPU-...`.
        l2_bytes: size of its L2 cache.
    """

    def __init__(self, index: int) -> None:
        self._library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        self._handle = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(self._handle), device)
        size = ctypes.c_int()
        self.call("cuDeviceGetAttribute", ctypes.byref(size), _L2_CACHE_SIZE, device)
        self.l2_bytes = size.value
        raw = (ctypes.c_ubyte * 16)()
        self.call("cuDeviceGetUuid_v2", raw, device)
        self.uuid = f"GPU-{uuid.UUID(bytes=bytes(raw))}"

    def call(self, name: str, *arguments: object) -> None:
        """Call a driver function.

        Raises:
            CudaError: it returned an error.
        """
        status = getattr(self._library, name)(*arguments)
        if status:
            text = ctypes.c_char_p()
            self._library.cuGetErrorString(status, ctypes.byref(text))
            raise CudaError(f"{name}: {(text.value or b'unknown error').decode()} ({status})")

    @contextlib.contextmanager
    def current(self) -> Iterator[None]:
        """Make the context current on this thread for a while."""
        self.call("cuCtxPushCurrent_v2", self._handle)
        try:
            yield
        finally:
            self.call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))

    def synchronize(self) -> None:
        """Wait until the device has finished everything in this context, whatever stream it is on.

        Raises:
            CudaError: something that ran earlier failed.
        """
        with self.current():
            self.call("cuCtxSynchronize")

    def allocate(self, size: int) -> int:
        """Device memory of `size` bytes, kept until the process ends."""
        pointer = ctypes.c_uint64()
        with self.current():
            self.call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(size))
        return pointer.value

    def fill(self, pointer: int, size: int) -> None:
        """Overwrite device memory; returns before that is done."""
        with self.current():
            self.call("cuMemsetD32_v2", ctypes.c_uint64(pointer), ctypes.c_uint(0), ctypes.c_size_t(size // 4))

    def reset_persisting_l2(self) -> None:
        """Let lines that were marked as persisting in L2 be evicted like any other."""
        with self.current():
            self.call("cuCtxResetPersistingL2Cache")

    def event(self) -> Event:
        """An event that keeps the time, kept until the process ends."""
        event = Event()
        with self.current():
            self.call("cuEventCreate", ctypes.byref(event), 0)
        return event

    def record(self, event: Event) -> None:
        """Record an event on the legacy default stream; returns at once."""
        with self.current():
            self.call("cuEventRecord", event, None)

    def wait_for(self, event: Event) -> None:
        """Wait until what stands before a recorded event is done.

        Raises:
            CudaError: something that ran earlier failed.
        """
        with self.current():
            self.call("cuEventSynchronize", event)

    def between_ms(self, start: Event, end: Event) -> float:
        """Milliseconds between two events that are done; the driver documents steps of about 0.5 us."""
        elapsed = ctypes.c_float()
        with self.current():
            self.call("cuEventElapsedTime", ctypes.byref(elapsed), start, end)
        return elapsed.value
