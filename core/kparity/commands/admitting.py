"""`kparity check-tasks`: are the tasks able to tell right from wrong?"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from kparity.commands.common import Dtypes, Json, Tasks, escaped, open_session, print_parts, stderr

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kparity.admission import Admission


def check_tasks(
    tasks: Tasks = None,
    dtype: Dtypes = None,
    seed: Annotated[int | None, typer.Option(metavar="NUMBER", help="Seed of the inputs; drawn at random.")] = None,
    largest: Annotated[int, typer.Option(metavar="ELEMENTS", help="Leave out declared cases of more elements.")] = 1
    << 21,
    json: Json = False,
) -> None:
    """Try wrong and honest realizations of each task: every mutant must die, every honest one must pass."""
    from kparity.admission import examine
    from kparity.catalogue import check_dtypes
    from kparity.report import json_text

    session = open_session()
    specs = session.catalogue.select_tasks(tasks or ())
    wanted = check_dtypes(dtype or ()) or None
    chosen = secrets.randbits(48) if seed is None else seed
    admissions: list[Admission] = []
    for spec in specs:
        if not stderr().is_terminal:
            stderr().print(f"{spec.name}", highlight=False)
        with stderr().status(spec.name):
            admissions.extend(examine(spec, seed=chosen, dtypes=wanted, largest=largest))
    if json:
        typer.echo(json_text({"seed": chosen, "admissions": [_data(one) for one in admissions]}))
    else:
        print_parts(_view(admissions, chosen))
    if not all(one.admitted for one in admissions):
        raise SystemExit(1)


def _data(one: Admission) -> dict[str, object]:
    import msgspec

    return {**msgspec.structs.asdict(one), "admitted": one.admitted}


def _view(admissions: Sequence[Admission], seed: int) -> list[RenderableType]:
    from rich.table import Table

    table = Table("task", "dtypes", "draws", "mutants killed", "same function", "honest accepted", "", box=None)
    wrong: list[str] = []
    for one in admissions:
        same = sum(fate.outcome == "same" for fate in one.mutants)
        table.add_row(
            one.task,
            " ".join(one.dtypes),
            str(one.draws),
            f"{one.applicable - len(one.survivors)} of {one.applicable}",
            str(same),
            f"{one.tried - len(one.refused)} of {one.tried}",
            "[green]admitted[/]" if one.admitted else "[red]refused[/]",
        )
        wrong += [f"{one.task}: mutant survives: {fate.name}" for fate in one.survivors]
        wrong += [f"{one.task}: honest, yet refused: {fate.name} on {fate.case}: {fate.why}" for fate in one.refused]
    return [table, *(f"[red]{escaped(line)}[/]" for line in wrong), f"seed {seed}"]
