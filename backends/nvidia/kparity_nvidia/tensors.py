"""What lets kparity watch implementations on torch tensors, for every backend whose device arrays are torch tensors.

Importing this imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

LIBRARY_KERNELS = (
    r"at::native::(?!.*(Fill|fill|copy|Copy|CatArray))",
    r"cublas|cutlass|cudnn|cub::|thrust::|cusparse|cufft",
    r"^(sm\d\d_|ampere_|hopper_|nvjet|gemm|flash_|fmha|void gemm)",
    r"xmma|softmax_warp|splitKreduce|gemv|dot_kernel|reduce_1Block",
)
"""Kernels of PyTorch and of NVIDIA's libraries; fills and copies are nobody's merit."""
GUARDED = ("torch", "torch.cuda", "torch:Tensor", "torch.cuda:Event", "torch.cuda:Stream")


def alter(array: torch.Tensor, positions: np.ndarray, values: np.ndarray) -> torch.Tensor:
    """Overwrite elements of a contiguous tensor through an integer view of its memory; its version counter stays."""
    import torch

    carrier = f"int{8 * array.element_size()}"
    bits = array.data.view(getattr(torch, carrier)).view(-1)
    bits[torch.from_numpy(positions).to(array.device)] = torch.from_numpy(values.view(carrier)).to(array.device)
    return array


def duplicate(array: torch.Tensor) -> torch.Tensor:
    """A contiguous clone.

    Raises:
        TypeError: not exactly a tensor.
    """
    import torch

    _demand(array)
    return array.detach().clone(memory_format=torch.contiguous_format)


def strided(memory: torch.Tensor, shape: tuple[int, ...], strides: tuple[int, ...], offset: int) -> torch.Tensor:
    """torch's own view."""
    return memory.as_strided(shape, strides, offset)


def storage(array: torch.Tensor) -> tuple[int, int]:
    """Address and length of the bytes between the first and the last element.

    Raises:
        TypeError: not exactly a tensor.
    """
    _demand(array)
    if not array.numel():
        return array.data_ptr(), 0
    reach = sum((extent - 1) * stride for extent, stride in zip(array.shape, array.stride(), strict=True))
    return array.data_ptr(), (reach + 1) * array.element_size()


def numerics_modes() -> dict[str, str]:
    """torch's global switches that change results."""
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


def _demand(array: torch.Tensor) -> None:
    import torch

    if type(array) is not torch.Tensor:
        raise TypeError(f"expected a torch.Tensor, got {type(array).__module__}.{type(array).__name__}")
