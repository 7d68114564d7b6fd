"""`kparity doctor`, `list`, `show` and `schema`: nothing is evaluated here."""

from __future__ import annotations

from typing import Annotated

import typer

from kparity.commands.common import Backends, Json, Tasks, open_session, print_parts, stderr
from kparity.errors import Unavailable
from kparity.sandbox.confine import hide_process


def doctor(backend: Backends = None, json: Json = False) -> None:
    """Say what this machine has: each backend and device, or why not and what to install."""
    from kparity.report import json_text
    from kparity.views import doctor_data, doctor_view

    session = open_session()
    with stderr().status("opening devices"):
        devices = session.devices(backend or ())
    with stderr().status("looking at what confines a candidate"):
        hide_process()
        protections = session.protections()
    if json:
        typer.echo(json_text(doctor_data(session.catalogue, devices, protections)))
    else:
        print_parts(doctor_view(session.catalogue, devices, protections))
    if not any(not isinstance(device, Unavailable) for device in devices.values()):
        raise SystemExit(2)


def list_(tasks: Tasks = None, json: Json = False) -> None:
    """List tasks with their dtypes, cases and implementations."""
    from kparity.report import json_text
    from kparity.views import list_view, task_rows

    catalogue = open_session().catalogue
    rows = task_rows(catalogue, catalogue.select_tasks(tasks or ()))
    if json:
        typer.echo(json_text(rows))
    else:
        print_parts([list_view(rows)])


def show(
    task: Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")],
    backend: Backends = None,
    source: Annotated[bool, typer.Option("--source/--no-source", help="Print every realization's source.")] = True,
) -> None:
    """Show a task's contract and every realization's source."""
    from kparity.views import show_view

    catalogue = open_session().catalogue
    spec = catalogue.task(task)
    print_parts(show_view(catalogue, spec, catalogue.select_backends(backend or ()), sources=source))


def schema(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="Which record; lists them by default.")] = None,
) -> None:
    """Print the JSON Schema of what kparity writes."""
    from kparity.report import json_text
    from kparity.schemas import SCHEMAS
    from kparity.schemas import schema as schema_of

    if name is None:
        typer.echo("\n".join(f"{known:<12}{where}" for known, (_, where) in SCHEMAS.items()))
    else:
        typer.echo(json_text(schema_of(name)))
