"""The documentation as a site: it builds without a warning, has every page and public name, and asks no other host."""

from __future__ import annotations

import inspect
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kparity

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
SIZES = "all => all.map(one => [one.src, one.naturalWidth])"


def test_every_page_stands_in_the_navigation():
    named = re.findall(r"^ +- .*: (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(named) == sorted(str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md"))


def test_every_public_class_and_function_stands_in_the_reference():
    page = (DOCS / "reference.md").read_text()
    wanted = [
        name
        for name in kparity.__all__
        if inspect.isclass(getattr(kparity, name)) or inspect.isroutine(getattr(kparity, name))
    ]
    assert sorted(re.findall(r"^::: kparity\.(\w+)$", page, re.M)) == sorted([*wanted, "hookimpl"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder that the site was built into, without a warning."""
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.slow
def test_the_reference_holds_what_docstrings_say(site):
    assert 'id="kparity.Backend.open"' in (site / "reference" / "index.html").read_text()


@pytest.mark.slow
def test_no_page_names_another_host_to_load_from(site):
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text())
        assert not [one for one in loaded if "canonical" not in one], f"{page.name} loads {loaded}"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_browser_every_picture_shows_and_nothing_is_asked_of_the_network(site, scheme):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=arguments)
        tab = opened.new_page(color_scheme=scheme)
        asked: list[str] = []
        tab.on("request", lambda one: asked.append(one.url))
        shown: set[str] = set()
        for page in sorted(site.rglob("index.html")):
            tab.goto(page.as_uri(), wait_until="load")
            for source, width in tab.eval_on_selector_all("article img", SIZES):
                assert width > 0, f"{page.parent.name}: {source} does not show"
                shown.add(source.rpartition("/")[2])
            assert tab.locator("pre.mermaid, code.language-mermaid").count() == 0, "mermaid is drawn from another host"
        opened.close()
    assert {path.name for path in (DOCS / "images").glob("*.*g")} == shown
    assert {url.partition(":")[0] for url in asked} <= {"file", "data"}, asked
