"""Which part of a large case is judged, where its task falls apart into independent slices.

The judge evaluates oracle and bounds on a sample that follows from the seed, which no candidate knows; the rest of the
outputs is looked over for what stands out, and that is then judged like the sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import msgspec
import numpy as np

from kparity.case import ArrayInfo, Case
from kparity.errors import SpecError
from kparity.independence import Independent, axes_of, take
from kparity.inputs import Arrays, generate, stream
from kparity.oracle import LARGEST_PROBE, evaluate_reference
from kparity.signature import TensorSpec
from kparity.spec import KernelSpec

ELEMENTS = 1 << 20
"""Most elements of the inputs and outputs that a sample cuts, together."""

FLOPS = 1 << 30
"""Most operations of one evaluation of a sample."""

LATER = 0.25
"""Share of that for a later call of a candidate that was verified."""

BLOCKS = 8
"""Blocks in a sample of a task whose indices must be contiguous."""

_WIDEST = 32
_FEWEST = 3
_CHUNK = 1 << 17
_AGREEMENT = 1e-9

Chosen = Mapping[str, np.ndarray]


def choose(spec: KernelSpec, case: Case, seed: int, share: float = 1.0) -> list[dict[str, np.ndarray]]:
    """The sample of `case` under that seed: sorted indices along each independent axis, or several blocks of them.

    First and last index, a run of neighbours, and single ones spread evenly at random, so that a tile longer than their
    spacing is always met. Empty where the spec declares no independent axis, or where all of the case is affordable:
    that is, takes at most `share` of `ELEMENTS` and `FLOPS`.
    """
    declared = spec.independent
    if declared is None or 0 in (lengths := {axis: case.axes[axis] for axis in declared.axes}).values():
        return []
    rng = stream(seed, "subset", case.task, case.key)
    if declared.contiguous:
        return _blocks(spec, case, declared, rng, share)
    counts = dict(lengths)
    while not _affordable(spec, case, counts, share) and max(counts.values()) > _FEWEST:
        longest = max(counts, key=counts.__getitem__)
        counts[longest] = max(counts[longest] // 2, _FEWEST)
    if counts == lengths:
        return []
    return [{axis: _indices(rng, lengths[axis], count) for axis, count in counts.items()}]


def restrict(spec: KernelSpec, case: Case, inputs: Arrays, chosen: Chosen) -> tuple[Case, Arrays]:
    """The chosen part as a case of its own, with its inputs."""
    assert spec.independent is not None
    cut = spec.independent.restrict(inputs, spec.inputs, chosen, case.attributes)
    counts = {axis: len(indices) for axis, indices in chosen.items()}
    part = msgspec.structs.replace(
        case,
        axes={**case.axes, **counts},
        inputs=tuple(
            ArrayInfo(info.name, array.shape, info.dtype) for info, array in zip(case.inputs, cut, strict=True)
        ),
        outputs=tuple(
            ArrayInfo(info.name, _extents(info, spec.outputs[info.name], counts), info.dtype) for info in case.outputs
        ),
        flops=None if case.flops is None else int(case.flops * _fraction(case, counts)),
    )
    return part, cut


def cut_outputs(spec: KernelSpec, outputs: Arrays, chosen: Chosen) -> Arrays:
    """The chosen part of each output."""
    return tuple(take(array, declared, chosen) for array, declared in zip(outputs, spec.outputs.values(), strict=True))


def describe(case: Case, samples: list[Chosen]) -> str:
    """What was sampled, e.g. `128 of 8,192 rows`."""
    first = samples[0]
    if len(samples) > 1:
        shape = " x ".join(f"{len(indices)} of {case.axes[axis]:,} {axis}" for axis, indices in first.items())
        return f"{len(samples)} blocks of {shape}"
    return ", ".join(f"{len(indices):,} of {case.axes[axis]:,} {axis}" for axis, indices in first.items())


def oddities(spec: KernelSpec, case: Case, outputs: Arrays) -> list[dict[str, np.ndarray]]:
    """The slices of the outputs that look the oddest: not finite, largest, smallest, the longest run of equal values.

    Nothing is wrong with them by that; they are worth judging.
    """
    assert spec.independent is not None
    places: list[dict[str, int]] = []
    for output, declared in zip(outputs, spec.outputs.values(), strict=True):
        names = axes_of(declared)
        for flat in sorted(set(_odd_elements(output))):
            index = np.unravel_index(flat, output.shape)
            places.append({axis: int(index[names.index(axis)]) for axis in spec.independent.axes})
        for axis in spec.independent.axes if output.ndim > 1 and not spec.independent.contiguous else ():
            for extreme in _odd_slices(output, names.index(axis)):
                places.append({**places[0], axis: extreme})
    if spec.independent.contiguous:
        unique = {tuple(place.items()): place for place in places}
        return [{axis: np.array([one]) for axis, one in place.items()} for place in unique.values()]
    return [{axis: np.unique([place[axis] for place in places]) for axis in spec.independent.axes}] if places else []


def check_independence(spec: KernelSpec) -> None:
    """Compare the reference on some slices with the same slices of the whole, on small cases of the spec.

    Every combination of attributes is tried that a small case has whose independent axes are longer than one.

    Raises:
        SpecError: they differ, or no case can show it.
    """
    declared = spec.independent
    if declared is None:
        return
    tried: set[str] = set()
    for case in sorted(spec.cases(), key=lambda case: case.elements):
        attributes = repr(sorted(case.attributes.items()))
        small = case.elements <= LARGEST_PROBE and (case.flops or 0) <= LARGEST_PROBE << 8
        if attributes in tried or not small or max(case.axes[axis] for axis in declared.axes) < 2:
            continue
        tried.add(attributes)
        _compare_slices(spec, case, declared)
    if not tried:
        raise SpecError(
            f"spec {spec.name!r}: no case with fewer than {LARGEST_PROBE:,} elements and more than one of "
            f"{' or '.join(declared.axes)} shows that independent= holds; declare one with edge()"
        )


def _compare_slices(spec: KernelSpec, case: Case, declared: Independent) -> None:
    where = f"spec {spec.name!r}, case {case.key}"
    inputs = generate(spec, case, seed=0)
    whole = evaluate_reference(spec, case, inputs)
    rng = stream(0, "independence", case.task, case.key)
    chosen: dict[str, np.ndarray] = {}
    for axis in declared.axes:
        length = case.axes[axis]
        start = int(rng.integers(length // 2 + 1)) if length > 1 else 0
        chosen[axis] = np.arange(start, min(length, start + max(length // 2, 1)))
        if not declared.contiguous:
            chosen[axis] = np.unique(np.concatenate(([0], chosen[axis][::2], [length - 1])))[-max(length - 1, 1) :]
        elif axis != declared.axes[-1]:
            chosen[axis] = chosen[axis][:1]
    try:
        part, cut = restrict(spec, case, inputs, chosen)
        sliced = evaluate_reference(spec, part, cut)
    except Exception as error:
        raise SpecError(f"{where}: independent= does not hold: on some slices alone, {error}") from error
    for info, one, other in zip(case.outputs, cut_outputs(spec, whole, chosen), sliced, strict=True):
        scale = np.max(np.abs(one), where=np.isfinite(one), initial=0.0)
        with np.errstate(invalid="ignore"):
            near = (one == other) | (np.abs(one - other) <= _AGREEMENT * scale) | ((one != one) & (other != other))
        if not near.all():
            raise SpecError(
                f"{where}: independent={'/'.join(declared.axes)!r} does not hold: output {info.name!r} differs when "
                f"the reference is given only the slices {describe(case, [chosen])} of its inputs"
            )


def _affordable(spec: KernelSpec, case: Case, counts: Mapping[str, int], share: float) -> bool:
    """Whether a sample of that many indices is small enough; what `needs` cuts from the inputs is not known here."""
    assert spec.independent is not None
    arrays = [*zip(case.outputs, spec.outputs.values(), strict=True)]
    if spec.independent.needs is None:
        arrays += zip(case.inputs, spec.inputs.values(), strict=True)
    elements = sum(
        math.prod(_extents(info, declared, counts))
        for info, declared in arrays
        if any(axis in counts for axis in axes_of(declared))
    )
    return elements <= ELEMENTS * share and (case.flops or 0) * _fraction(case, counts) <= FLOPS * share


def _fraction(case: Case, counts: Mapping[str, int]) -> float:
    return math.prod(count / max(case.axes[axis], 1) for axis, count in counts.items())


def _extents(info: ArrayInfo, declared: TensorSpec, counts: Mapping[str, int]) -> tuple[int, ...]:
    axes = axes_of(declared)
    return tuple(counts.get(axis or "", extent) for axis, extent in zip(axes, info.shape, strict=True))


def _indices(rng: np.random.Generator, length: int, count: int) -> np.ndarray:
    if count >= length:
        return np.arange(length)
    run = count // 4
    start = int(rng.integers(length - run + 1))
    singles = count - run - 2
    spread = ((np.arange(singles) + rng.random(singles)) * (length / singles)).astype(np.int64)
    every = np.concatenate(([0, length - 1], np.arange(start, start + run), np.minimum(spread, length - 1)))
    every.sort(kind="stable")  # of sorted runs: faster than a hash table
    return every[np.diff(every, prepend=-1) > 0]


def _blocks(
    spec: KernelSpec, case: Case, declared: Independent, rng: np.random.Generator, share: float
) -> list[dict[str, np.ndarray]]:
    """Blocks of one index along each axis but the last, spread over all axes as in a Latin square."""
    if _affordable(spec, case, {axis: case.axes[axis] for axis in declared.axes}, share):
        return []
    last = declared.axes[-1]
    widths = dict.fromkeys(declared.axes, 1)
    widths[last] = min(case.axes[last], _WIDEST)
    while not _affordable(spec, case, widths, share / BLOCKS) and widths[last] > 1:
        widths[last] //= 2
    starts = {}
    for axis, width in widths.items():
        room = case.axes[axis] - width + 1
        places = ((rng.permutation(BLOCKS) + rng.random(BLOCKS)) * (room / BLOCKS)).astype(np.int64)
        places[0], places[-1] = 0, room - 1
        starts[axis] = np.minimum(places, room - 1)
    return [
        {axis: np.arange(starts[axis][block], starts[axis][block] + width) for axis, width in widths.items()}
        for block in range(BLOCKS)
    ]


def _odd_elements(output: np.ndarray) -> Iterator[int]:
    """Flat places of the first value that is not finite, the largest and smallest magnitude, and the longest run."""
    largest, smallest, longest = (-1.0, 0), (math.inf, 0), (0, 0)
    flat = output.reshape(-1)
    for start in range(0, flat.size, _CHUNK):
        part = flat[start : start + _CHUNK]
        with np.errstate(invalid="ignore"):
            values = np.abs(part if part.dtype == np.float32 else part.astype(np.float32))
        odd = ~np.isfinite(values)
        if odd.any():
            yield start + int(np.argmax(odd))
            values[odd] = 0
            if odd.all():
                continue
        high, low = int(np.argmax(values)), int(np.argmin(values))
        largest = max(largest, (float(values[high]), start + high))
        smallest = min(smallest, (float(values[low]), start + low))
        longest = max(longest, _longest_run(values, start))
    for _, place in (largest, smallest, longest):
        yield place


def _longest_run(values: np.ndarray, start: int) -> tuple[int, int]:
    """Length of the longest run of equal values, and the place of its middle."""
    same = values[1:] == values[:-1]
    if not same.any():
        return 1, start
    edges = np.concatenate(([-1], np.flatnonzero(~same), [values.size - 1]))
    lengths = np.diff(edges)
    best = int(np.argmax(lengths))
    return int(lengths[best]), start + int(edges[best]) + 1 + int(lengths[best]) // 2


def _odd_slices(output: np.ndarray, dimension: int) -> tuple[int, int]:
    """The indices along one dimension whose slices have the largest and the smallest mean magnitude."""
    others = tuple(one for one in range(output.ndim) if one != dimension)
    with np.errstate(invalid="ignore", over="ignore"):
        means = np.mean(np.abs(output), axis=others, dtype=np.float32)
    return int(np.argmax(means)), int(np.argmin(means))
