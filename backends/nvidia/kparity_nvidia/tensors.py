"""What every backend shares whose device arrays are torch tensors. Importing this imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from kparity_nvidia import kernels, poisoning
from kparity_nvidia.mixin import OnNvidia

if TYPE_CHECKING:
    import torch


class OnTensors(OnNvidia):
    """What lets kparity watch implementations on torch tensors, on the CPU and on any GPU that torch knows.

    Attributes:
        library_kernels: kernels of PyTorch, of `torch.compile` and of NVIDIA's libraries.
        chore_kernels: fills and copies are nobody's merit.
    """

    library_kernels: ClassVar[tuple[str, ...]] = (
        *kernels.LIBRARIES,
        r"(^|::)(at|c10|caffe2|torch|pytorch_flash|at_cuda_detail)::",
        r"^(void )?(\(anonymous namespace\)|<unnamed>)::softmax_warp_",
        r"(^|::)(cunn_SoftMax|fmha_cutlass)",
        r"^triton_(poi|red|per|tem|for|mm|bmm|unk)_",
    )
    chore_kernels: ClassVar[tuple[str, ...]] = (r"at::native::.*(FillFunctor|_copy_kernel_cuda|CatArrayBatchedCopy)",)
    kernel_definitions: ClassVar[tuple[str, ...]] = kernels.DEFINITIONS
    guarded: ClassVar[tuple[str, ...]] = (
        "torch",
        "torch.cuda",
        "torch:Tensor",
        "torch.cuda:Event",
        "torch.cuda:Stream",
    )
    _device: torch.device

    def alter(self, array: torch.Tensor, positions: np.ndarray, values: np.ndarray) -> torch.Tensor:
        """In place, through an integer view of the contiguous memory; the version counter stays."""
        import torch

        carrier = f"int{8 * array.element_size()}"
        bits = array.data.view(getattr(torch, carrier)).view(-1)
        bits[torch.from_numpy(positions).to(array.device)] = torch.from_numpy(values.view(carrier)).to(array.device)
        return array

    def duplicate(self, array: torch.Tensor) -> torch.Tensor:
        """A contiguous clone on the device.

        Raises:
            TypeError: not exactly a tensor.
        """
        import torch

        _demand(array)
        return array.detach().clone(memory_format=torch.contiguous_format)

    def refill(self, array: torch.Tensor, source: torch.Tensor, offset: int) -> torch.Tensor:
        """In place; the version counter stays."""
        array.data.view(-1).copy_(source.data[offset : offset + array.numel()])
        return array

    def strided(
        self, memory: torch.Tensor, shape: tuple[int, ...], strides: tuple[int, ...], offset: int
    ) -> torch.Tensor:
        """torch's own view."""
        return memory.as_strided(shape, strides, offset)

    def storage(self, array: torch.Tensor) -> tuple[int, int]:
        """Address and length of the bytes between the first and the last element.

        Raises:
            TypeError: not exactly a tensor.
        """
        _demand(array)
        if not array.numel():
            return array.data_ptr(), 0
        reach = sum((extent - 1) * stride for extent, stride in zip(array.shape, array.stride(), strict=True))
        return array.data_ptr(), (reach + 1) * array.element_size()

    def poison(self, sizes: Sequence[int]) -> bool:
        """Fill what torch's allocator holds free; see `kparity_nvidia.poisoning`."""
        return poisoning.poison(self._device, sizes)

    def numerics_modes(self) -> dict[str, str]:
        """torch's switches that change results: products, determinism, default dtype, subnormal numbers."""
        import torch

        products = torch.backends.cuda.matmul
        tiny = torch.full((1,), 2.0**-126) / 2
        modes = {
            "float32_matmul_precision": torch.get_float32_matmul_precision(),
            "cuda.matmul.allow_tf32": products.allow_tf32,
            "cuda.matmul.allow_fp16_reduced_precision_reduction": products.allow_fp16_reduced_precision_reduction,
            "cuda.matmul.allow_bf16_reduced_precision_reduction": products.allow_bf16_reduced_precision_reduction,
            "cudnn.allow_tf32": torch.backends.cudnn.allow_tf32,
            "cudnn.benchmark": torch.backends.cudnn.benchmark,
            "deterministic algorithms": torch.are_deterministic_algorithms_enabled(),
            "default dtype": torch.get_default_dtype(),
            "threads": torch.get_num_threads(),
            "subnormal numbers": "kept" if float(tiny) else "flushed",
        }
        return {name: str(value) for name, value in modes.items()}

    def has_tf32(self) -> bool:
        """Whether this is an NVIDIA GPU that multiplies in TF32."""
        import torch

        on_nvidia = self._device.type == "cuda" and bool(torch.version.cuda)
        return on_nvidia and torch.cuda.get_device_capability(self._device) >= (8, 0)


def tf32_product(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """torch's matrix product with TF32 allowed for it alone."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        return torch.matmul(a, b)
    finally:
        torch.set_float32_matmul_precision(before)


def _demand(array: torch.Tensor) -> None:
    import torch

    if type(array) is not torch.Tensor:
        raise TypeError(f"expected a torch.Tensor, got {type(array).__module__}.{type(array).__name__}")
