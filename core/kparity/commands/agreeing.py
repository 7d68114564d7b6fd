"""`kparity agree`: every implementation of a task against the oracle and against each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from kparity.commands.common import (
    Backends,
    Cases,
    Dtypes,
    Json,
    Seed,
    escaped,
    make_options,
    open_session,
    print_parts,
    stderr,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from kparity.agreement import Agreement


def agree(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    backend: Backends = None,
    dtype: Dtypes = None,
    case: Cases = None,
    seed: Seed = None,
    json: Json = False,
) -> None:
    """Run every implementation of a task on the same inputs and say which one disagrees."""
    from kparity.agreement import agree as compare_all
    from kparity.agreement import select
    from kparity.report import json_text

    session = open_session()
    chosen = select(session.catalogue.task(task), case or (), dtype or ())
    with stderr().status("running every implementation"):
        found = list(
            compare_all(
                session,
                task,
                backends=backend or (),
                cases=chosen,
                options=make_options(seed, False, False, 0, 300.0),
            )
        )
    if json:
        typer.echo(json_text(found))
    else:
        for one in found:
            print_parts(agreement_view(one))
    if not any(one.labels for one in found):
        raise SystemExit(2)
    raise SystemExit(1 if any(one.outliers for one in found) else 0)


def agreement_view(found: Agreement) -> list[RenderableType]:
    """The matrix of distances, who gave no output, and the finding."""
    from kparity.report import Sheet

    headings = ["oracle", *(label.replace(":", ":\n") for label in found.labels)]
    rows = [
        [
            label,
            *(
                "" if label == other else _shown(distance, limit)
                for other, distance, limit in (
                    ("oracle", found.to_oracle[place], 1.0),
                    *((other, found.pairwise[place][column], 2.0) for column, other in enumerate(found.labels)),
                )
            ),
        ]
        for place, label in enumerate(found.labels)
    ]
    title = f"{found.task}  {found.case}  seed {found.seed}: largest difference in multiples of the bound"
    parts: list[RenderableType] = [Sheet(title, ["implementation"], headings, rows)] if rows else []
    parts.extend(f"[dim]{label}: {escaped(reason)}[/]" for label, reason in found.left_out.items())
    parts.append(f"[{'red' if found.outliers else 'green'}]{escaped(found.summary)}[/]")
    return parts


def _shown(distance: float, limit: float) -> str:
    text = "inf" if math.isinf(distance) else f"{distance:.2g}" if distance < 1e4 else f"{distance:.0e}"
    return f"[red]{text}[/]" if distance > limit else text
