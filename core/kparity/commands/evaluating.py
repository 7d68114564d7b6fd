"""`kparity run` and `kparity verify`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from kparity.commands.common import (
    Backends,
    Cases,
    Dtypes,
    Inline,
    Json,
    JsonLines,
    Out,
    Repeats,
    Replays,
    Roles,
    Seed,
    Tasks,
    Timing,
    finish,
    follow,
    make_options,
    open_session,
    print_parts,
    show_run,
    stderr,
)
from kparity.errors import UsageError
from kparity.report import assured
from kparity.sandbox.confine import hide_process

if TYPE_CHECKING:
    from kparity.environment import Shard
    from kparity.executors import Executor
    from kparity.options import Options
    from kparity.plan import Selection
    from kparity.session import Session


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
        typer.Option(metavar="full|quick", help="quick: each case in one dtype, in turn; the default one is timed."),
    ] = "full",
    hunt: Annotated[
        bool, typer.Option("--hunt/--no-hunt", help="Add fresh shapes and adversarial inputs, drawn from the seed.")
    ] = False,
    seed: Seed = None,
    out: Out = None,
    replays: Replays = None,
    json: Json = False,
    json_lines: JsonLines = False,
    inline: Inline = False,
    timing: Timing = True,
    repeats: Repeats = None,
    jobs: Annotated[
        int | None, typer.Option(metavar="NUMBER", help="Line-ups at work at once; 0 is one for each core.")
    ] = None,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A worker that does not answer for this long is ended.")
    ] = 300.0,
    shard: Annotated[
        str | None, typer.Option(metavar="PART/PARTS", help="Evaluate one part of the run, e.g. 2/8; needs --seed.")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take up an interrupted run; only what is missing is evaluated.")
    ] = None,
    executor: Annotated[
        str, typer.Option(metavar="local|ray", help="Where to evaluate: this machine, or a Ray cluster.")
    ] = "local",
    address: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="With --executor ray: the cluster's head.")
    ] = "auto",
    node_label: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="With --executor ray: only nodes with this label; may be repeated."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --resume: go on although versions or devices differ; recorded.")
    ] = False,
) -> None:
    """Evaluate tasks on every backend of this machine and print the matrix."""
    from kparity.environment import Shard
    from kparity.plan import Selection
    from kparity.rows import Row
    from kparity.store import read_runs

    if coverage not in ("full", "quick"):
        raise UsageError(f"unknown coverage {coverage!r}; expected 'full' or 'quick'")
    if json and json_lines:
        raise UsageError("--json and --json-lines both print to standard output; choose one")
    if force and resume is None:
        raise UsageError("--force goes with --resume")
    if executor not in ("local", "ray"):
        raise UsageError(f"unknown executor {executor!r}; expected 'local' or 'ray'")
    if executor == "ray" and (shard or inline or replays):
        raise UsageError("--shard, --inline and --replays go with --executor local")
    part = Shard.parse(shard) if shard is not None else None
    selection = Selection(
        tasks=tuple(tasks or ()),
        backends=tuple(backend or ()),
        implementations=tuple(implementation or ()),
        dtypes=tuple(dtype or ()),
        roles=tuple(role or ()),
        cases=tuple(case or ()),
        coverage="quick" if coverage == "quick" else "full",
        hunt=hunt,
    )
    options = make_options(seed, inline, timing, jobs or 0, timeout, repeats)
    if resume is not None:
        _check_resumed(selection, options, jobs, out, part)
    session = open_session()
    with stderr().status("opening devices"):
        where = _executor(session, executor, address, node_label or (), part, replays)
        if resume is not None:
            prepared = where.resume(resume, force=force, jobs=jobs)
        else:
            prepared = where.prepare(selection, options, out)
    if resume is not None:
        stderr().print(f"{prepared.finished} evaluations were finished, {prepared.total} are left", highlight=False)
    rows, evaluations, interrupted = follow(prepared, keep=json and resume is None, json_lines=json_lines)
    if resume is not None:  # all of it, what was finished before included
        everything = read_runs([resume])
        rows = [Row.of_run(part, one) for part, one in everything]
        evaluations = [one for _, one in everything] if json else []
    if not json_lines:
        show_run(prepared, rows, evaluations, json)
    if interrupted:
        stderr().print(
            f"interrupted: {len(rows)} of {prepared.finished + prepared.total} evaluations were finished and are kept"
        )
        raise SystemExit(130)
    finish(row.status for row in rows)


def _executor(
    session: Session, name: str, address: str, labels: Iterable[str], shard: Shard | None, replays: Path | None
) -> Executor:
    from kparity.executors import LocalExecutor

    if name == "local":
        return LocalExecutor(session, shard=shard, replays=replays)
    from kparity.cluster.executor import RayExecutor

    return RayExecutor(session, address, dict(label.partition("=")[::2] for label in labels))


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
    hunt: Annotated[
        bool, typer.Option("--hunt/--no-hunt", help="Add fresh shapes and adversarial inputs, drawn from the seed.")
    ] = True,
    seed: Seed = None,
    out: Out = None,
    replays: Replays = None,
    json: Json = False,
    json_lines: JsonLines = False,
    timing: Timing = True,
    repeats: Repeats = None,
    policy: Annotated[
        str, typer.Option(metavar="any|hand-written", help="Whose kernels may run on the device; libraries' or not.")
    ] = "any",
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A worker that does not answer for this long is ended.")
    ] = 60.0,
) -> None:
    """Verify and time a kernel of your own, in a process of its own."""
    if json and json_lines:
        raise UsageError("--json and --json-lines both print to standard output; choose one")
    try:
        source = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(file)!r} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if not source.strip():
        raise UsageError(f"{str(file)!r} is empty; expected source text that defines the task's function")
    hide_process()
    session = open_session()
    if policy not in ("any", "hand-written"):
        raise UsageError(f"unknown policy {policy!r}; expected 'any' or 'hand-written'")
    options = make_options(seed, False, timing, 0, timeout, repeats)
    options = msgspec.structs.replace(options, policy="any" if policy == "any" else "hand-written")
    prepared = session.prepare_candidate(
        task,
        backend,
        source,
        entry_point=entry_point,
        dtypes=dtype or (),
        roles=role or (),
        cases=case or (),
        hunt=hunt,
        options=options,
        out=out,
    )
    prepared.replays = replays
    rows, evaluations, interrupted = follow(prepared, keep=not json_lines, json_lines=json_lines)
    if not json_lines:
        show_run(prepared, rows, evaluations, json)
    if not json_lines and not json:
        print_parts(assured(evaluations))
    if interrupted:
        raise SystemExit(130)
    finish(row.status for row in rows)


def _check_resumed(selection: Selection, options: Options, jobs: int | None, out: Path | None, part: object) -> None:
    """Whatever decides what is evaluated, and how, comes from the folder.

    Raises:
        UsageError: something of that was given as well.
    """
    from kparity.plan import Selection

    fresh = make_options(None, False, True, jobs or 0, 300.0)
    if selection != Selection() or options != fresh or out is not None or part is not None:
        raise UsageError(
            "--resume takes tasks, options, seed and shard from the folder; besides it only --jobs, --force, --json "
            "and --json-lines may be given"
        )
