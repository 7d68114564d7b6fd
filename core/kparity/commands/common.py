"""What the commands share: options, the session, progress, printing and the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kparity.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kparity.lanes import Options
    from kparity.records import Evaluation
    from kparity.session import Run, Session

Tasks = Annotated[
    list[str] | None,
    typer.Argument(metavar="TASK", help="Task names or globs, e.g. 'normalization/*'; all by default."),
]
Backends = Annotated[
    list[str] | None, typer.Option("--backend", "-b", metavar="GLOB", help="Backends by name; may be repeated.")
]
Dtypes = Annotated[
    list[str] | None, typer.Option("--dtype", "-d", metavar="NAME", help="Keep cases of this dtype; may be repeated.")
]
Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", "-r", metavar="ROLE", help="edge, typical or perf; by default perf only on a GPU. May be repeated."
    ),
]
Cases = Annotated[
    list[str] | None,
    typer.Option("--case", "-c", metavar="GLOB", help="Cases by key, e.g. 'rows=1,*'; may be repeated."),
]
Seed = Annotated[int | None, typer.Option(metavar="NUMBER", help="Seed of the inputs; drawn at random by default.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder to write; must not hold a run yet.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Inline = Annotated[bool, typer.Option("--inline", help="Run in this process instead of workers; for debugging.")]
Timing = Annotated[bool, typer.Option("--timing/--no-timing", help="Take times of typical and perf cases.")]


def open_session() -> Session:
    from kparity.session import Session

    session = Session()
    for fault in session.catalogue.faults:
        stderr().print(f"[yellow]warning:[/] {escaped(str(fault))}", highlight=False, soft_wrap=True)
    return session


def make_options(seed: int | None, inline: bool, timing: bool, jobs: int, timeout: float) -> Options:
    from kparity.lanes import Options
    from kparity.timing import TimingPolicy

    if timeout <= 0:
        raise UsageError(f"--timeout is {timeout:g}; expected seconds greater than zero")
    if jobs < 0:
        raise UsageError(f"--jobs is {jobs}; expected 0 (one for each core) or more")
    return Options(
        seed=seed,
        isolation="inline" if inline else "process",
        timing=TimingPolicy() if timing else None,
        jobs=jobs,
        timeout_s=timeout,
    )


def watch(prepared: Run) -> tuple[list[Evaluation], bool]:
    """Collect the records under a progress bar; Ctrl-C ends the run and keeps what was finished."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    evaluations: list[Evaluation] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = stderr()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bars = {label: progress.add_task(label, total=count) for label, count in prepared.planned.items()}
        quiet = not console.is_terminal
        try:
            for evaluation in prepared:
                evaluations.append(evaluation)
                progress.advance(bars[evaluation.implementation.label])
                if evaluation.status in ("failed", "error"):
                    progress.console.print(
                        f"{evaluation.status}: {evaluation.implementation.label} {evaluation.task} "
                        f"{evaluation.case.key}",
                        highlight=False,
                        markup=False,
                        soft_wrap=True,
                    )
                elif quiet and len(evaluations) % 100 == 0:
                    console.print(f"{len(evaluations)} of {prepared.total} evaluations", highlight=False)
        except KeyboardInterrupt:
            return evaluations, True
        finally:
            prepared.close()
    return evaluations, False


def show_run(session: Session, prepared: Run, evaluations: list[Evaluation], json: bool, out: Path | None) -> None:
    from kparity.report import JsonReporter, matrix

    if json:
        typer.echo(JsonReporter().render(prepared.info, evaluations))
    else:
        print_parts(matrix(prepared.info, evaluations))
    if out is not None:
        stderr().print(f"records: {out}", highlight=False)


def finish(evaluations: Sequence[Evaluation]) -> NoReturn:
    """Exit 1 if anything went wrong, 2 if nothing was judged, else 0."""
    statuses = {evaluation.status for evaluation in evaluations}
    if statuses & {"failed", "error", "inconclusive"}:
        raise SystemExit(1)
    if "passed" not in statuses:
        stderr().print("[red]error:[/] nothing was evaluated: no device supports any of the selected cases")
        raise SystemExit(2)
    raise SystemExit(0)


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print to standard output; 160 columns wide where that is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160, emoji=False)
    for part in parts:
        console.print(part, highlight=False)


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, emoji=False)


def escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
