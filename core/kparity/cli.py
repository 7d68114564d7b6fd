"""The command line. Exit status: 0 all passed, 1 something failed, 2 bad usage or nothing evaluated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import typer

from kparity.commands import (
    admitting,
    agreeing,
    authoring,
    benching,
    combining,
    evaluating,
    historic,
    joining,
    looking,
    replaying,
    reporting,
)
from kparity.commands.common import escaped, stderr
from kparity.errors import KparityError

app = typer.Typer(
    name="kparity",
    help="Does this kernel compute the same thing, and how fast, on every accelerator I care about?",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for name, command in (
    ("run", evaluating.run),
    ("verify", evaluating.verify),
    ("compare", benching.compare),
    ("bench", benching.bench),
    ("doctor", looking.doctor),
    ("list", looking.list_),
    ("show", looking.show),
    ("report", reporting.report),
    ("check-tasks", admitting.check_tasks),
    ("matrix", combining.matrix),
    ("agree", agreeing.agree),
    ("new", authoring.new),
    ("replay", replaying.replay),
    ("conformance", authoring.conformance),
    ("regress", combining.regress),
    ("schema", looking.schema),
    ("worker", joining.worker),
):
    app.command(name)(command)
app.add_typer(historic.history)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line and exit."""
    command = typer.main.get_command(app)
    try:
        command.main(list(arguments) if arguments is not None else None, prog_name="kparity", standalone_mode=True)
    except KparityError as error:
        stderr().print(f"[red]error:[/] {escaped(str(error))}", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
    raise SystemExit(0)
