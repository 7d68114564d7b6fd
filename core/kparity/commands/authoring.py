"""`kparity new` and `kparity conformance`: for people who write a backend."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kparity.commands.common import Json, open_session, stderr
from kparity.errors import UsageError


def conformance(
    backend: Annotated[str, typer.Argument(metavar="BACKEND", help="Name of the backend.")],
    known: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON list of promises that are known to be broken.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the certificate there too: .json, .md or text.")
    ] = None,
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a markdown table.")] = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A promise that takes longer is broken, and the worker ended.")
    ] = 180.0,
) -> None:
    """Examine every promise of a backend and print what holds, what is broken and what could not be checked."""
    from kparity.conformance.certify import certify
    from kparity.conformance.model import read_known
    from kparity.conformance.show import as_markdown, as_text
    from kparity.conformance.suite import PROMISES
    from kparity.report import json_text

    if json and markdown:
        raise UsageError("--json and --markdown exclude each other")
    if timeout <= 0:
        raise UsageError(f"--timeout is {timeout:g}; expected seconds greater than zero")
    reasons = read_known(known, PROMISES) if known is not None else {}
    catalogue = open_session().catalogue
    with stderr().status(f"examining {backend}") as status:
        certificate = certify(
            catalogue,
            backend,
            known=reasons,
            timeout_s=timeout,
            watch=lambda finding: status.update(f"examining {backend}: {finding.promise} {finding.verdict}"),
        )
    render = {"json": json_text, "markdown": as_markdown, "text": as_text}
    if out is not None:
        form = {".json": "json", ".md": "markdown"}.get(out.suffix, "text")
        try:
            out.write_text(render[form](certificate) + "\n", encoding="utf-8")
        except OSError as error:
            raise UsageError(f"{str(out)!r} cannot be written: {error.strerror}") from error
    typer.echo(render["json" if json else "markdown" if markdown else "text"](certificate))
    raise SystemExit(certificate.status)


def new(
    kind: Annotated[str, typer.Argument(metavar="backend|task", help="What the project brings.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of the backend, or CATEGORY/NAME of the task.")],
    dir: Annotated[Path, typer.Option(metavar="DIR", help="Where the project's folder is made.")] = Path("."),
) -> None:
    """Make a project for a backend or a task of your own; it passes its tests as it is."""
    from kparity.scaffold import new_project

    project = new_project(kind, name, dir)
    files = sorted(str(path.relative_to(project)) for path in project.rglob("*") if path.is_file())
    typer.echo("\n".join([f"{project}", *(f"  {file}" for file in files), ""]))
    typer.echo(f"next: cd {project} && pip install -e '.[dev]' && pytest -rs")
