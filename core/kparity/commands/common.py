"""What the commands share: options, the session, progress, printing and the exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kparity.errors import UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kparity.executors import Prepared
    from kparity.options import Options
    from kparity.records import Evaluation, Status
    from kparity.rows import Row
    from kparity.session import Session

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
JsonLines = Annotated[
    bool,
    typer.Option("--json-lines", help="Print each record to standard output as one line of JSON, as it finishes."),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder to write; must not hold a run yet.")]
Replays = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Write a replay bundle of each evaluation that does not pass.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Inline = Annotated[bool, typer.Option("--inline", help="Run in this process instead of workers; for debugging.")]
Repeats = Annotated[
    int | None,
    typer.Option(metavar="NUMBER", help="Further executions on the same inputs, to see whether it is deterministic."),
]
Timing = Annotated[bool, typer.Option("--timing/--no-timing", help="Take times of typical and perf cases.")]


def open_session() -> Session:
    from kparity.session import Session

    session = Session()
    for fault in session.catalogue.faults:
        stderr().print(f"[yellow]warning:[/] {escaped(str(fault))}", highlight=False, soft_wrap=True)
    return session


def make_options(
    seed: int | None, inline: bool, timing: bool, jobs: int, timeout: float, repeats: int | None = None
) -> Options:
    from kparity.options import Options
    from kparity.timing import TimingPolicy

    if timeout <= 0:
        raise UsageError(f"--timeout is {timeout:g}; expected seconds greater than zero")
    if jobs < 0:
        raise UsageError(f"--jobs is {jobs}; expected 0 (one for each core) or more")
    if repeats is not None and repeats < 0:
        raise UsageError(f"--repeats is {repeats}; expected 0 (none) or more")
    return Options(
        repeats=Options().repeats if repeats is None else repeats,
        seed=seed,
        isolation="inline" if inline else "process",
        timing=TimingPolicy() if timing else None,
        jobs=jobs,
        timeout_s=timeout,
    )


def follow(prepared: Prepared, *, keep: bool, json_lines: bool = False) -> tuple[list[Row], list[Evaluation], bool]:
    """Work a run off under a progress display.

    Args:
        keep: hand back whole evaluations too, which with their samples are a hundred times as large.

    Returns:
        Rows, evaluations (empty unless `keep`), and whether Ctrl-C ended it.
    """
    from kparity.commands.progress import watch
    from kparity.rows import Row

    rows: list[Row] = []
    evaluations: list[Evaluation] = []
    run = str(prepared.path or "")
    sinks: list[Callable[[Evaluation], None]] = [lambda one: rows.append(Row.of(one, prepared.info, run))]
    if keep:
        sinks.append(evaluations.append)
    interrupted = watch(prepared, stderr(), sinks, json_lines=json_lines)
    return rows, evaluations, interrupted


def show_run(prepared: Prepared, rows: list[Row], evaluations: list[Evaluation], json: bool) -> None:
    """Print what a run found."""
    from kparity.report import JsonReporter, matrix_of_rows

    if json:
        typer.echo(JsonReporter().render(prepared.info, evaluations))
    else:
        print_parts(matrix_of_rows(prepared.info, rows))
    if prepared.path is not None:
        stderr().print(f"records: {prepared.path}", highlight=False, markup=False)


def finish(statuses: Iterable[Status]) -> NoReturn:
    """Exit 1 if anything went wrong, 2 if nothing was judged, else 0."""
    found = set(statuses)
    if found & {"failed", "error", "inconclusive"}:
        raise SystemExit(1)
    if "passed" not in found:
        stderr().print("[red]error:[/] nothing was evaluated: no device supports any of the selected cases")
        raise SystemExit(2)
    raise SystemExit(0)


def print_parts(parts: Iterable[RenderableType]) -> None:
    """Print to standard output; 160 columns wide where that is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160, emoji=False)
    for part in parts:
        console.print(part, highlight=False)


def write_text(path: Path, text: str) -> None:
    """Write a file that the user asked for.

    Raises:
        UsageError: it cannot be written.
    """
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """`write_text`, of bytes.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise UsageError(f"{str(path)!r} cannot be written: {error.strerror}") from error


def stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, emoji=False)


def escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
