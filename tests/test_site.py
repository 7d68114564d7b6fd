"""The documentation as a site: it builds without a warning, has every page and public name, and asks no other host."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kparity

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


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


@pytest.mark.slow
def test_the_site_builds_without_a_warning(tmp_path):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")
    pytest.importorskip("mkdocstrings", reason="mkdocstrings is not installed: pip install '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    reference = (tmp_path / "site" / "reference" / "index.html").read_text()
    assert 'id="kparity.Backend.open"' in reference
    for page in (tmp_path / "site").rglob("*.html"):
        loaded = re.findall(r'<(?:script|img|link)[^>]+(?:src|href)="(https?://[^"]+)"', page.read_text())
        assert not [one for one in loaded if "canonical" not in one], f"{page.name} loads {loaded}"
