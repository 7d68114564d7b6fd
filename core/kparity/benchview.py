"""Tables of times in depth: what `kparity bench` and `kparity compare` print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from kparity.compare import Compared
from kparity.environment import RunInfo
from kparity.records import Evaluation, Measurement
from kparity.report import escape, format_seconds, matrix, table
from kparity.roofline import primary_time

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table


def bench_view(info: RunInfo, evaluations: Sequence[Evaluation]) -> list[RenderableType]:
    """One table for each case, fastest first, then the devices and whatever went wrong."""
    timed = [one for one in evaluations if primary_time(one) is not None]
    parts: list[RenderableType] = []
    for key in dict.fromkeys(one.case.key for one in timed):
        parts.extend(_case_view([one for one in timed if one.case.key == key]))
    parts.extend(_ceilings(info))
    parts.extend(_warnings(timed))
    return [*parts, *matrix(info, evaluations)]


def compared_view(results: Sequence[Compared]) -> list[RenderableType]:
    """One row for each case: the ratio with its interval, and what follows from it."""
    grid = _grid("case", "ratio", "interval", "outcome", "measurand", "confidence", "processes", "pairs", "took")
    styles = {"faster": "green", "slower": "red", "equivalent": "cyan", "inconclusive": "yellow"}
    for one in results:
        grid.add_row(
            escape(one.case),
            f"{one.ratio:.4f}",
            f"{one.low:.4f} .. {one.high:.4f}",
            f"[{styles[one.outcome]}]{one.outcome}[/]",
            one.measurand,
            f"{one.confidence:.3f}",
            str(one.processes),
            str(one.pairs),
            f"{one.seconds:.1f} s",
        )
    first, second = (results[0].first, results[0].second) if results else ("first", "second")
    return [f"[bold]{first}[/] against [bold]{second}[/]: ratio of times, below 1 means that {first} is faster", grid]


def _case_view(evaluations: Sequence[Evaluation]) -> list[RenderableType]:
    case = evaluations[0].case
    flops = f", {case.flops:,} operations" if case.flops is not None else ""
    grid = _grid("implementation", "median", "95 % interval", "clock", "cache", "end to end", "dispatch")
    for heading in ("GB/s", "TFLOP/s", "of limit", "compile", "1st call", "n"):
        grid.add_column(heading, justify="right", no_wrap=True)
    for one in sorted(evaluations, key=_rank):
        measurement = primary_time(one)
        assert measurement is not None
        roofline = one.roofline
        low, high = measurement.interval_s
        grid.add_row(
            one.implementation.label,
            format_seconds(measurement.median_s),
            f"{format_seconds(low)} .. {format_seconds(high)}",
            measurement.clock.partition(":")[0],
            measurement.cache,
            _median(one.time("end_to_end")),
            _median(one.time("dispatch")),
            f"{roofline.bytes_per_s / 1e9:,.0f}" if roofline else "",
            f"{roofline.flops_per_s / 1e12:,.2f}" if roofline and case.flops else "",
            f"{roofline.fraction:.0%} {roofline.bound}" if roofline else "",
            format_seconds(one.compile_s) if one.compile_s is not None else "",
            format_seconds(one.first_call_s) if one.first_call_s is not None else "",
            str(len(measurement.samples_s)),
        )
    return [f"[bold]{case.task}[/]  {escape(case.key)}  [dim]{case.bytes:,} bytes{flops}[/]", grid]


def _grid(*headings: str) -> Table:
    grid = table(headings[0])
    for heading in headings[1:]:
        grid.add_column(heading, no_wrap=True)
    return grid


def _ceilings(info: RunInfo) -> list[str]:
    lines = []
    for label, ceilings in info.ceilings.items():
        peaks = ", ".join(f"{dtype} {peak / 1e12:.3g} TFLOP/s" for dtype, peak in ceilings.flops_per_s.items() if peak)
        floor = ", ".join(f"{name} {format_seconds(seconds)}" for name, seconds in ceilings.null_s.items())
        lines.append(f"{label}: measured ceilings {ceilings.bytes_per_s / 1e9:,.0f} GB/s, {peaks}; empty call: {floor}")
    for label, clock in info.clocks.items():
        state = "trusted" if clock.trusted else f"[red]not used: {escape('; '.join(clock.faults))}[/]"
        lines.append(
            f"{label}: clock {clock.clock}, resolution {format_seconds(clock.resolution_s)}, "
            f"{clock.slope:.4f} of the host clock's rate, {state}"
        )
    return [f"[dim]{line}[/]" for line in lines]


def _warnings(evaluations: Sequence[Evaluation]) -> list[str]:
    lines = []
    for one in evaluations:
        measurement = primary_time(one)
        assert measurement is not None
        signs = []
        if measurement.drift:
            signs.append(f"drifted by {measurement.drift:+.1%}")
        if measurement.bimodal:
            signs.append("falls into two clusters")
        if one.conditions is not None and one.conditions.throttled:
            signs.append(f"clocks held down: {', '.join(one.conditions.throttled)}")
        if one.withheld:
            signs.append(f"no device time: {one.withheld}")
        if signs:
            lines.append(f"[yellow]{one.implementation.label} {escape(one.case.key)}:[/] {escape('; '.join(signs))}")
    return lines


def _rank(evaluation: Evaluation) -> tuple[bool, float]:
    """Times read on the device come first: unlike measurands are not ranked against each other."""
    measurement = primary_time(evaluation)
    assert measurement is not None
    return (measurement.measurand != "device", measurement.median_s)


def _median(measurement: Measurement | None) -> str:
    return format_seconds(measurement.median_s) if measurement is not None else ""
