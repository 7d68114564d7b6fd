"""The backend: CUDA C++ on a GPU through CuPy, or on the CPU through a C++ compiler."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from kparity import Case, DeviceInfo, Probes, Support, Unsupported, dtypes, load_python
from kparity_cuda.device import Device, DeviceLauncher, Prepared
from kparity_cuda.kernel import CudaKernel, Rehearsal, Shaped
from kparity_cuda.specimens import SPECIMENS
from kparity_nvidia import OnNvidia, kernels

SHIM_ELEMENTS = 6_000_000
"""The CPU shim refuses cases with more elements than this."""


class CudaBackend(OnNvidia):
    """CUDA C++ kernels (`CudaKernel`), and plain functions of CuPy arrays where there is a GPU."""

    name: ClassVar[str] = "cuda"
    remedy: ClassVar[str] = "pip install 'kparity[cuda]'"
    specimens: ClassVar[Mapping[str, str]] = SPECIMENS
    library_kernels: ClassVar[tuple[str, ...]] = (*kernels.LIBRARIES, r"(^|::)(at|c10|torch)::", r"^cupy_")
    chore_kernels: ClassVar[tuple[str, ...]] = (r"^cupy_(copy|fill)",)
    kernel_definitions: ClassVar[tuple[str, ...]] = (*kernels.DEFINITIONS, r"kparity:\s*launch\s+(\w+)")
    guarded: ClassVar[tuple[str, ...]] = ("cupy", "cupy.cuda")

    _device: Device

    def open(self, index: int = 0) -> DeviceInfo:
        """Open GPU `index`; where the machine has none, the CPU shim (device 0 only).

        Raises:
            Unavailable: neither a GPU nor a C++ compiler, or no such device.
        """
        from kparity_cuda import gpu, shim

        absence = gpu.absence()
        self._device = gpu.Gpu(index) if absence is None else shim.Shim(index, absence)
        self.info = self._device.info if isinstance(self._device, shim.Shim) else self.attach(self._device.info)
        return self.info

    def preload(self) -> None:
        """Import CuPy, which makes no context before it is used, and this package's own halves."""
        with contextlib.suppress(ImportError):
            import cupy  # noqa: F401

        from kparity_cuda import gpu, shim  # noqa: F401

    def put(self, array: np.ndarray) -> Any:
        return self._device.put(array)

    def get(self, array: Any) -> np.ndarray:
        return self._device.get(array)

    def supports(self, case: Case, function: Any) -> Support:
        """As the base class; the CPU shim emulates, and refuses cases that would take it minutes."""
        answer = super().supports(case, function)
        if answer.answer == "no" or self.info.kind == "gpu":
            return answer
        if case.elements > SHIM_ELEMENTS:
            return Support("no", "the CPU shim would take minutes: run it on a GPU")
        return Support("emulated", "runs on the CPU, compiled by a C++ compiler")

    def compile(self, function: Any, arguments: Sequence[Any], case: Case) -> Callable[..., Any]:
        """Compile every kernel that `function` launches for this case; a plain function is bound to its attributes.

        Raises:
            Unsupported: the CPU shim cannot execute what the source uses.
            CompileError: the compiler's first error, with its line.
        """
        if not isinstance(function, CudaKernel):
            if self.info.kind != "gpu":
                raise Unsupported("a plain function of CuPy arrays needs a GPU; the CPU shim runs CUDA C++ only")
            return super().compile(function, arguments, case)
        device = self._device
        unit = function.translation_unit(case.dtypes)
        prepared: dict[str, Prepared] = {}

        def prepare(name: str) -> Prepared:
            if name not in prepared:
                prepared[name] = device.prepare(unit, function.filename, name)
            return prepared[name]

        shapes = [(array.shape, dtypes.dtype(array.dtype)) for array in case.outputs]
        rehearsal = Rehearsal(prepare, case, device.multiprocessors)
        function.host(rehearsal, *arguments, *(Shaped(*shape) for shape in shapes), **case.attributes)
        launcher = DeviceLauncher(device, prepare, case)

        def executable(*inputs: Any) -> Any:
            outputs = tuple(device.empty(shape, dtype) for shape, dtype in shapes)
            function.host(launcher, *inputs, *outputs, **case.attributes)
            return outputs[0] if len(outputs) == 1 else outputs

        return executable

    def load(self, source: str, entry_point: str) -> Any:
        """A candidate: CUDA C++ with launch directives (see `kparity_cuda.directives`), or Python.

        Raises:
            CandidateError: with the line.
        """
        if "__global__" in source and not _is_python(source):
            from kparity_cuda.directives import kernel_from

            return kernel_from(source)
        return load_python(source, entry_point)

    def wait(self, outputs: Sequence[Any]) -> None:
        self._device.wait()

    def alter(self, array: Any, positions: np.ndarray, values: np.ndarray) -> Any:
        """In place."""
        return self._device.alter(array, positions, values)

    def duplicate(self, array: Any) -> Any:
        return self._device.duplicate(array)

    def refill(self, array: Any, source: Any, offset: int) -> Any:
        """In place."""
        return self._device.refill(array, source, offset)

    def strided(self, memory: Any, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> Any:
        """A view by CuPy or NumPy."""
        return self._device.strided(memory, shape, strides, offset)

    def storage(self, array: Any) -> tuple[int, int]:
        return self._device.storage(array)

    def poison(self, sizes: Sequence[int]) -> bool:
        """Fill and free a few blocks of each size; the shim fills every output anyway."""
        return self._device.poison(sizes)

    def numerics_modes(self) -> dict[str, str]:
        """CUDA C++ has none at run time; CuPy's accelerators and TF32 are chosen by the environment."""
        names = ("CUPY_TF32", "CUPY_ACCELERATORS", "NVIDIA_TF32_OVERRIDE")
        return {name: os.environ.get(name, "") for name in names}

    def probes(self) -> Probes:
        """CuPy's product (cuBLAS), and a copy by the multiprocessors, 16 bytes a thread: the copy engine is slower."""
        import cupy

        wide = cupy.ElementwiseKernel("T x", "T y", "y = x", "kparity_copy")

        def copy(array: Any) -> Any:
            return wide(array.view(cupy.complex128)).view(array.dtype)

        return Probes(cupy.copy, copy, cupy.matmul, ("float32", "float16"))


def _is_python(source: str) -> bool:
    try:
        compile(source, "<candidate>", "exec")
    except (SyntaxError, ValueError):
        return "cuda_kernel(" in source
    return True
