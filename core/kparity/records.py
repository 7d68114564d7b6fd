"""What kparity writes down: frozen structs with a schema version. Combinations that make no sense cannot be built."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Literal

import msgspec

from kparity.assurance import Assurance, Detection
from kparity.backend import DeviceInfo
from kparity.case import Case
from kparity.clock import Telemetry
from kparity.errors import UsageError

SCHEMA_VERSION = 1

Status = Literal["passed", "failed", "error", "unsupported", "inconclusive"]
STATUSES: tuple[Status, ...] = ("passed", "failed", "error", "unsupported", "inconclusive")
Measurand = Literal["device", "end_to_end", "dispatch"]
Isolation = Literal["inline", "process"]
Determinism = Literal["bitwise", "within_bound", "divergent"]
CacheState = Literal["cold", "warm"]
Policy = Literal["any", "hand-written"]


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """One examination of an output: what was looked at, how it came out, and the numbers behind it."""

    name: str
    status: Literal["passed", "failed", "inconclusive"]
    message: str = ""
    details: dict[str, float | int | str] = {}

    def __post_init__(self) -> None:
        for key, value in self.details.items():
            if isinstance(value, float) and not math.isfinite(value):
                raise UsageError(
                    f"detail {key!r} of check {self.name!r} is {value}; JSON has no such number: give text"
                )


class Verdict(msgspec.Struct, frozen=True):
    """The conjunction of all checks. Build it with `of_checks`, `of_error` or `unsupported`."""

    status: Status
    checks: tuple[CheckResult, ...] = ()
    message: str = ""

    def __post_init__(self) -> None:
        outcomes = {check.status for check in self.checks}
        if self.status == "passed" and outcomes != {"passed"}:
            raise UsageError("a passed verdict needs at least one check, and all of them passed")
        if self.status == "failed" and "failed" not in outcomes:
            raise UsageError("a failed verdict needs a failed check")
        if self.status in ("error", "unsupported", "inconclusive") and not self.message:
            raise UsageError(f"a verdict that is {self.status!r} needs a message that says why")

    @classmethod
    def of_checks(cls, checks: Iterable[CheckResult]) -> Verdict:
        """`failed` if any check failed, else `inconclusive` if any could not tell, else `passed`."""
        done = tuple(checks)
        for status in ("failed", "inconclusive"):
            first = next((check for check in done if check.status == status), None)
            if first is not None:
                return cls(status, done, f"{first.name}: {first.message}")
        return cls("passed", done) if done else cls("inconclusive", done, "no check examined the output")

    @classmethod
    def of_error(cls, message: str) -> Verdict:
        """The implementation could not be loaded, compiled or run."""
        return cls("error", (), message or "no message")

    @classmethod
    def unsupported(cls, reason: str) -> Verdict:
        """The device cannot run this case."""
        return cls("unsupported", (), reason)


class Conditions(msgspec.Struct, frozen=True, omit_defaults=True):
    """The state of the machine around a measurement.

    Attributes:
        before, after: what the hardware reports, by quantity with its unit; empty where it cannot be read.
        throttled: reasons for which the hardware held its clocks down at either moment.
        load: the host's one-minute load average before and after, where there is one.
    """

    before: dict[str, float] = {}
    after: dict[str, float] = {}
    throttled: tuple[str, ...] = ()
    load: tuple[float, float] | None = None

    @classmethod
    def around(cls, before: Telemetry | None, after: Telemetry | None, load: tuple[float, float] | None) -> Conditions:
        """From what was read before and after."""
        seen = [one for one in (before, after) if one is not None]
        return cls(
            before=before.values if before is not None else {},
            after=after.values if after is not None else {},
            throttled=tuple(dict.fromkeys(reason for one in seen for reason in one.throttled)),
            load=load,
        )


class Measurement(msgspec.Struct, frozen=True, kw_only=True):
    """Times of one measurand, as sampled.

    Attributes:
        measurand: what the time means; unlike measurands are never compared.
        clock: the clock's name.
        resolution_s: its measured resolution in seconds, for one call.
        samples_s: seconds for one call, raw, in the order taken; none was discarded.
        warmup: calls made before the first sample.
        cache: `cold` where the last-level cache was evicted before each sample.
        calls_per_sample: calls that share a sample where one is too short for the clock.
        interval_s: 95 % confidence limits of the median, widened by the resolution.
        drift: relative change over the series that a trend explains; 0 where none shows.
        bimodal: the samples fall into two clusters.
    """

    measurand: Measurand
    clock: str
    resolution_s: float
    samples_s: tuple[float, ...]
    warmup: int
    cache: CacheState = "warm"
    calls_per_sample: int = 1
    interval_s: tuple[float, float] = (0.0, 0.0)
    drift: float = 0.0
    bimodal: bool = False

    def __post_init__(self) -> None:
        if not self.samples_s or not all(0 < sample < math.inf for sample in self.samples_s):
            raise UsageError("a measurement needs samples, each longer than zero")

    @property
    def median_s(self) -> float:
        """Median of the samples."""
        return quantile(self.samples_s, 0.5)

    @property
    def spread(self) -> float:
        """Interquartile range over the median: 0.02 means that the middle half of the samples lies within 2 %."""
        return (quantile(self.samples_s, 0.75) - quantile(self.samples_s, 0.25)) / self.median_s


def quantile(values: Iterable[float], q: float) -> float:
    """Linear-interpolation quantile (type 7 of Hyndman and Fan, 1996) of at least one value."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


ULP_BINS = (0.5, 1.0, 2.0, 4.0, 16.0, 64.0, 256.0, 4096.0)
"""Upper limits of the bins in `Accuracy.ulps`; a last bin holds what is beyond. At most 0.5: rounded correctly."""


class Accuracy(msgspec.Struct, frozen=True, kw_only=True):
    """How far one floating-point output lies from the oracle as a whole: for people, no verdict follows from it.

    Attributes:
        relative_l2: norm of the error over the norm of the oracle; its square is the normalised mean squared error.
            None where the oracle is zero throughout and the output is not.
        worst_ulps: the largest error in units in the last place of the output's dtype.
        ulps: how many elements have an error in each of the bins that `ULP_BINS` bounds.
        compared: elements that these figures are over: finite ones, of a sampled case those of the sample.
    """

    output: str
    relative_l2: float | None
    worst_ulps: float
    ulps: tuple[int, ...]
    compared: int


class Roofline(msgspec.Struct, frozen=True):
    """A time against the device's measured ceilings.

    Attributes:
        bytes_per_s, flops_per_s: achieved, by the spec's counts of bytes and operations.
        limit_s: the shortest time that the ceilings allow: the larger of bytes over bandwidth and operations over peak.
        fraction: limit_s over the time; 1 is the limit.
        bound: which of the two is the larger.
    """

    bytes_per_s: float
    flops_per_s: float
    limit_s: float
    fraction: float
    bound: Literal["memory", "compute"]


class ImplementationInfo(msgspec.Struct, frozen=True):
    """Whose realization was evaluated: `target` for a registered one, `source_digest` for a candidate."""

    backend: str
    name: str
    owner: str = ""
    target: str = ""
    source_digest: str = ""

    @property
    def label(self) -> str:
        """`backend` or, where the name says more, `backend:name`."""
        return self.backend if self.name == self.backend else f"{self.backend}:{self.name}"


class DeviceRef(msgspec.Struct, frozen=True):
    """Which device an evaluation ran on; the full `DeviceInfo` stands in the run's `run.json`."""

    name: str
    kind: str
    index: int = 0
    uuid: str = ""

    @classmethod
    def of(cls, info: DeviceInfo) -> DeviceRef:
        """The part of a capability report that identifies the device."""
        return cls(info.name, info.kind, info.index, info.uuid)


class Launch(msgspec.Struct, frozen=True):
    """What one kernel contributed to the device time of a timing.

    Attributes:
        name: of the kernel; `copy` or `fill` for those.
        calls: how often it ran in each timed call, on average.
        share: of the device time of all activities.
    """

    name: str
    calls: float
    share: float


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """The record of one (implementation, case, device).

    Attributes:
        isolation: `inline` in the judge's own process, `process` in a worker.
        assurance: how that worker was started and confined.
        compile_s: seconds spent in `Backend.compile`; None where that was not reached.
        first_call_s: seconds that the first call took.
        accuracy: how far each floating-point output lies from the oracle; empty where nothing could be compared.
        determinism: whether further executions on the same inputs gave the same bytes, other results within the bound,
            or one that fails; None where there were none.
        conditions: the state of the machine while times were taken.
        withheld: why there is no device time although the device has a clock.
        roofline: how near the fastest trusted time comes to what the device can do; None where that is not known.
        emulated: it ran, but not at the hardware's speed (an interpreter, a CPU in place of a GPU): never timed.
        inputs_digest: digest of the input bytes, the same on every machine for the same seed.
        output: what the worker printed, its last few kilobytes; shown, never parsed.
        worker_lost: the worker died, hung or could not be started, so that a resumed run tries again.
        detection: which detectors were in force; None for an implementation that was not watched.
        launches: what ran on the device during the timed calls, largest share first; empty where that cannot be seen.
    """

    task: str
    case: Case
    implementation: ImplementationInfo
    device: DeviceRef | None
    verdict: Verdict
    measurements: tuple[Measurement, ...] = ()
    accuracy: tuple[Accuracy, ...] = ()
    determinism: Determinism | None = None
    compile_s: float | None = None
    first_call_s: float | None = None
    conditions: Conditions | None = None
    withheld: str = ""
    roofline: Roofline | None = None
    emulated: bool = False
    seed: int = 0
    inputs_digest: str = ""
    isolation: Isolation = "process"
    assurance: Assurance = Assurance()
    started_at: str = ""
    duration_s: float = 0.0
    output: str = ""
    worker_lost: bool = False
    detection: Detection | None = None
    launches: tuple[Launch, ...] = ()
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.measurements and self.verdict.status != "passed":
            raise UsageError(f"an evaluation that is {self.verdict.status!r} cannot carry times")
        if self.measurements and self.emulated:
            raise UsageError("an emulated evaluation cannot carry times")
        if len({measurement.measurand for measurement in self.measurements}) != len(self.measurements):
            raise UsageError("an evaluation carries each measurand once")

    @property
    def status(self) -> Status:
        """The verdict's status."""
        return self.verdict.status

    def time(self, measurand: Measurand) -> Measurement | None:
        """The measurement of that measurand, if it was taken."""
        return next((m for m in self.measurements if m.measurand == measurand), None)


class Ceilings(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a device was measured to reach, by calls that its vendor tuned.

    Attributes:
        bytes_per_s: of a large copy, bytes read plus bytes written.
        flops_per_s: of a large matrix product, by operand dtype; `tf32` is float32 operands multiplied in TF32.
        null_s: an empty call, by measurand: the floor under every time of this backend.
    """

    bytes_per_s: float = 0.0
    flops_per_s: dict[str, float] = {}
    null_s: dict[str, float] = {}
