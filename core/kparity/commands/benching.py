"""`kparity bench` and `kparity compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from kparity.commands.common import (
    Backends,
    Cases,
    Dtypes,
    Json,
    Out,
    Roles,
    Seed,
    finish,
    follow,
    make_options,
    open_session,
    print_parts,
    stderr,
)


def compare(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    first: Annotated[str, typer.Argument(metavar="FIRST", help="Label of one line-up, e.g. triton.")],
    second: Annotated[str, typer.Argument(metavar="SECOND", help="Label of the other, e.g. torch:eager.")],
    dtype: Dtypes = None,
    role: Roles = None,
    case: Cases = None,
    seed: Seed = None,
    warm: Annotated[bool, typer.Option("--warm", help="Leave the cache as it is instead of evicting it.")] = False,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="Time to spend on each case.")] = 10.0,
    json: Json = False,
) -> None:
    """Say which of two implementations is faster on this device: paired, interleaved, with an interval."""
    from kparity.benchview import compared_view
    from kparity.compare import ComparePolicy
    from kparity.report import json_text

    session = open_session()
    policy = ComparePolicy(budget_s=budget, cache="warm" if warm else "cold")
    results = []
    with stderr().status("comparing"):
        for result in session.compare(
            task,
            first,
            second,
            dtypes=dtype or (),
            roles=role or (),
            cases=case or (),
            policy=policy,
            options=make_options(seed, False, True, 0, 300.0),
        ):
            results.append(result)
    if json:
        typer.echo(json_text(results))
    else:
        print_parts(compared_view(results))


def bench(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    backend: Backends = None,
    dtype: Dtypes = None,
    role: Roles = None,
    case: Cases = None,
    seed: Seed = None,
    warm: Annotated[bool, typer.Option("--warm", help="Leave the cache as it is instead of evicting it.")] = False,
    budget: Annotated[
        float, typer.Option(metavar="SECONDS", help="Time to sample each implementation and case.")
    ] = 2.0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Time one task in depth: every implementation here, with intervals, overheads and the distance from the limit."""
    from kparity.benchview import bench_view
    from kparity.options import Options
    from kparity.plan import Selection
    from kparity.report import JsonReporter
    from kparity.timing import TimingPolicy

    session = open_session()
    selection = Selection(
        tasks=(task,),
        backends=tuple(backend or ()),
        dtypes=tuple(dtype or ()),
        roles=tuple(role or ("typical", "perf")) if role or not case else (),
        cases=tuple(case or ()),
    )
    policy = TimingPolicy(budget_s=budget, target=0.002, minimum=20, cache="warm" if warm else "cold")
    with stderr().status("opening and calibrating devices"):
        prepared = session.prepare(
            selection, Options(seed=seed, timing=policy), out=out, by_default=not role and not case
        )
    _, evaluations, interrupted = follow(prepared, keep=True)
    if json:
        typer.echo(JsonReporter().render(prepared.info, evaluations))
    else:
        print_parts(bench_view(prepared.info, evaluations))
    if interrupted:
        raise SystemExit(130)
    finish(one.status for one in evaluations)
