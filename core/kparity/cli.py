"""The command line. Exit status: 0 all passed, 1 something failed, 2 bad usage or nothing evaluated."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from kparity.errors import KparityError, Unavailable, UnknownNameError, UsageError

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from kparity.lanes import Options
    from kparity.records import Evaluation
    from kparity.session import Run, Session

app = typer.Typer(
    name="kparity",
    help="Does this kernel compute the same thing, and how fast, on every accelerator I care about?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_Tasks = Annotated[
    list[str] | None,
    typer.Argument(metavar="TASK", help="Task names or globs, e.g. 'normalization/*'; all by default."),
]
_Backends = Annotated[
    list[str] | None, typer.Option("--backend", "-b", metavar="GLOB", help="Backends by name; may be repeated.")
]
_Dtypes = Annotated[
    list[str] | None, typer.Option("--dtype", "-d", metavar="NAME", help="Keep cases of this dtype; may be repeated.")
]
_Roles = Annotated[
    list[str] | None,
    typer.Option(
        "--role", "-r", metavar="ROLE", help="edge, typical or perf; by default perf only on a GPU. May be repeated."
    ),
]
_Cases = Annotated[
    list[str] | None,
    typer.Option("--case", "-c", metavar="GLOB", help="Cases by key, e.g. 'rows=1,*'; may be repeated."),
]
_Seed = Annotated[int | None, typer.Option(metavar="NUMBER", help="Seed of the inputs; drawn at random by default.")]
_Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Run folder to write; must not hold a run yet.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
_Inline = Annotated[bool, typer.Option("--inline", help="Run in this process instead of workers; for debugging.")]
_Timing = Annotated[bool, typer.Option("--timing/--no-timing", help="Take times of typical and perf cases.")]


@app.command()
def run(
    tasks: _Tasks = None,
    backend: _Backends = None,
    implementation: Annotated[
        list[str] | None,
        typer.Option(
            "--implementation", "-i", metavar="GLOB", help="Line-ups by label, e.g. 'torch:compile'; may be repeated."
        ),
    ] = None,
    dtype: _Dtypes = None,
    role: _Roles = None,
    case: _Cases = None,
    coverage: Annotated[
        str,
        typer.Option(
            metavar="full|quick", help="quick: each case in one dtype in turn, the first typical case in all of them."
        ),
    ] = "full",
    seed: _Seed = None,
    out: _Out = None,
    json: _Json = False,
    inline: _Inline = False,
    timing: _Timing = True,
    jobs: Annotated[int, typer.Option(metavar="NUMBER", help="Line-ups at work at once; 0 is one for each core.")] = 0,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A worker that does not answer for this long is ended.")
    ] = 300.0,
) -> None:
    """Evaluate tasks on every backend of this machine and print the matrix."""
    from kparity.plan import Selection

    if coverage not in ("full", "quick"):
        raise UsageError(f"unknown coverage {coverage!r}; expected 'full' or 'quick'")
    selection = Selection(
        tasks=tuple(tasks or ()),
        backends=tuple(backend or ()),
        implementations=tuple(implementation or ()),
        dtypes=tuple(dtype or ()),
        roles=tuple(role or ()),
        cases=tuple(case or ()),
        coverage="quick" if coverage == "quick" else "full",
    )
    session = _session()
    options = _options(seed, inline, timing, jobs, timeout)
    with _stderr().status("opening devices"):
        prepared = session.prepare(selection, options, out=out)
    evaluations, interrupted = _watch(prepared)
    _report(session, prepared, evaluations, json, out)
    if interrupted:
        _stderr().print(f"interrupted: {len(evaluations)} of {prepared.total} evaluations were finished and are kept")
        raise SystemExit(130)
    _finish(evaluations)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A source file that defines the task's function.")],
    task: Annotated[str, typer.Option("--task", "-t", metavar="NAME", help="Name of the task.")],
    backend: Annotated[str, typer.Option("--backend", "-b", metavar="NAME", help="Name of the backend.")],
    entry_point: Annotated[
        str | None, typer.Option(metavar="NAME", help="Function to call; the task's own name by default.")
    ] = None,
    dtype: _Dtypes = None,
    role: _Roles = None,
    case: _Cases = None,
    seed: _Seed = None,
    out: _Out = None,
    json: _Json = False,
    timing: _Timing = True,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A worker that does not answer for this long is ended.")
    ] = 60.0,
) -> None:
    """Verify and time a kernel of your own, in a process of its own."""
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not source.strip():
        raise UsageError(f"{str(file)!r} is empty; expected source text that defines the task's function")
    session = _session()
    options = _options(seed, False, timing, 0, timeout)
    prepared = session.prepare_candidate(
        task,
        backend,
        source,
        entry_point=entry_point,
        dtypes=dtype or (),
        roles=role or (),
        cases=case or (),
        options=options,
        out=out,
    )
    evaluations, interrupted = _watch(prepared)
    _report(session, prepared, evaluations, json, out)
    if interrupted:
        raise SystemExit(130)
    _finish(evaluations)


@app.command()
def compare(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    first: Annotated[str, typer.Argument(metavar="FIRST", help="Label of one line-up, e.g. triton.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="Label of the other, e.g. torch:eager.")],
    dtype: _Dtypes = None,
    role: _Roles = None,
    case: _Cases = None,
    seed: _Seed = None,
    warm: Annotated[bool, typer.Option("--warm", help="Leave the cache as it is instead of evicting it.")] = False,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time to spend on each case.")] = 10.0,
    json: _Json = False,
) -> None:
    """Say which of two implementations is faster on this device: paired, interleaved, with an interval."""
    from kparity.benchview import compared_view
    from kparity.compare import ComparePolicy
    from kparity.report import json_text

    session = _session()
    policy = ComparePolicy(budget_s=budget, cache="warm" if warm else "cold")
    results = []
    with _stderr().status("comparing"):
        for result in session.compare(
            task,
            first,
            second,
            dtypes=dtype or (),
            roles=role or (),
            cases=case or (),
            policy=policy,
            options=_options(seed, False, True, 0, 300.0),
        ):
            results.append(result)
    if json:
        typer.echo(json_text(results))
    else:
        _print(compared_view(results))


@app.command()
def bench(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    backend: _Backends = None,
    dtype: _Dtypes = None,
    role: _Roles = None,
    case: _Cases = None,
    seed: _Seed = None,
    warm: Annotated[bool, typer.Option("--warm", help="Leave the cache as it is instead of evicting it.")] = False,
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time to sample each implementation and case.")
    ] = 2.0,
    out: _Out = None,
    json: _Json = False,
) -> None:
    """Time one task in depth: every implementation here, with intervals, overheads and the distance from the limit."""
    from kparity.benchview import bench_view
    from kparity.lanes import Options
    from kparity.plan import Selection
    from kparity.report import JsonReporter
    from kparity.timing import TimingPolicy

    session = _session()
    selection = Selection(
        tasks=(task,),
        backends=tuple(backend or ()),
        dtypes=tuple(dtype or ()),
        roles=tuple(role or ("typical", "perf")) if role or not case else (),
        cases=tuple(case or ()),
    )
    policy = TimingPolicy(budget_s=budget, target=0.002, minimum=20, cache="warm" if warm else "cold")
    with _stderr().status("opening and calibrating devices"):
        prepared = session.prepare(
            selection, Options(seed=seed, timing=policy), out=out, by_default=not role and not case
        )
    evaluations, interrupted = _watch(prepared)
    if json:
        typer.echo(JsonReporter().render(prepared.info, evaluations))
    else:
        _print(bench_view(prepared.info, evaluations))
    if interrupted:
        raise SystemExit(130)
    _finish(evaluations)


@app.command()
def doctor(backend: _Backends = None, json: _Json = False) -> None:
    """Say what this machine has: each backend and device, or why not and what to install."""
    from kparity.report import json_text
    from kparity.views import doctor_data, doctor_view

    session = _session()
    with _stderr().status("opening devices"):
        devices = session.devices(backend or ())
    if json:
        typer.echo(json_text(doctor_data(session.catalogue, devices)))
    else:
        _print(doctor_view(session.catalogue, devices))
    if not any(not isinstance(device, Unavailable) for device in devices.values()):
        raise SystemExit(2)


@app.command("list")
def list_(tasks: _Tasks = None, json: _Json = False) -> None:
    """List tasks with their dtypes, cases and implementations."""
    from kparity.report import json_text
    from kparity.views import list_view, task_rows

    catalogue = _session().catalogue
    rows = task_rows(catalogue, catalogue.select_tasks(tasks or ()))
    if json:
        typer.echo(json_text(rows))
    else:
        _print([list_view(rows)])


@app.command()
def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    backend: _Backends = None,
    source: Annotated[bool, typer.Option("--source/--no-source", help="Print every realization's source.")] = True,
) -> None:
    """Show a task's contract and every realization's source."""
    from kparity.views import show_view

    catalogue = _session().catalogue
    spec = catalogue.task(task)
    _print(show_view(catalogue, spec, catalogue.select_backends(backend or ()), sources=source))


@app.command()
def report(
    run_folder: Annotated[Path, typer.Argument(metavar="RUN", help="A folder written by 'kparity run --out'.")],
    format: Annotated[
        str, typer.Option(metavar="NAME", help="A reporter: matrix, json, or one that a plugin adds.")
    ] = "matrix",
) -> None:
    """Print a report of a run folder."""
    from kparity.report import BUILTIN, matrix
    from kparity.store import read_run

    info, evaluations = read_run(run_folder)
    if format == "matrix":
        _print(matrix(info, evaluations))
    else:
        reporters = {one.name: one for one in (*BUILTIN, *_session().catalogue.reporters.values())}
        if format not in reporters:
            raise UnknownNameError("reporter", format, reporters)
        typer.echo(reporters[format].render(info, evaluations))
    _finish(evaluations)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    command = typer.main.get_command(app)
    try:
        command.main(list(arguments) if arguments is not None else None, prog_name="kparity", standalone_mode=True)
    except KparityError as error:
        _stderr().print(f"[red]error:[/] {_escaped(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
    raise SystemExit(0)


def _session() -> Session:
    from kparity.session import Session

    session = Session()
    for fault in session.catalogue.faults:
        _stderr().print(f"[yellow]warning:[/] {_escaped(str(fault))}", highlight=False, soft_wrap=True)
    return session


def _options(seed: int | None, inline: bool, timing: bool, jobs: int, timeout: float) -> Options:
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


def _watch(prepared: Run) -> tuple[list[Evaluation], bool]:
    """Collect the records under a progress bar; Ctrl-C ends the run and keeps what was finished."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    evaluations: list[Evaluation] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = _stderr()
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


def _report(session: Session, prepared: Run, evaluations: list[Evaluation], json: bool, out: Path | None) -> None:
    from kparity.report import JsonReporter, matrix

    if json:
        typer.echo(JsonReporter().render(prepared.info, evaluations))
    else:
        _print(matrix(prepared.info, evaluations))
    if out is not None:
        _stderr().print(f"records: {out}", highlight=False)


def _finish(evaluations: Sequence[Evaluation]) -> NoReturn:
    """Exit 1 if anything went wrong, 2 if nothing was judged, else 0."""
    statuses = {evaluation.status for evaluation in evaluations}
    if statuses & {"failed", "error", "inconclusive"}:
        raise SystemExit(1)
    if "passed" not in statuses:
        _stderr().print("[red]error:[/] nothing was evaluated: no device supports any of the selected cases")
        raise SystemExit(2)
    raise SystemExit(0)


def _print(parts: Iterable[RenderableType]) -> None:
    """Print to standard output; 160 columns wide where that is no terminal."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 160, emoji=False)
    for part in parts:
        console.print(part, highlight=False)


def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, emoji=False)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)
