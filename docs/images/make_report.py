"""Draw the HTML report of run folders: `python docs/images/make_report.py [RUN...] [--out PNG] [--html FILE]`.

Without arguments it combines every run folder with times below `benchmarks/results`, except those of
`*-earlier`, so that a further machine needs nothing but its run folder there. Needs
Chromium and the extras `report` and `dev`. The picture shows the page's top with the matrix of speeds.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from kparity import open_run, read_runs
from kparity.html.page import HtmlReporter
from kparity.reporting import Combined

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "benchmarks" / "results"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
WIDTH, HEIGHT = 1200, 1000


def committed() -> list[Path]:
    """The run folders with times below `benchmarks/results`."""
    folders = sorted(path.parent for path in RESULTS.glob("*/*/run.json") if not path.match("*-earlier/*/run.json"))
    return [folder for folder in folders if any(one.measurements for one in open_run(folder))]


def draw(runs: list[Path], png: Path, html: Path | None = None) -> None:
    """Write the report of these runs, open it and take a picture.

    Args:
        runs: run folders, or folders that hold run folders.
        png: where the picture goes.
        html: where the report is kept.

    Raises:
        SystemExit: there is no browser.
    """
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        raise SystemExit(f"none of {', '.join(BROWSERS)} is on the path")
    runs, png = [_from_root(run) for run in runs], png.absolute()
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page_file = html.absolute() if html is not None else Path(folder, "report.html")
        with contextlib.chdir(ROOT):
            page_file.write_bytes(HtmlReporter().combine(Combined.of(read_runs(runs))))
        opened = playwright.chromium.launch(executable_path=browser, args=list(ARGUMENTS))
        page = opened.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="light")
        page.goto(page_file.as_uri())
        page.check("input[value=speed]")
        page.screenshot(path=png)
        opened.close()


def _from_root(run: Path) -> Path:
    """A path that says nothing of the machine, where it can be had: the report shows it."""
    whole = run.resolve()
    return whole.relative_to(ROOT) if whole.is_relative_to(ROOT) else whole


def main() -> None:
    """Read the arguments and write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path, nargs="*", help="run folders, or folders that hold run folders")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("report.png"))
    parser.add_argument("--html", type=Path, help="keep the report there")
    arguments = parser.parse_args()
    draw(arguments.runs or committed(), arguments.out, arguments.html)


if __name__ == "__main__":
    main()
