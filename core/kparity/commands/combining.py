"""`kparity matrix`: what several runs say together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kparity.commands.common import Json, print_parts

RunFolders = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Folders written by 'kparity run --out', or folders that hold such folders."),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Go on without folders that cannot be read, and say which.")
]


def matrix(
    run_folders: RunFolders,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="What speeds are taken over, e.g. torch:eager; may be repeated in order of preference.",
        ),
    ] = None,
    skip_unreadable: SkipUnreadable = False,
    json: Json = False,
) -> None:
    """Combine runs of any number of machines: verdicts, speed over a local baseline, fraction of the limit."""
    from kparity.crossing import BASELINES, cross, rows_of
    from kparity.crossview import matrix_data, matrix_view
    from kparity.report import json_text
    from kparity.store import read_runs

    runs = read_runs(run_folders, skip_unreadable=skip_unreadable)
    notes = [note.message for note in runs.notes]
    found = cross(rows_of(runs), tuple(baseline) if baseline else BASELINES, notes)
    if json:
        typer.echo(json_text(matrix_data(found)))
    else:
        print_parts(matrix_view(found))
