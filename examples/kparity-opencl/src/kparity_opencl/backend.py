"""OpenCL as a backend: PyOpenCL's arrays, kernels in OpenCL C, times from profiling events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from kparity import Backend, Case, DeviceClock, DeviceInfo, Probes, Unavailable, dtypes

from kparity_opencl.clock import EventClock
from kparity_opencl.language import DTYPES, OpenCLSource
from kparity_opencl.runtime import prepare
from kparity_opencl.specimens import SPECIMENS


class OpenCLBackend(Backend):
    """The OpenCL devices of the machine, in the order of their platforms."""

    name = "opencl"
    remedy = "pip install pyopencl intel-opencl-rt intel-cmplr-lib-rt, or the OpenCL driver of your device"
    specimens = SPECIMENS
    guarded = ("pyopencl", "pyopencl.array")

    def preload(self) -> None:
        """Import PyOpenCL and ask no driver yet."""
        prepare()
        import pyopencl.array

        self._cl: Any = pyopencl

    def open(self, index: int = 0) -> DeviceInfo:
        """Claim the device of that number, over all platforms."""
        try:
            self.preload()
            cl = self._cl
            devices = [device for platform in cl.get_platforms() for device in platform.get_devices()]
        except ImportError as error:
            raise Unavailable(f"PyOpenCL cannot be imported: {error}", self.remedy) from error
        except cl.Error as error:
            raise Unavailable(f"there is no OpenCL driver: {error}", self.remedy) from error
        if index >= len(devices):
            raise Unavailable(f"there are {len(devices)} OpenCL devices, none has number {index}", self.remedy)
        device = devices[index]
        self._context = cl.Context([device])
        self._queue = cl.CommandQueue(self._context, properties=cl.command_queue_properties.PROFILING_ENABLE)
        self._clock = EventClock(self._queue)
        return DeviceInfo(
            backend=self.name,
            name=device.name,
            kind="gpu" if device.type & cl.device_type.GPU else "cpu",
            index=index,
            dtypes=tuple(name for name in DTYPES if name != "float64" or device.double_fp_config),
            versions={"pyopencl": cl.VERSION_TEXT, "driver": device.driver_version, "opencl": device.version},
        )

    def put(self, array: np.ndarray) -> Any:
        """Copy to the device."""
        return self._cl.array.to_device(self._queue, np.array(array, order="C"))

    def get(self, array: Any) -> np.ndarray:
        """Copy back what `put` or a kernel made."""
        if type(array) is not self._cl.array.Array or array.context != self._context:
            raise TypeError(f"expected a pyopencl.array.Array of this context, got a {type(array).__name__}")
        return np.array(array.get(self._queue), order="C")

    def load(self, source: str, entry_point: str) -> OpenCLSource:
        """Text of OpenCL C with launch comments, see `kparity_opencl.language`."""
        return OpenCLSource.parse(source, entry_point)

    def compile(self, function: OpenCLSource, arguments: Sequence[Any], case: Case) -> Callable[..., Any]:
        """Build the program for this case's types and sizes; each call launches its kernels on fresh outputs."""
        launches = function.build(self._context, case)
        shapes = [(array.shape, dtypes.dtype(array.dtype)) for array in case.outputs]

        def executable(*inputs: Any) -> tuple[Any, ...]:
            outputs = tuple(self._cl.array.empty(self._queue, shape, dtype) for shape, dtype in shapes)
            for kernel, over, local in launches:
                self._clock.note(kernel(self._queue, over, local, *(one.data for one in (*inputs, *outputs))))
            return outputs

        return executable

    def wait(self, outputs: Sequence[Any]) -> None:
        """Until the queue is empty."""
        self._queue.finish()

    def clock(self) -> DeviceClock:
        """Profiling events."""
        return self._clock

    def probes(self) -> Probes:
        """PyOpenCL's own copy, and no tuned product."""
        return Probes(null=self._copied, copy=self._copied)

    def _copied(self, array: Any) -> Any:
        copy = array.copy()
        self._clock.note(copy.events[-1])
        return copy
