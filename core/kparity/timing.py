"""The timing layer: how long one call takes, end to end, on the host clock, after synchronisation."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from kparity.records import Measurement


class TimingPolicy(msgspec.Struct, frozen=True):
    """When sampling stops.

    Attributes:
        warmup: calls before the first sample.
        minimum: samples that are always taken.
        maximum: samples that are never exceeded.
        budget_s: seconds after which no further sample is begun, once the minimum is reached.
    """

    warmup: int = 3
    minimum: int = 10
    maximum: int = 200
    budget_s: float = 0.25


def measure(call: Callable[[], object], policy: TimingPolicy) -> Measurement:
    """Time `call`, which must return only when its results are computed.

    Returns:
        The `end_to_end` measurement, raw samples in order.
    """
    for _ in range(policy.warmup):
        call()
    clock = time.perf_counter_ns
    samples: list[float] = []
    deadline = clock() + policy.budget_s * 1e9
    while len(samples) < policy.minimum or (len(samples) < policy.maximum and clock() < deadline):
        start = clock()
        call()
        samples.append(max(clock() - start, 1) * 1e-9)
    return Measurement(
        measurand="end_to_end",
        clock="host:perf_counter_ns",
        resolution_s=host_resolution(),
        samples_s=tuple(samples),
        warmup=policy.warmup,
    )


def host_resolution() -> float:
    """Smallest step that the host clock was seen to make, in seconds."""
    clock = time.perf_counter_ns
    steps = []
    for _ in range(50):
        start = clock()
        while (now := clock()) == start:
            pass
        steps.append(now - start)
    return min(steps) * 1e-9
