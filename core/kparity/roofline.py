"""The roofline: what a device was measured to reach, and how near a kernel comes to it.

Source: Williams, Waterman and Patterson, "Roofline", CACM 52(4), 2009. Both ceilings are measured, with calls that the
vendor tuned, not taken from a data sheet.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from kparity import dtypes
from kparity.case import Case
from kparity.inputs import stream
from kparity.records import SCHEMA_VERSION, Ceilings, Evaluation, Measurement, Roofline
from kparity.spec import KernelSpec
from kparity.timing import Bench, TimingPolicy

if TYPE_CHECKING:
    from kparity.backend import Backend, DeviceInfo, Probes

FLOOR = 0.85
"""A time below this fraction of what the ceilings allow is impossible; the rest is the ceilings' own uncertainty."""

_POLICY = TimingPolicy(budget_s=0.3, minimum=5, maximum=40)
_COPY_BYTES = {"gpu": 1 << 29, "accelerator": 1 << 29}
_MATRIX = {"gpu": 8192, "accelerator": 8192}
_TILE = 512

HOST = "host"
"""Name of the clock where the device has none that is trusted."""

TF32 = "tf32"
"""Name of a ceiling beside the dtypes."""


def known_ceilings(ceilings: Ceilings) -> tuple[str, ...]:
    """Names of the products that were measured.

    Not of the copy, which takes no time and which every backend makes in its own way: the engine for copies that one
    uses may reach half of what the multiprocessors do, and a ceiling that is too low makes honest times impossible.
    """
    return tuple(sorted(ceilings.flops_per_s))


def measure_ceilings(backend: Backend, probes: Probes, bench: Bench, known: Sequence[str] = ()) -> Ceilings:
    """Time an empty call, a large copy and large matrix products; a probe that raises is left out.

    Args:
        known: names of what need not be measured, since another backend did so on the same device.
    """
    kind = backend.info.kind
    one = np.ones(1, np.float32)
    null = _times(backend, probes.null, [one], bench)
    size = _COPY_BYTES.get(kind, 1 << 28)
    copied = _best(_times(backend, probes.copy, [np.ones(size // 4, np.float32)], bench))
    peaks = {}
    for name, dtype, product in _products(probes):
        if name not in known:
            factor = _factor(_MATRIX.get(kind, 1024), dtype)
            seconds = _best(_times(backend, product, [factor, factor], bench))
            if seconds:
                peaks[name] = 2 * len(factor) ** 3 / seconds
    return Ceilings(
        bytes_per_s=2 * size / copied if copied else 0.0,
        flops_per_s=peaks,
        null_s={measurand: measurement.median_s for measurand, measurement in null.items()},
    )


def _products(probes: Probes) -> list[tuple[str, str, Callable[..., Any]]]:
    """Name, operand dtype and function of each product to time."""
    found = [] if probes.matmul is None else [(dtype, dtype, probes.matmul) for dtype in probes.matmul_dtypes]
    return [*found, (TF32, "float32", probes.matmul_tf32)] if probes.matmul_tf32 is not None else found


def _factor(size: int, dtype: str) -> np.ndarray:
    """A square matrix of normal numbers that repeat every `_TILE` rows and columns: quick to draw."""
    few = min(size, _TILE)
    tile = stream(0, "ceilings", dtype).standard_normal((few, few), dtype=np.float32).astype(dtypes.dtype(dtype))
    return np.tile(tile, (size // few, size // few))


def best_ceilings(own: Ceilings | None, others: Sequence[Ceilings]) -> Ceilings | None:
    """The best that any backend reached on one device; the floor of an empty call stays the backend's own."""
    everyone = [*others] if own is None else [own, *others]
    if not everyone:
        return None
    dtypes_seen = {dtype for one in everyone for dtype in one.flops_per_s}
    return Ceilings(
        bytes_per_s=max(one.bytes_per_s for one in everyone),
        flops_per_s={dtype: max(one.flops_per_s.get(dtype, 0.0) for one in everyone) for dtype in sorted(dtypes_seen)},
        null_s=own.null_s if own is not None else {},
    )


def recall_ceilings(device: DeviceInfo, clock: str = HOST) -> Ceilings | None:
    """The ceilings measured earlier for this backend, these versions, this device and on this clock, if any."""
    try:
        return msgspec.json.decode(_remembered(device, clock).read_bytes(), type=Ceilings)
    except (OSError, msgspec.DecodeError):
        return None


def recall_products(device: DeviceInfo, clock: str = HOST) -> Ceilings | None:
    """The products that any backend measured earlier on this piece of hardware, on this clock, and nothing else of it.

    A processor's are not shared: what it reaches there depends on each framework's own library. Compiling and tuning
    large products takes some frameworks many seconds.
    """
    path = _products_of(device, clock)
    if path is None:
        return None
    try:
        return msgspec.json.decode(path.read_bytes(), type=Ceilings)
    except (OSError, msgspec.DecodeError):
        return None


def remember_ceilings(device: DeviceInfo, ceilings: Ceilings, clock: str = HOST) -> None:
    """Keep ceilings for the next run; where the cache cannot be written, the next run measures again."""
    _keep(ceilings, _remembered(device, clock))
    if (path := _products_of(device, clock)) is not None and ceilings.flops_per_s:
        best = best_ceilings(Ceilings(0.0, ceilings.flops_per_s), [recall_products(device, clock) or Ceilings(0.0)])
        assert best is not None
        _keep(best, path)


def _keep(ceilings: Ceilings, path: Path) -> None:
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(ceilings))
        draft.replace(path)


def _remembered(device: DeviceInfo, clock: str) -> Path:
    versions = sorted(device.versions.items())
    identity = f"{SCHEMA_VERSION} {device.backend} {device.name} {device.index} {device.uuid} {clock} {versions}"
    return _place("ceilings", identity)


def _products_of(device: DeviceInfo, clock: str) -> Path | None:
    """Where those of a device are kept that can be told from every other one; None for others."""
    if not device.uuid or device.kind not in ("gpu", "accelerator"):
        return None
    return _place("products", f"{SCHEMA_VERSION} {device.name} {device.index} {device.uuid} {clock}")


def _place(folder: str, identity: str) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "kparity" / folder / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"


def ceiling_dtype(case: Case) -> str:
    """The dtype whose peak bounds a case: that of its first floating-point input."""
    return next((info.dtype for info in case.inputs if dtypes.is_float(info.dtype)), "")


def roofline(spec: KernelSpec, case: Case, seconds: float, ceilings: Ceilings) -> Roofline | None:
    """A time against the ceilings; None where they are not known.

    Where the contract allows TF32, its peak is the limit of float32; without that there is no roofline.
    """
    unknown = case.flops and _peak_name(spec, case) == TF32 and TF32 not in ceilings.flops_per_s
    if not ceilings.bytes_per_s or unknown:
        return None
    memory, compute = _limits(spec, case, ceilings)
    limit = max(memory, compute)
    return Roofline(
        bytes_per_s=case.bytes / seconds,
        flops_per_s=(case.flops or 0) / seconds,
        limit_s=limit,
        fraction=limit / seconds,
        bound="memory" if memory >= compute else "compute",
    )


def floor_s(spec: KernelSpec, case: Case, ceilings: Ceilings) -> float:
    """The shortest time that is physically possible with cold caches, with the ceilings' uncertainty taken off.

    Only reads count: what is written may still sit in the cache when the call ends.
    """
    if not ceilings.bytes_per_s:
        return 0.0
    written = sum(info.nbytes for info in case.outputs)
    _, compute = _limits(spec, case, ceilings)
    return FLOOR * max(max(case.bytes - written, 0) / ceilings.bytes_per_s, compute)


def primary_time(evaluation: Evaluation) -> Measurement | None:
    """The time that says most of the kernel: on the device where there is one, else end to end."""
    return evaluation.time("device") or evaluation.time("end_to_end")


def _limits(spec: KernelSpec, case: Case, ceilings: Ceilings) -> tuple[float, float]:
    peak = ceilings.flops_per_s.get(_peak_name(spec, case), 0.0)
    return case.bytes / ceilings.bytes_per_s, (case.flops or 0) / peak if peak else 0.0


def _peak_name(spec: KernelSpec, case: Case) -> str:
    """Under which name the peak stands that bounds a case."""
    dtype = ceiling_dtype(case)
    return TF32 if spec.numerics.tf32 and dtype == "float32" else dtype


def _times(
    backend: Backend, function: Callable[..., Any], arrays: Sequence[np.ndarray], bench: Bench
) -> dict[str, Measurement]:
    try:
        arguments = [backend.put(array) for array in arrays]
        timed = bench.time([lambda: (function(*arguments),)], _POLICY)
    except Exception:  # a probe is optional: without it there is no such ceiling
        return {}
    return {measurement.measurand: measurement for measurement in timed.measurements}


def _best(times: dict[str, Measurement]) -> float:
    measurement = times.get("device") or times.get("end_to_end")
    return min(measurement.samples_s) if measurement is not None else 0.0
