"""Seeded draws: the same (seed, task, case, input name) gives the same bytes on every machine.

Counter-based: each input has its own Philox-4x64 stream, keyed by a hash, so that no input depends on how many others
were drawn before it. The digest of the bytes is recorded, so that a machine where they came out otherwise shows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from kparity import dtypes
from kparity.errors import SpecError

if TYPE_CHECKING:
    from kparity.case import Case
    from kparity.distributions import Distribution
    from kparity.spec import KernelSpec

Arrays = tuple[np.ndarray, ...]


def stream(seed: int, *labels: str) -> np.random.Generator:
    """A generator keyed by the seed and the labels; streams with different labels are independent."""
    text = "\0".join((str(seed), *labels))
    key = int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "little")
    return np.random.Generator(np.random.Philox(key=key))


def draw_declared(
    spec: KernelSpec, case: Case, seed: int, instead: Mapping[str, Distribution] | None = None
) -> dict[str, np.ndarray]:
    """What each input's distribution draws, by name, not yet rounded to the input's dtype.

    Args:
        spec, case, seed: key the streams.
        instead: distributions that replace the declared ones.

    Raises:
        SpecError: a distribution raised, or gave another shape than the case declares.
    """
    values = {**case.axes, **case.attributes}
    drawn = {}
    for info in case.inputs:
        distribution = (instead or {}).get(info.name, spec.inputs[info.name].distribution)
        assert distribution is not None  # the decorator fills a default in
        try:
            sample = distribution.sample(stream(seed, case.task, case.key, info.name), info.shape, values)
        except Exception as error:
            raise SpecError(
                f"spec {spec.name!r}, case {case.key}: input {info.name!r} cannot be drawn from {distribution}: {error}"
            ) from error
        if np.shape(sample) != info.shape:
            raise SpecError(f"spec {spec.name!r}: {distribution} gave shape {np.shape(sample)}, expected {info.shape}")
        drawn[info.name] = np.asarray(sample)
    return drawn


def finish(spec: KernelSpec, case: Case, drawn: Mapping[str, np.ndarray]) -> Arrays:
    """Round what was drawn to the inputs' dtypes: C-contiguous, read-only, in the order of the signature."""
    finished = []
    for info in case.inputs:
        array = np.ascontiguousarray(drawn[info.name], dtype=dtypes.dtype(info.dtype)).reshape(info.shape)
        array.flags.writeable = False
        finished.append(array)
    return tuple(finished)


def digest(arrays: Iterable[np.ndarray]) -> str:
    """Content digest of the arrays: 16 hexadecimal digits over dtypes, shapes and bytes."""
    state = hashlib.blake2b(digest_size=8)
    for array in arrays:
        state.update(f"{array.dtype.name}{array.shape}".encode())
        state.update(np.ascontiguousarray(array).view(np.uint8).data if array.size else b"")
    return state.hexdigest()


def same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two arrays are the same to the last bit, NaN included: a comparison costs a tenth of two digests."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    carrier = np.uint8 if one.nbytes % 8 else np.uint64
    bits, others = (np.ascontiguousarray(each).reshape(-1).view(np.uint8).view(carrier) for each in (one, other))
    return bool(np.array_equal(bits, others))
