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
_COPY_BYTES = {"gpu": 1 << 30, "accelerator": 1 << 30}
_MATRIX = {"gpu": 8192, "accelerator": 8192}


def measure_ceilings(backend: Backend, probes: Probes, bench: Bench) -> Ceilings:
    """Time an empty call, a large copy and large matrix products; a probe that raises is left out."""
    kind = backend.info.kind
    one = np.ones(1, np.float32)
    null = _times(backend, probes.null, [one], bench)
    large = np.ones(_COPY_BYTES.get(kind, 1 << 28) // 4, np.float32)
    copied = _best(_times(backend, probes.copy, [large], bench))
    peaks = {}
    size = _MATRIX.get(kind, 1024)
    for dtype in probes.matmul_dtypes if probes.matmul is not None else ():
        rng = stream(0, "ceilings", dtype)
        factors = [rng.standard_normal((size, size), dtype=np.float32).astype(dtypes.dtype(dtype)) for _ in range(2)]
        assert probes.matmul is not None
        seconds = _best(_times(backend, probes.matmul, factors, bench))
        if seconds:
            peaks[dtype] = 2 * size**3 / seconds
    return Ceilings(
        bytes_per_s=2 * large.nbytes / copied if copied else 0.0,
        flops_per_s=peaks,
        null_s={measurand: measurement.median_s for measurand, measurement in null.items()},
    )


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


def recall_ceilings(device: DeviceInfo) -> Ceilings | None:
    """The ceilings measured earlier for this backend, these versions and this device, if any."""
    try:
        return msgspec.json.decode(_remembered(device).read_bytes(), type=Ceilings)
    except (OSError, msgspec.DecodeError):
        return None


def remember_ceilings(device: DeviceInfo, ceilings: Ceilings) -> None:
    """Keep ceilings for the next run; where the cache cannot be written, the next run measures again."""
    path = _remembered(device)
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_bytes(msgspec.json.encode(ceilings))
        draft.replace(path)


def _remembered(device: DeviceInfo) -> Path:
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    versions = sorted(device.versions.items())
    identity = f"{SCHEMA_VERSION} {device.backend} {device.name} {device.index} {device.uuid} {versions}"
    return root / "kparity" / "ceilings" / f"{hashlib.sha256(identity.encode()).hexdigest()[:24]}.json"


def ceiling_dtype(case: Case) -> str:
    """The dtype whose peak bounds a case: that of its first floating-point input."""
    return next((info.dtype for info in case.inputs if dtypes.is_float(info.dtype)), "")


def roofline(spec: KernelSpec, case: Case, seconds: float, ceilings: Ceilings) -> Roofline | None:
    """A time against the ceilings; None where they are not known.

    Where the contract allows TF32, float32's own peak is no limit, and that of TF32 is not measured.
    """
    if not ceilings.bytes_per_s or (spec.numerics.tf32 and ceiling_dtype(case) == "float32" and case.flops):
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
    dtype = ceiling_dtype(case)
    peak = ceilings.flops_per_s.get(dtype, 0.0)
    if spec.numerics.tf32 and dtype == "float32":
        peak = 0.0
    return case.bytes / ceilings.bytes_per_s, (case.flops or 0) / peak if peak else 0.0


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
