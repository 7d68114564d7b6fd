"""Arrays in shared memory. The judge never maps it: what the worker does to it cannot hurt who reads by copying."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
from collections.abc import Sequence

import msgspec
import numpy as np

from kparity import dtypes
from kparity.errors import WorkerError
from kparity.inputs import Arrays

_ALIGNMENT = 128
_MOST_BLOCKS = 256
_MOST_AXES = 32
_POPULATE_WRITE = 23


class Block(msgspec.Struct, frozen=True):
    """Where one array lies in the arena."""

    offset: int
    shape: tuple[int, ...]
    dtype: str


class Arena:
    """The judge's side of a shared file in memory, which the judge alone makes larger and nobody smaller."""

    def __init__(self) -> None:
        if hasattr(os, "memfd_create"):
            self._descriptor = os.memfd_create("kparity", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK)
        else:
            with tempfile.TemporaryFile(prefix="kparity-") as file:
                self._descriptor = os.dup(file.fileno())
        self._size = 0

    def fileno(self) -> int:
        """The descriptor to hand to the worker."""
        return self._descriptor

    def write(self, arrays: Sequence[np.ndarray], room: int) -> tuple[tuple[Block, ...], int, int]:
        """Copy arrays in, one behind the other; returns where they lie and where `room` bytes begin and end."""
        blocks, place = lay_out(arrays, 0)
        self._reach(place + room)
        for block, array in zip(blocks, arrays, strict=True):
            left = _bytes_of(np.ascontiguousarray(array))
            offset = block.offset
            while left:
                written = os.pwrite(self._descriptor, left, offset)
                left, offset = left[written:], offset + written
        return blocks, place, place + room

    def read(self, blocks: Sequence[Block], start: int, end: int) -> Arrays:
        """Copies of the arrays at these places, which must lie between `start` and `end` and fit there together.

        Raises:
            WorkerError: they do not, or are no arrays.
        """
        if len(blocks) > _MOST_BLOCKS:
            raise WorkerError(f"{len(blocks)} blocks break the protocol (at most {_MOST_BLOCKS})")
        sizes = [_nbytes(block) for block in blocks]
        for block, size in zip(blocks, sizes, strict=True):
            if size and not start <= block.offset <= block.offset + size <= min(end, self._size):
                raise WorkerError(f"a block at {block.offset} of {size} bytes lies outside {start} to {end}")
        if sum(sizes) > end - start:
            raise WorkerError(f"blocks of {sum(sizes)} bytes together overlap in {end - start}")
        return tuple(self._copy(block) for block in blocks)

    def close(self) -> None:
        """Give the memory back."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _reach(self, size: int) -> None:
        if self._size < size:
            os.ftruncate(self._descriptor, size)
            self._size = size

    def _copy(self, block: Block) -> np.ndarray:
        try:
            array = np.empty(block.shape, dtypes.dtype(block.dtype))
        except (ValueError, MemoryError) as error:
            raise WorkerError(f"a block of shape {block.shape} is no array: {error}") from error
        left = _bytes_of(array)
        offset = block.offset
        while left:
            count = os.preadv(self._descriptor, [left], offset)
            if not count:
                raise WorkerError("the arena ends within a block")
            left, offset = left[count:], offset + count
        return array


class ArenaView:
    """The worker's side: the same memory, mapped."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._map: mmap.mmap | None = None

    def read(self, blocks: Sequence[Block]) -> Arrays:
        """Read-only views of the arrays at these places."""
        views = []
        for block in blocks:
            view = self._array(block)
            view.flags.writeable = False
            views.append(view)
        return tuple(views)

    def write(self, arrays: Sequence[np.ndarray], start: int, end: int) -> tuple[Block, ...]:
        """Copy arrays in, one behind the other from `start`; returns where they lie.

        Raises:
            ValueError: they do not fit before `end`.
        """
        blocks, stop = lay_out(arrays, start)
        if stop > end:
            raise ValueError(f"{stop - start} bytes do not fit into {end - start}")
        for block, array in zip(blocks, arrays, strict=True):
            view = self._array(block)
            if self._map is not None and array.nbytes:
                first = block.offset - block.offset % mmap.PAGESIZE
                with contextlib.suppress(OSError, ValueError):  # all pages at once, where the kernel can do that
                    self._map.madvise(_POPULATE_WRITE, first, block.offset + array.nbytes - first)
            view[...] = array
        return blocks

    def _array(self, block: Block) -> np.ndarray:
        if not _nbytes(block):
            return np.empty(block.shape, dtypes.dtype(block.dtype))
        size = os.fstat(self._descriptor).st_size
        if self._map is None or len(self._map) < size:
            self._map = mmap.mmap(self._descriptor, size)
        return np.ndarray(block.shape, dtypes.dtype(block.dtype), buffer=self._map, offset=block.offset)


def lay_out(arrays: Sequence[np.ndarray], start: int) -> tuple[tuple[Block, ...], int]:
    """Places for arrays, one behind the other from `start`, and where the last one ends."""
    blocks, place = [], start
    for array in arrays:
        blocks.append(Block(place, array.shape, array.dtype.name))
        place += -(-array.nbytes // _ALIGNMENT) * _ALIGNMENT
    return tuple(blocks), place


def _bytes_of(array: np.ndarray) -> memoryview:
    """The memory of a contiguous array."""
    return memoryview(array.reshape(-1).view(np.uint8).data) if array.size else memoryview(b"")


def _nbytes(block: Block) -> int:
    if len(block.shape) > _MOST_AXES or any(not 0 <= length < 1 << 48 for length in block.shape) or block.offset < 0:
        raise WorkerError(f"a block of {len(block.shape)} axes at {block.offset} breaks the protocol")
    if block.dtype not in dtypes.NAMES:
        raise WorkerError(f"a block of {block.dtype[:40]!r} breaks the protocol: that is no dtype of kparity's")
    size = dtypes.dtype(block.dtype).itemsize
    for length in block.shape:
        size *= length
    return size
