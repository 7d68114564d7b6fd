"""Draw the console report of a run folder: `python docs/images/make_matrix.py RUN [SVG]`.

The picture in the README comes from `kparity run --coverage quick --out RUN`. The SVG refers to no other file or host.
"""

from __future__ import annotations

import argparse
import io
import re
from pathlib import Path

from rich.console import Console

from kparity import read_run
from kparity.report import matrix

COLUMNS = 108
"""Width of the terminal in the picture."""


def draw(run: Path, columns: int = COLUMNS) -> str:
    """The report of `run` as it stands in a terminal of that width, as SVG text."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor", emoji=False
    )
    info, evaluations = read_run(run)
    for part in matrix(info, evaluations):
        console.print(part, highlight=False)
    svg = console.export_svg(title=f"kparity run --coverage {info.options.get('coverage', 'full')}", unique_id="matrix")
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)  # they name a font server
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE).rstrip() + "\n"


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="a folder written by 'kparity run --out'")
    parser.add_argument("svg", type=Path, nargs="?", default=Path(__file__).with_name("matrix.svg"))
    arguments = parser.parse_args()
    arguments.svg.write_text(draw(arguments.run), encoding="utf-8")


if __name__ == "__main__":
    main()
