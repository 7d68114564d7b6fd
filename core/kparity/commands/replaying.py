"""`kparity replay`: see a recorded failure again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from kparity.commands.common import Json, escaped, make_options, open_session, print_parts, stderr
from kparity.sandbox.confine import hide_process


def replay(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle written by --replays.")],
    json: Json = False,
    timeout: Annotated[
        float, typer.Option(metavar="SECONDS", help="A worker that does not answer for this long is ended.")
    ] = 60.0,
) -> None:
    """Evaluate a replay bundle on this machine and say whether it comes out the same."""
    from kparity.replay import Bundle
    from kparity.replaying import replay as run_again
    from kparity.report import json_text

    bundle = Bundle.read(file)
    hide_process()
    session = open_session()
    record = bundle.evaluation
    with stderr().status("replaying"):
        found = run_again(session, bundle, make_options(record.seed, False, False, 0, timeout))
    if json:
        typer.echo(json_text({"reproduced": found.reproduced, "message": found.message, "replayed": found}))
    else:
        heading = (
            f"[bold]{record.implementation.label}[/]  {record.task}  [dim]{record.case.key}  seed {record.seed}[/]"
        )
        colour = "green" if found.reproduced else "red"
        differences = [f"[dim]{escaped(one)}[/]" for one in found.differences]
        print_parts([heading, *differences, f"[{colour}]{escaped(found.message)}[/]"])
    raise SystemExit(0 if found.reproduced else 1)
