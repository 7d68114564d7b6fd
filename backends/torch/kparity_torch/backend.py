"""PyTorch as a kparity backend: the GPU that torch sees, else the CPU."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from kparity import Case, DeviceInfo, Probes, Unavailable, cpu_name, dtypes
from kparity_nvidia.tensors import OnTensors, tf32_product
from kparity_torch.compiled import ToCompile
from kparity_torch.specimens import SPECIMENS
from kparity_torch.vml import settle

if TYPE_CHECKING:
    import torch

_CARRIERS = {"bfloat16": np.int16, "float8_e4m3fn": np.uint8, "float8_e5m2": np.uint8}
"""Formats that NumPy and torch both have but do not exchange, and the integers that carry their bits."""


class TorchBackend(OnTensors):
    """PyTorch on one CUDA or ROCm device, or on the CPU where torch sees no GPU. Device arrays are torch tensors.

    float32 products keep torch's default precision "highest", that is no TF32; torch's permission to round partial
    sums of a float16 or bfloat16 product to that dtype is withdrawn, since the contract asks for float32
    accumulation.
    """

    name: ClassVar[str] = "torch"
    remedy: ClassVar[str] = "pip install 'kparity[torch]'"
    full_precision: ClassVar[str] = "torch.set_float32_matmul_precision('highest'), which is the default"
    specimens: ClassVar[Mapping[str, str]] = SPECIMENS
    _torch: types.ModuleType
    _device: torch.device

    def open(self, index: int = 0) -> DeviceInfo:
        """Import torch and make device `index` the current one.

        Raises:
            Unavailable: torch is not installed, does not load, or has no device `index`.
        """
        try:
            import torch
        except ModuleNotFoundError as error:
            raise Unavailable("torch is not installed", self.remedy) from error
        except (ImportError, OSError) as error:
            raise Unavailable(f"torch does not load ({error})", f"reinstall it: {self.remedy}") from error
        self._torch = torch
        on_gpu = torch.cuda.is_available()
        count = torch.cuda.device_count() if on_gpu else 1
        if not 0 <= index < count:
            raise Unavailable(f"torch has no device {index}", f"use an index from 0 to {count - 1}")
        self._device = torch.device("cuda", index) if on_gpu else torch.device("cpu")
        self.info = self._open_gpu(index) if on_gpu else self._open_cpu()
        return self.info

    def _open_gpu(self, index: int) -> DeviceInfo:
        torch = self._torch
        torch.cuda.set_device(index)
        torch.backends.cuda.matmul.allow_fp16_reduced_precision_reduction = False
        torch.backends.cuda.matmul.allow_bf16_reduced_precision_reduction = False
        runtime = {"cuda": torch.version.cuda, "hip": torch.version.hip, "cudnn": torch.backends.cudnn.version()}
        info = DeviceInfo(
            backend=self.name,
            name=torch.cuda.get_device_name(index),
            kind="gpu",
            index=index,
            uuid=str(getattr(torch.cuda.get_device_properties(index), "uuid", "")),
            dtypes=self._dtypes(),
            versions=_versions() | {name: str(version) for name, version in runtime.items() if version},
            modes=self._modes(),
        )
        return self.attach(info) if torch.version.cuda else info

    def _open_cpu(self) -> DeviceInfo:
        settle(self._torch)
        return DeviceInfo(
            backend=self.name,
            name=cpu_name(),
            kind="cpu",
            dtypes=self._dtypes(),
            versions=_versions(),
            modes=self._modes(),
            notes=(
                f"torch {self._torch.__version__} sees no GPU; it uses {self._torch.get_num_threads()} CPU threads",
                "float16 and bfloat16 matrix products are computed in float32",
                "'compile' needs a C++ compiler; the first kernel takes about 20 s, each further one about 1 s",
            ),
        )

    def _modes(self) -> dict[str, str]:
        torch = self._torch
        modes: dict[str, object] = {
            "float32 matmul precision": torch.get_float32_matmul_precision(),
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
        }
        if self._device.type == "cuda":
            matmul = torch.backends.cuda.matmul
            modes |= {
                "cudnn tf32": torch.backends.cudnn.allow_tf32,
                "float16 reduced-precision sums": matmul.allow_fp16_reduced_precision_reduction,
                "bfloat16 reduced-precision sums": matmul.allow_bf16_reduced_precision_reduction,
            }
        return {name: str(value) for name, value in modes.items()}

    def _dtypes(self) -> tuple[str, ...]:
        return tuple(name for name in dtypes.NAMES if hasattr(self._torch, name))

    def preload(self) -> None:
        """Import torch, which touches no GPU before it is asked for one."""
        import torch

        settle(torch)

    def put(self, array: np.ndarray) -> torch.Tensor:
        """A contiguous copy on the device; formats that NumPy and torch do not exchange travel as integers."""
        carrier = _CARRIERS.get(array.dtype.name)
        host = np.array(array, order="C")  # also because torch warns of read-only memory
        bits = self._torch.from_numpy(host if carrier is None else host.view(carrier))
        tensor: torch.Tensor = bits.view(getattr(self._torch, array.dtype.name)).to(self._device)
        return tensor

    def get(self, array: Any) -> np.ndarray:
        """A contiguous copy in host memory.

        Raises:
            TypeError: not exactly a `torch.Tensor`, dense, on the opened device, of a dtype that NumPy can hold.
        """
        if type(array) is not self._torch.Tensor:
            raise TypeError(f"torch expected a torch.Tensor, got {type(array).__module__}.{type(array).__name__}")
        if array.device != self._device or array.layout != self._torch.strided:
            raise TypeError(f"torch expected a dense tensor on {self._device}, got {array.layout} on {array.device}")
        name = str(array.dtype).removeprefix("torch.")
        if name not in self.info.dtypes:
            raise TypeError(f"torch expected one of {', '.join(self.info.dtypes)}, got a tensor of {name}")
        copy: torch.Tensor = self._torch.empty(array.shape, dtype=array.dtype).copy_(array.detach())
        carrier = _CARRIERS.get(name)
        if carrier is not None:
            copy = copy.view(getattr(self._torch, np.dtype(carrier).name))
        return copy.numpy().view(dtypes.dtype(name))

    def compile(
        self, function: Callable[..., Any], arguments: Sequence[torch.Tensor], case: Case
    ) -> Callable[..., Any]:
        """Bind the case's attributes; a `ToCompile` also goes through `torch.compile` and is called once.

        Raises:
            Exception: whatever Dynamo, Inductor or its compiler raise.
        """
        if not isinstance(function, ToCompile):
            return functools.partial(function, **case.attributes) if case.attributes else function
        executable: Callable[..., Any] = self._torch.compile(
            _bind(function.function, case), dynamic=False, fullgraph=True
        )
        executable(*arguments)
        return executable

    def wait(self, outputs: Sequence[torch.Tensor]) -> None:
        """Wait for everything on the device, whichever stream it is on."""
        if self._device.type == "cuda":
            self._torch.cuda.synchronize(self._device)

    def probes(self) -> Probes:
        """torch's own copy and product, also in TF32 where the GPU has that; on a CPU only float32 is tuned."""
        torch = self._torch
        on_gpu = self._device.type == "cuda"
        tuned = ("float32", "float16", "bfloat16") if on_gpu else ("float32",)
        return Probes(torch.clone, torch.clone, torch.matmul, tuned, tf32_product if self.has_tf32() else None)


def _bind(function: Callable[..., Any], case: Case) -> Callable[..., Any]:
    """`function` with the case's attributes bound, in a code object of its own.

    Dynamo keeps what it compiled with the code object and gives up after a few recompilations of the same one;
    resetting it between cases would throw away executables that are still in use.
    """
    attributes = dict(case.attributes)

    def bound(*arrays: Any) -> Any:
        return function(*arrays, **attributes)

    return types.FunctionType(bound.__code__.replace(), bound.__globals__, "bound", None, bound.__closure__)


def _versions() -> dict[str, str]:
    """Versions of torch and of the compiler behind `torch.compile`, without importing the latter."""
    found = {}
    for distribution in ("torch", "triton"):
        try:
            found[distribution] = metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    return found
