"""`kparity report`: any number of runs, printed or written to a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kparity.commands.combining import Common, RunFolders, SkipUnreadable, shared_cases
from kparity.commands.common import finish, open_session, print_parts, stderr, write_bytes
from kparity.errors import UnknownNameError, UsageError

if TYPE_CHECKING:
    from kparity.report import Reporter
    from kparity.reporting import Combined
    from kparity.store import Runs


def report(
    run_folders: RunFolders,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="Write the report here; its ending says the format."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="matrix (default), json, html, csv, parquet, markdown, or one that a plugin adds."
        ),
    ] = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(metavar="LABEL", help="What speeds are taken over, e.g. torch:eager; as for 'kparity matrix'."),
    ] = None,
    common: Common = False,
    skip_unreadable: SkipUnreadable = False,
) -> None:
    """Show runs: on the console, as one HTML file, or as a file for other programs."""
    from kparity.crossing import BASELINES, rows_of
    from kparity.reporting import Combined
    from kparity.store import read_runs

    name = format or _format_of(out)
    runs = read_runs(run_folders, skip_unreadable=skip_unreadable)
    baselines = tuple(baseline) if baseline else BASELINES
    combined = Combined.of(runs, baselines, shared_cases(rows_of(runs)) if common else None)
    if name == "matrix" and out is None:
        _print(runs, combined)
    else:
        content = _rendered(_reporter(name), runs, combined, binary=out is not None)
        if out is None:
            typer.echo(content.decode(), nl=False)
        else:
            write_bytes(out, content)
            stderr().print(f"report: {out}", highlight=False, markup=False)
    finish(status for run in runs.runs for status in run.statuses())


def _format_of(out: Path | None) -> str:
    if out is None:
        return "matrix"
    endings = {
        ".html": "html",
        ".csv": "csv",
        ".parquet": "parquet",
        ".md": "markdown",
        ".json": "json",
        ".txt": "matrix",
    }
    if out.suffix not in endings:
        raise UsageError(
            f"no format is known by the ending of {str(out)!r}: use {', '.join(endings)}, or --format NAME"
        )
    return endings[out.suffix]


def _reporter(name: str) -> Reporter:
    from kparity.exports import CsvReporter, MarkdownReporter, ParquetReporter
    from kparity.html.page import HtmlReporter
    from kparity.report import BUILTIN
    from kparity.views import source_texts

    catalogue = open_session().catalogue
    sources = source_texts(catalogue) if name == "html" else {}
    own = (*BUILTIN, HtmlReporter(sources), CsvReporter(), ParquetReporter(), MarkdownReporter())
    reporters = {one.name: one for one in (*own, *catalogue.reporters.values())}
    if name not in reporters:
        raise UnknownNameError("reporter", name, reporters)
    return reporters[name]


def _print(runs: Runs, combined: Combined) -> None:
    """One run as its own report, several as their matrix."""
    from kparity.crossview import matrix_view
    from kparity.report import matrix

    if len(runs.runs) == 1:
        print_parts(matrix(runs.runs[0].info, (one for _, one in combined)))
    else:
        print_parts(matrix_view(combined.matrix()))


def _rendered(reporter: Reporter, runs: Runs, combined: Combined, *, binary: bool) -> bytes:
    from kparity.reporting import CombiningReporter

    if isinstance(reporter, CombiningReporter):
        if reporter.binary and not binary:
            raise UsageError(f"{reporter.name} is no text: write it to a file with -o report{reporter.suffix}")
        return reporter.combine(combined)
    if len(runs.runs) != 1:
        raise UsageError(f"reporter {reporter.name!r} renders one run; {len(runs.runs)} were given")
    rendered = reporter.render(runs.runs[0].info, [one for _, one in combined])
    return f"{rendered.removesuffix(chr(10))}\n".encode()
