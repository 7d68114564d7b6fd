"""Records and run folders made by hand, for whatever reads them."""

from __future__ import annotations

from pathlib import Path

from toy import scale

from kparity import CheckResult, DeviceInfo, Evaluation, Measurement, RunInfo, Shard, Verdict
from kparity.case import Case
from kparity.environment import HostInfo
from kparity.records import DeviceRef, ImplementationInfo, Roofline, Status
from kparity.store import RunFolder

CASES = tuple(scale.cases())
GPU = DeviceRef("Fast GPU", "gpu", 0, "GPU-1")
OTHER_GPU = DeviceRef("Slow GPU", "gpu", 0, "GPU-2")
CPU = DeviceRef("Processor", "cpu")


def info(*, cores: int = 4, machine: str = "m1", shard: Shard | None = None, id: str = "run") -> RunInfo:
    """A run of the toy backend."""
    return RunInfo(
        kparity="0.1.0",
        started_at="2030-01-01T00:00:00+00:00",
        seed=5,
        host=HostInfo("Linux", "Processor", cores, "3.11", machine),
        devices=(DeviceInfo(backend="toy", name="Toy", kind="cpu"),),
        unavailable={},
        plugins={},
        options={},
        shard=shard,
        id=id,
    )


def verdict_of(status: Status) -> Verdict:
    """A verdict of that status."""
    if status in ("passed", "failed"):
        return Verdict.of_checks([CheckResult("bound", "passed" if status == "passed" else "failed", "3 are off")])
    return Verdict(status, (), "because")


def record(
    label: str = "toy:good",
    status: Status = "passed",
    *,
    case: Case = CASES[0],
    task: str = "",
    device: DeviceRef | None = GPU,
    seconds: float | None = None,
    noise: float = 0.0,
    seed: int = 5,
    source: str = "",
    at: str = "2030-01-01T00:00:00+00:00",
    digest: str = "aa",
    fraction: float | None = None,
    **more: object,
) -> Evaluation:
    """One evaluation; `seconds` is the median of its device time, `noise` the relative spread around it."""
    backend, _, name = label.partition(":")
    steps = [seconds * (1 + noise * (place - 10) / 10) for place in range(21)] if seconds else []
    times = (
        Measurement(
            measurand="device",
            clock="pretend",
            resolution_s=1e-9,
            samples_s=tuple(steps),
            warmup=1,
            cache="cold",
            interval_s=(seconds * (1 - noise / 2), seconds * (1 + noise / 2)),
        )
        if seconds
        else None
    )
    return Evaluation(
        task=task or case.task,
        case=case,
        implementation=ImplementationInfo(backend, name or backend, source_digest=source),
        device=device,
        verdict=verdict_of(status),
        measurements=(times,) if times is not None else (),
        roofline=Roofline(1.0, 1.0, 1.0, fraction, "memory") if fraction else None,
        seed=seed,
        started_at=at,
        inputs_digest=digest,
        **more,  # type: ignore[arg-type]
    )


def write(path: Path, *evaluations: Evaluation, run: RunInfo | None = None) -> Path:
    """A run folder with these records."""
    folder = RunFolder.create(path, run or info(id=path.name))
    for evaluation in evaluations:
        folder.append(evaluation)
    folder.close()
    return path
