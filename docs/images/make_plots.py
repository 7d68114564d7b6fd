"""Draw the plots of the documentation from committed results: `python docs/images/make_plots.py`.

Needs Chromium and the extras `report` and `dev`. What is drawn stands in `plots.py`. Each SVG carries a digest of its
figure's data, by which `tests/test_pictures.py` sees whether the results or the figure have changed since.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from playwright.sync_api import sync_playwright
from plotly.offline import get_plotlyjs
from plots import PLOTS, Figure, digest

FOLDER = Path(__file__).parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
_SEED = "let seed = 1; Math.random = () => (seed = seed * 16807 % 2147483647) / 2147483647;"
"""Plotly draws the identifiers within an SVG at random."""


def draw(page: Any, figure: Figure) -> str:
    """The figure as SVG text that refers to no other file or host."""
    image = page.evaluate("figure => Plotly.toImage(figure, {format: 'svg'})", figure)
    svg = unquote(image.partition(",")[2])
    svg = re.sub(r"^(<svg[^>]*>)", rf"\1<!-- figure {digest(figure)} -->", svg)
    return re.sub(r"(</g>|</defs>|-->)(?=<)", r"\1\n", svg) + "\n"


def main() -> None:
    """Draw all.

    Raises:
        SystemExit: there is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on the path")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=list(ARGUMENTS))
        for name, figure in PLOTS.items():
            page = opened.new_page()
            page.add_script_tag(content=_SEED)
            page.add_script_tag(content=get_plotlyjs())
            (FOLDER / f"{name}.svg").write_text(draw(page, figure()), encoding="utf-8")
        opened.close()


if __name__ == "__main__":
    main()
