"""`kparity run` and `kparity verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kparity.commands.common import (
    Backends,
    Cases,
    Dtypes,
    Inline,
    Json,
    Out,
    Roles,
    Seed,
    Tasks,
    Timing,
    finish,
    make_options,
    open_session,
    show_run,
    stderr,
    watch,
)
from kparity.errors import UsageError


def run(
    tasks: Tasks = None,
    backend: Backends = None,
    implementation: Annotated[
        list[str] | None,
        typer.Option(
            "--implementation", "-i", metavar="GLOB", help="Line-ups by label, e.g. 'torch:compile'; may be repeated."
        ),
    ] = None,
    dtype: Dtypes = None,
    role: Roles = None,
    case: Cases = None,
    coverage: Annotated[
        str,
        typer.Option(
            metavar="full|quick", help="quick: each case in one dtype in turn, the first typical case in all of them."
        ),
    ] = "full",
    seed: Seed = None,
    out: Out = None,
    json: Json = False,
    inline: Inline = False,
    timing: Timing = True,
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
    session = open_session()
    options = make_options(seed, inline, timing, jobs, timeout)
    with stderr().status("opening devices"):
        prepared = session.prepare(selection, options, out=out)
    evaluations, interrupted = watch(prepared)
    show_run(session, prepared, evaluations, json, out)
    if interrupted:
        stderr().print(f"interrupted: {len(evaluations)} of {prepared.total} evaluations were finished and are kept")
        raise SystemExit(130)
    finish(evaluations)


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A source file that defines the task's function.")],
    task: Annotated[str, typer.Option("--task", "-t", metavar="NAME", help="Name of the task.")],
    backend: Annotated[str, typer.Option("--backend", "-b", metavar="NAME", help="Name of the backend.")],
    entry_point: Annotated[
        str | None, typer.Option(metavar="NAME", help="Function to call; the task's own name by default.")
    ] = None,
    dtype: Dtypes = None,
    role: Roles = None,
    case: Cases = None,
    seed: Seed = None,
    out: Out = None,
    json: Json = False,
    timing: Timing = True,
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
    session = open_session()
    options = make_options(seed, False, timing, 0, timeout)
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
    evaluations, interrupted = watch(prepared)
    show_run(session, prepared, evaluations, json, out)
    if interrupted:
        raise SystemExit(130)
    finish(evaluations)
