"""Run the examples of docs/cli.md again and write down what they print: `python docs/make_cli_examples.py`.

A block of console text begins with a `$ kparity ...` line, run from the root of the repository in a terminal of 100
columns, or with `$ COLUMNS=N kparity ...`; what follows is its output, then `exit status N` where that is not 0. Run
folders go to a temporary folder called RUN.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).with_name("cli.md")
_BLOCK = re.compile(
    r"```console\n\$ (?:COLUMNS=(?P<columns>\d+) )?kparity (?P<command>[^\n]*)\n(?P<output>.*?)```", re.DOTALL
)
_COLUMNS = "100"


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Each example's arguments to `kparity`, as one line, and the output that the page gives."""
    for match in _BLOCK.finditer(page):
        yield match["command"], match["output"]


def run(command: str, folder: str, columns: str = _COLUMNS) -> str:
    """What `kparity` prints when it is given these arguments, and its exit status."""
    arguments = [argument.replace("RUN", folder) for argument in shlex.split(command)]
    done = subprocess.run(
        [sys.executable, "-m", "kparity", *arguments],
        cwd=PAGE.parent.parent,
        env={**os.environ, "COLUMNS": columns, "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    lines = [line.rstrip() for line in done.stdout.replace(folder, "RUN").strip("\n").splitlines()]
    status = [f"exit status {done.returncode}"] if done.returncode else []
    return "\n".join([*lines, *status]) + "\n"


def rewritten(page: str, folder: str) -> str:
    """The page with every example run again."""

    def again(match: re.Match[str]) -> str:
        head = match[0].partition("kparity ")[0]
        output = run(match["command"], folder, match["columns"] or _COLUMNS)
        return f"{head}kparity {match['command']}\n{output}```"

    return _BLOCK.sub(again, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        PAGE.write_text(rewritten(PAGE.read_text(encoding="utf-8"), f"{temporary}/run"), encoding="utf-8")
