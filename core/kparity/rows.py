"""An evaluation in one flat row: what tables, metrics and exports need of it, without samples. Rows are cheap to keep.

A row of a run with a thousand samples an evaluation is a hundredth of the evaluation.
"""

from __future__ import annotations

import sys

import msgspec

from kparity.case import Role
from kparity.environment import RunInfo
from kparity.records import CacheState, DeviceRef, Evaluation, Measurand, Status
from kparity.store import RunReader
from kparity.store.merging import host_key

_OUTPUT_SHOWN = 800


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One evaluation.

    Attributes:
        task, category, case, role, dtype: what was computed; `dtype` names the case's dtypes with spaces between.
        elements: of all inputs and outputs together.
        label: backend and name of the implementation, e.g. `torch:compile`.
        source_digest: of a candidate's source text.
        device: name of the hardware with what tells it from similar hardware; see `device_label`.
        unit: identity of the very piece of hardware, so far as it is known: times are only compared within one.
        kind: of the device.
        status, message: of the verdict.
        map: pictures of where the errors lie, framed; empty where they would be the same all over.
        compiled: the implementation ran and gave an output.
        emulated: it ran, but not at the hardware's speed.
        measurand, cache, clock: of the time that says most: on the device where there is one, else end to end.
        median_s, low_s, high_s: that time in seconds, with the 95 % limits of the median; None where none was taken.
        samples: how many stand behind it.
        device_s, end_to_end_s, dispatch_s: median of each measurand that was taken.
        fraction, bound: how near it comes to the device's measured limit, and which limit that is.
        compile_s, first_call_s, seed, started_at, duration_s, output: of the evaluation; `output` is cut.
        run: folder that the evaluation stands in.
    """

    task: str
    category: str
    case: str
    role: Role
    dtype: str
    elements: int
    label: str
    backend: str
    name: str
    source_digest: str
    device: str
    unit: str
    kind: str
    status: Status
    message: str
    map: str
    compiled: bool
    emulated: bool
    measurand: Measurand | None
    cache: CacheState | None
    clock: str
    median_s: float | None
    low_s: float | None
    high_s: float | None
    samples: int
    device_s: float | None
    end_to_end_s: float | None
    dispatch_s: float | None
    fraction: float | None
    bound: str
    compile_s: float | None
    first_call_s: float | None
    seed: int
    started_at: str
    duration_s: float
    output: str
    run: str

    @classmethod
    def of(cls, evaluation: Evaluation, info: RunInfo, run: str = "") -> Row:
        """The row of an evaluation of the run that `info` describes."""
        one = evaluation
        time = one.time("device") or one.time("end_to_end")
        low, high = time.interval_s if time is not None else (None, None)
        share = sys.intern  # rows of a large run hold the same few texts
        return cls(
            task=share(one.task),
            category=share(one.task.partition("/")[0]),
            case=share(one.case.key),
            role=one.case.role,
            dtype=share(" ".join(one.case.dtypes.values())),
            elements=one.case.elements,
            label=share(one.implementation.label),
            backend=share(one.implementation.backend),
            name=share(one.implementation.name),
            source_digest=share(one.implementation.source_digest),
            device=share(device_label(one.device, info)),
            unit=share(_unit(one.device, info)),
            kind=share(one.device.kind if one.device is not None else ""),
            status=one.status,
            message=one.verdict.message,
            map=_framed_maps(one),
            compiled=bool(one.verdict.checks) or one.status == "passed",
            emulated=one.emulated,
            measurand=time.measurand if time is not None else None,
            cache=time.cache if time is not None else None,
            clock=share(time.clock if time is not None else ""),
            median_s=time.median_s if time is not None else None,
            low_s=low,
            high_s=high,
            samples=len(time.samples_s) if time is not None else 0,
            device_s=_median(one, "device"),
            end_to_end_s=_median(one, "end_to_end"),
            dispatch_s=_median(one, "dispatch"),
            fraction=one.roofline.fraction if one.roofline is not None else None,
            bound=one.roofline.bound if one.roofline is not None else "",
            compile_s=one.compile_s,
            first_call_s=one.first_call_s,
            seed=one.seed,
            started_at=share(one.started_at),
            duration_s=one.duration_s,
            output=one.output[-_OUTPUT_SHOWN:],
            run=share(run),
        )

    def time_of(self, measurand: Measurand) -> float | None:
        """Median of a measurand in seconds; None where it was not taken."""
        return {"device": self.device_s, "end_to_end": self.end_to_end_s, "dispatch": self.dispatch_s}[measurand]

    @classmethod
    def of_run(cls, reader: RunReader, evaluation: Evaluation) -> Row:
        """The row of an evaluation that was read from a folder."""
        return cls.of(evaluation, reader.info, str(reader.path))


def _median(evaluation: Evaluation, measurand: Measurand) -> float | None:
    measurement = evaluation.time(measurand)
    return measurement.median_s if measurement is not None else None


def _framed_maps(evaluation: Evaluation) -> str:
    drawn = [str(check.details.get("map", "")) for check in evaluation.verdict.checks if check.status == "failed"]
    telling = [one for one in drawn if len(set(one) - {"\n"}) > 1]
    return "\n".join(f"|{line}|" for one in telling for line in one.splitlines())


def device_label(device: DeviceRef | None, info: RunInfo) -> str:
    """The hardware's name, as columns show it: a processor with its cores, since many share one name."""
    if device is None:
        return "no device"
    if device.kind == "cpu":
        return f"{device.name}, {info.host.cores} cores"
    return device.name if device.kind == "gpu" else f"{device.name} ({device.kind})"


def _unit(device: DeviceRef | None, info: RunInfo) -> str:
    if device is None:
        return ""
    return device.uuid or f"{host_key(info)} {device.kind} {device.name} {device.index}"
