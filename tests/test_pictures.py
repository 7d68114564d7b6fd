"""The pictures of the documentation: drawn from the committed results as they are, complete, described."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

from kparity import open_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
IMAGES = DOCS / "images"
PLOTS = ("limits", "timing", "verifier")


@pytest.fixture
def script(monkeypatch):
    """Imports a script from `docs/images`, which is no package."""
    monkeypatch.syspath_prepend(str(IMAGES))
    yield importlib.import_module
    for name in ("plots", "make_architecture"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", PLOTS)
def test_a_plot_shows_the_committed_results(script, name):
    plots = script("plots")
    assert set(plots.PLOTS) == set(PLOTS)
    (drawn,) = re.findall(r"<!-- figure (\w+) -->", (IMAGES / f"{name}.svg").read_text())
    assert drawn == plots.digest(plots.PLOTS[name]()), "run 'python docs/images/make_plots.py'"


def test_the_digest_follows_the_data(script):
    plots = script("plots")
    figure = plots.verifier()
    before = plots.digest(figure)
    figure["data"][1]["x"][0] += 0.01
    assert plots.digest(figure) != before


def test_the_verifiers_plot_says_what_the_numerics_page_says(script):
    points = [one for one in script("plots").verifier()["data"] if one.get("name") == "kparity"]
    assert [(one["x"], one["y"]) for one in points] == [([100.0], [100.0])] * 3


def test_the_architecture_is_drawn_as_its_script_says(script):
    drawn = script("make_architecture").draw()
    assert (IMAGES / "architecture.svg").read_text() == drawn, "run 'python docs/images/make_architecture.py'"


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.svg")), ids=lambda path: path.name)
def test_a_picture_loads_nothing_and_runs_nothing(path):
    text = path.read_text()
    assert "<script" not in text
    assert not re.findall(r"(?:href|src)=\"(?!#)[^\"]*", text)
    assert "url(" not in re.sub(r"url\((?:#|&quot;#|'#|\"#)", "", text)


@pytest.mark.parametrize("path", sorted([*IMAGES.glob("*.svg"), *IMAGES.glob("*.png")]), ids=lambda path: path.name)
def test_every_picture_stands_on_a_page_with_words_for_those_who_cannot_see_it(path):
    pages = {page: page.read_text() for page in (ROOT / "README.md", *DOCS.glob("**/*.md"))}
    said = [alt for text in pages.values() for alt in re.findall(rf"!\[([^\]]*)\]\(\S*{path.name}\)", text)]
    assert said, f"no page shows {path.name}"
    assert all(len(alt.split()) >= 5 for alt in said)


def test_the_committed_report_holds_every_committed_run(script):
    held = (ROOT / "benchmarks" / "results" / "report.html").read_text()
    assert not re.findall(r"<summary>/.*", held)
    for folder in script("make_report").committed():
        info = open_run(folder).info
        assert info.started_at in held, "run 'python docs/images/make_report.py --html benchmarks/results/report.html'"
        assert all(device.name in held for device in info.devices)
