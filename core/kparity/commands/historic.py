"""`kparity history`: what was measured over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kparity.commands.common import Json, escaped, print_parts

history = typer.Typer(
    name="history",
    help="Keep runs in a database and ask it what is fastest and how it changed.",
    no_args_is_help=True,
    add_completion=False,
)

Database = Annotated[
    str | None,
    typer.Option(
        metavar="URL", help="A database URL or a SQLite file; by default KPARITY_DB, else one in the data folder."
    ),
]
Task = Annotated[str, typer.Argument(metavar="TASK", help="Name of the task.")]
OneCase = Annotated[str, typer.Option("--case", "-c", metavar="GLOB", help="Cases by key.")]
Device = Annotated[str, typer.Option(metavar="GLOB", help="Devices by name, e.g. '*H100*'.")]


@history.command("import")
def import_(
    run_folders: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Run folders, or folders that hold run folders.")
    ],
    db: Database = None,
    json: Json = False,
) -> None:
    """Add run folders; what was imported before is not added again."""
    from kparity.history import import_runs, open_history
    from kparity.report import json_text
    from kparity.store import find_runs, open_run

    readers = [open_run(folder) for path in run_folders for folder in find_runs(path)]
    database = open_history(db)
    try:
        done = import_runs(database, readers)
    finally:
        database.close()
    if json:
        typer.echo(json_text([one._asdict() for one in done]))
        return
    print_parts(f"{escaped(one.folder)}: {one.added} added, {one.known} known before" for one in done)


@history.command("best")
def best_(task: Task, case: OneCase = "*", device: Device = "*", db: Database = None, json: Json = False) -> None:
    """Say which implementation is the fastest known of each case on each device."""
    from kparity.history import best, open_history
    from kparity.report import escape, format_seconds, json_text, table

    database = open_history(db)
    try:
        found = best(database, task, case=case, device=device)
    finally:
        database.close()
    if json:
        typer.echo(json_text(found))
        return
    grid = table("case", "device", "fastest", "median", "measurand", "of limit", "runner-up", "lead", "measured")
    for one in found:
        grid.add_row(
            escape(one.case),
            escape(one.device),
            f"[bold]{one.label}[/]{f' @{one.source_digest[:8]}' if one.source_digest else ''}",
            format_seconds(one.median_s),
            one.measurand,
            f"{one.fraction:.0%}" if one.fraction is not None else "",
            one.runner_up,
            f"{one.lead:.2f}x" if one.lead is not None else "",
            one.started_at[:10],
        )
    print_parts([grid])


@history.command("trend")
def trend_(
    task: Task,
    case: OneCase = "*",
    implementation: Annotated[
        str, typer.Option("--implementation", "-i", metavar="GLOB", help="Line-ups by label.")
    ] = "*",
    device: Device = "*",
    db: Database = None,
    json: Json = False,
) -> None:
    """Show how times and verdicts of a task changed from run to run."""
    from kparity.history import open_history, trend
    from kparity.report import escape, format_seconds, json_text, table

    database = open_history(db)
    try:
        found = trend(database, task, case=case, label=implementation, device=device)
    finally:
        database.close()
    if json:
        typer.echo(json_text(found))
        return
    grid = table("case", "line-up", "device", "when", "kparity", "status", "median", "since the first")
    before = None
    for one in found:
        series = (one.case, one.label, one.source_digest, one.device)
        heads = ("", "", "") if series == before else (escape(one.case), one.label, escape(one.device))
        before = series
        grid.add_row(
            *heads,
            one.started_at,
            f"{one.kparity} {one.commit[:8]}".strip(),
            one.status,
            format_seconds(one.median_s) if one.median_s is not None else "",
            f"{one.change - 1:+.1%}" if one.change is not None else "",
        )
    print_parts([grid])
