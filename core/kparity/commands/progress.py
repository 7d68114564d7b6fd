"""How far a run is: live bars for each device on a terminal, a line now and then elsewhere, JSON lines for programs."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import IO, TYPE_CHECKING

import msgspec

from kparity.streaming import Ended, Finished, Started

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

    from kparity.executors import Prepared
    from kparity.records import Evaluation

QUIET_S = 30.0
"""Seconds between lines where standard error is no terminal."""


def watch(
    prepared: Prepared,
    console: Console,
    sinks: Iterable[Callable[[Evaluation], None]] = (),
    *,
    json_lines: bool = False,
) -> bool:
    """Work a run off under a progress display; True where Ctrl-C ended it. What was finished is kept either way.

    Args:
        prepared: the run.
        console: where progress goes: standard error.
        sinks: get each record as it finishes.
        json_lines: print each record to standard output as it finishes, between a first and a last line.
    """
    lines = JsonLines(sys.stdout) if json_lines else None
    if lines is not None:
        lines.start(prepared)
    display = Bars(prepared, console) if console.is_terminal else Lines(prepared, console)
    counts: Counter[str] = Counter()
    interrupted, told = False, 0
    with display:
        try:
            for evaluation in prepared:
                counts[evaluation.status] += 1
                for sink in sinks:
                    sink(evaluation)
                if lines is not None:
                    lines.record(evaluation)
                display.advance(evaluation)
                told = _tell_losses(prepared, display, told)
            _tell_losses(prepared, display, told)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            prepared.close()
    if lines is not None:
        lines.end(counts, interrupted, prepared.losses)
    return interrupted


class Remaining:
    """Estimates the time that is left from the time that evaluations took.

    Line-ups work side by side, each through its own list, so the longest decides. An evaluation is expected to take
    as long as the mean of its line-up so far; a line-up that has finished none, as long as the mean of all.
    """

    def __init__(self, planned: dict[str, int]) -> None:
        self.left = dict(planned)
        self._spent: Counter[str] = Counter()
        self._done: Counter[str] = Counter()

    def advance(self, label: str, seconds: float) -> None:
        """One evaluation of that line-up took so long."""
        self.left[label] -= 1
        self._done[label] += 1
        self._spent[label] += seconds  # type: ignore[assignment]

    def seconds(self, labels: Iterable[str] | None = None) -> float | None:
        """For these line-ups, or all; None before anything was finished."""
        done = sum(self._done.values())
        if not done:
            return None
        mean = sum(self._spent.values()) / done
        return max(
            (
                self.left[label] * (self._spent[label] / self._done[label] if self._done[label] else mean)
                for label in (self.left if labels is None else labels)
            ),
            default=0.0,
        )


class Bars:
    """One bar for each device, with its line-ups that are still at work."""

    def __init__(self, prepared: Prepared, console: Console) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
        self._progress = Progress(*columns, TimeElapsedColumn(), console=console, transient=True)
        self._remaining = Remaining(prepared.planned)
        self._labels: dict[str, list[str]] = {}
        for label in prepared.planned:
            device = prepared.devices.get(label)
            self._labels.setdefault(device.label if device is not None else "", []).append(label)
        self._tasks: dict[str, TaskID] = {
            device: self._progress.add_task(
                self._described(device), total=sum(prepared.planned[label] for label in labels), left=""
            )
            for device, labels in self._labels.items()
        }
        self._device_of = {label: device for device, labels in self._labels.items() for label in labels}

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def advance(self, evaluation: Evaluation) -> None:
        """Show one more."""
        label = evaluation.implementation.label
        device = self._device_of[label]
        self._remaining.advance(label, evaluation.duration_s)
        left = self._remaining.seconds(self._labels[device])
        self._progress.update(
            self._tasks[device],
            advance=1,
            description=self._described(device),
            left=f"about {_rough(left)} left" if left else "",
        )
        told = _complaint(evaluation)
        if told:
            self.tell(told)

    def tell(self, text: str) -> None:
        """A line above the bars."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _described(self, device: str) -> str:
        busy = [label for label in self._labels[device] if self._remaining.left[label]]
        return f"{device}: {', '.join(busy)}" if busy else device


class Lines:
    """What went wrong as it happens, and a line with counts now and then."""

    def __init__(self, prepared: Prepared, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._total = prepared.total
        self._remaining = Remaining(prepared.planned)
        self._clock = clock
        self._done = 0
        self._last = clock()

    def __enter__(self) -> Lines:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def advance(self, evaluation: Evaluation) -> None:
        """Count one more."""
        self._done += 1
        self._remaining.advance(evaluation.implementation.label, evaluation.duration_s)
        told = _complaint(evaluation)
        if told:
            self.tell(told)
        if self._clock() - self._last >= QUIET_S and self._done < self._total:
            self._last = self._clock()
            self.tell(f"{self._done} of {self._total} evaluations, about {_rough(self._remaining.seconds())} left")

    def tell(self, text: str) -> None:
        """A line of its own."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


class JsonLines:
    """A run as a stream of JSON lines, each flushed: see `kparity.streaming` for what they hold."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def start(self, prepared: Prepared) -> None:
        """The first line."""
        self._write(
            Started(
                run=prepared.info,
                total=prepared.total,
                finished=prepared.finished,
                planned=prepared.planned,
                folder=str(prepared.path or ""),
            )
        )

    def record(self, evaluation: Evaluation) -> None:
        """One record."""
        self._write(Finished(evaluation=evaluation))

    def end(self, counts: Counter[str], interrupted: bool, lost: dict[str, str]) -> None:
        """The last line."""
        self._write(Ended(summary=dict(counts), interrupted=interrupted, lost=lost))

    def _write(self, line: Started | Finished | Ended) -> None:
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()


def _tell_losses(prepared: Prepared, display: Bars | Lines, told: int) -> int:
    """Tell which stations were lost after the first `told`; how many are told now."""
    losses = list(prepared.losses.values())
    for reason in losses[told:]:
        display.tell(f"{reason}; others of its kind take over what it had not finished")
    return len(losses)


def _complaint(evaluation: Evaluation) -> str:
    if evaluation.status not in ("failed", "error"):
        return ""
    return f"{evaluation.status}: {evaluation.implementation.label} {evaluation.task} {evaluation.case.key}"


def _rough(seconds: float | None) -> str:
    """A time that is only an estimate."""
    if seconds is None:
        return "?"
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
