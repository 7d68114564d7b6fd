"""`kparity matrix` and `kparity regress`: what several runs say together."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kparity.commands.common import Json, print_parts, write_text
from kparity.errors import UsageError

if TYPE_CHECKING:
    from kparity.rows import Row

RunFolders = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Folders written by 'kparity run --out', or folders that hold such folders."),
]
SkipUnreadable = Annotated[
    bool, typer.Option("--skip-unreadable", help="Go on without folders that cannot be read, and say which.")
]

Common = Annotated[bool, typer.Option("--common", help="Keep only the cases that were evaluated on every device.")]


def matrix(
    run_folders: RunFolders,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="What speeds are taken over, e.g. torch:eager; may be repeated in order of preference.",
        ),
    ] = None,
    common: Common = False,
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
    rows = rows_of(runs)
    if common:
        kept = shared_cases(rows)
        rows = [row for row in rows if (row.task, row.case) in kept]
    found = cross(rows, tuple(baseline) if baseline else BASELINES, notes)
    if json:
        typer.echo(json_text(matrix_data(found)))
    else:
        print_parts(matrix_view(found))


def shared_cases(rows: Iterable[Row]) -> set[tuple[str, str]]:
    """Task and key of the cases that every device has.

    Raises:
        UsageError: there is none.
    """
    from kparity.across import common_cases

    rows = list(rows)
    found = common_cases(rows)
    if not found:
        devices = ", ".join(sorted({row.device for row in rows}))
        raise UsageError(
            f"no case was evaluated on every device ({devices}); leave --common out, or run the same cases"
        )
    return found


def regress(
    run_folders: RunFolders,
    against: Annotated[
        list[Path], typer.Option("--against", metavar="RUN", help="What to hold them against; may be repeated.")
    ],
    drift: Annotated[
        float, typer.Option(metavar="SHARE", help="Relative difference of times that is put down to the machine.")
    ] = 0.05,
    confidence: Annotated[
        float, typer.Option(metavar="SHARE", help="Confidence of all intervals together, below 1.")
    ] = 0.95,
    junit: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write JUnit XML: one test case for each evaluation.")
    ] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a summary for a pull request.")] = None,
    json: Json = False,
) -> None:
    """Say whether anything became wrong or slow since an earlier run; exit status 1 if so."""
    from kparity.regress import regress as compare
    from kparity.regressview import regress_junit, regress_markdown, regress_view
    from kparity.report import json_text
    from kparity.store import read_runs

    if not 0 <= drift < 1:
        raise UsageError(f"--drift is {drift:g}; expected a share from 0 to below 1, such as 0.05")
    if not 0 < confidence < 1:
        raise UsageError(f"--confidence is {confidence:g}; expected a share between 0 and 1, such as 0.95")
    found = compare(read_runs(run_folders), read_runs(against), drift=drift, confidence=confidence)
    for path, text in ((junit, regress_junit), (markdown, regress_markdown)):
        if path is not None:
            write_text(path, text(found))
    if json:
        typer.echo(json_text({"counts": found.counts(), "regression": found}))
    else:
        print_parts(regress_view(found))
    if found.regressed:
        raise SystemExit(1)
