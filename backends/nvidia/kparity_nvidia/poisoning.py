"""Filling what torch's caching allocator holds free, so that memory which is never written shows no old answer.

Its rules, from PyTorch's `c10/cuda/CUDACachingAllocator.cpp`: sizes are rounded up to 512 bytes. Requests of at most
1 MiB are served from segments of 2 MiB (the small pool), larger ones from segments of their own or of 20 MiB (the large
pool). Within a pool and a stream the smallest free block that is large enough is taken, the one at the lowest address
among equals; what is left over is split off, in the large pool only where that is more than 1 MiB. A block that is
freed merges with free neighbours. So which bytes an allocation gets depends on everything that was allocated before,
also within the same call, and a few blocks of the outputs' sizes are not enough: everything free has to be filled.

A request for exactly the size of a free block finds that block, or one of the same size, and splits nothing. Asking for
all their sizes therefore takes all of them, and not a byte more from the device.

Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

COPIES = 3
"""Blocks of each size that are made, so that there is filled memory where nothing was cached yet."""

SMALL = 1 << 20
"""Largest request in bytes that the small pool serves."""


def poison(device: torch.device, sizes: Sequence[int]) -> bool:
    """Fill what the next allocations on torch's current stream get with bytes 0xFF.

    On a GPU that is every free block of the stream, next to `COPIES` blocks of each size; elsewhere, and with another
    allocator than torch's own, those blocks alone. At no time is more memory taken than they need; where the device has
    no more, fewer are filled.

    Args:
        device: where.
        sizes: bytes of each output to come.
    """
    import torch

    def take(size: int) -> object | None:
        try:
            return torch.full((size,), 0xFF, dtype=torch.uint8, device=device)
        except torch.OutOfMemoryError:
            return None

    def pieces() -> list[int]:
        if device.type != "cuda" or torch.cuda.get_allocator_backend() != "native":
            return []
        stream = torch.cuda.current_stream(device).cuda_stream
        return free_pieces(torch.cuda.memory_snapshot(), torch.cuda.current_device(), stream)

    fill(sizes, take, pieces)
    return True


def fill(sizes: Iterable[int], take: Callable[[int], object | None], pieces: Callable[[], Sequence[int]]) -> None:
    """Take and let go `COPIES` blocks of each size, then, all at once, the pieces that are free by then.

    Args:
        take: gives a filled block, held as long as the object lives; None where there is no more memory.
        pieces: sizes of what is free.
    """
    for size in sizes:
        _held([max(size, 1)] * COPIES, take)
    _held(pieces(), take)


def free_pieces(segments: Iterable[Mapping[str, Any]], device: int, stream: int) -> list[int]:
    """Sizes to ask for, in this order, to be given all free blocks of a device and stream.

    Args:
        segments: from `torch.cuda.memory_snapshot()`.

    Blocks of the small pool may be larger than what it serves: these are asked for in pieces, full ones first, since
    the smallest block that is large enough is taken.
    """
    full, rest = [], []
    for segment in segments:
        pool = tuple(segment.get("segment_pool_id", (0, 0)))
        if (segment["device"], segment["stream"], pool) != (device, stream, (0, 0)):
            continue
        for size in (block["size"] for block in segment["blocks"] if block["state"] == "inactive"):
            count, left = divmod(size, SMALL) if segment["segment_type"] == "small" else (0, size)
            full += [SMALL] * count
            rest += [left] * (left > 0)
    return full + rest


def _held(sizes: Sequence[int], take: Callable[[int], object | None]) -> None:
    """Take blocks of all these sizes before any is let go; stops where memory ends."""
    blocks = []
    for size in sizes:
        block = take(size)
        if block is None:
            return
        blocks.append(block)
