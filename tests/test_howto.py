"""The how-to guides: their code is that of tested files, their commands run and print what the page shows."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from kparity import read_run

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
EXAMPLES = ROOT / "examples"
GUIDES = ("add-a-task", "ci", "embedding", "time-properly", "verify-a-kernel")
SCRIPTS = {"many_candidates.py": "lies: 0, error", "time_a_kernel.py": "end_to_end"}
WORKFLOW = EXAMPLES / "ci" / "kparity.yml"


@pytest.fixture
def shell(tmp_path, environment):
    """Runs a line as a reader would who sits beside `examples`; gives the exit status and all that was printed."""
    tools = tmp_path / "bin"
    tools.mkdir()
    for name, command in (("kparity", f"{sys.executable} -m kparity"), ("python", sys.executable)):
        (tools / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / name).chmod(0o755)
    home = tmp_path / "work"
    home.mkdir()
    shutil.copytree(EXAMPLES, home / "examples")

    def call(line: str, **more: str) -> tuple[int, str]:
        variables = environment(COLUMNS="200", NO_COLOR="1", **more)
        variables["PATH"] = f"{tools}:{variables['PATH']}"
        done = subprocess.run(
            ["bash", "-c", line], cwd=home, env=variables, capture_output=True, text=True, timeout=600, check=False
        )
        return done.returncode, done.stdout + done.stderr

    call.home = home
    return call


def commands(page: str) -> list[tuple[str, list[str]]]:
    """The lines that begin with a dollar sign, each with what the page shows below it."""
    found: list[tuple[str, list[str]]] = []
    for block in re.findall(r"^```console\n(.*?)^```", page, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            else:
                found[-1][1].append(line)
    return found


@pytest.mark.parametrize("guide", GUIDES)
def test_the_blocks_are_regions_of_files(guide):
    page = (DOCS / f"{guide}.md").read_text()
    blocks = [language for language in re.findall(r"^```(\w+)$", page, re.M) if language != "console"]
    named = re.findall(r"^`(examples/\S+)`:\n\n```\w+\n(.*?)^```", page, re.M | re.S)
    assert len(named) == len(blocks)
    for path, block in named:
        text = (ROOT / path).read_text()
        assert any(textwrap.indent(block, " " * width) in text for width in (0, 4)), f"{path} has no region:\n{block}"


@pytest.mark.slow
@pytest.mark.parametrize("guide", GUIDES)
def test_the_commands_run_and_print_what_the_page_shows(guide, shell, install, monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES / "kparity-extra-tasks" / "src"))
    install("kparity-extra-tasks", extra_tasks="kparity_extra_tasks.plugin")
    lines = commands((DOCS / f"{guide}.md").read_text())
    assert lines
    for line, shown in lines:
        status, printed = shell(line)
        wanted = next((int(one.split()[-1]) for one in shown if one.startswith("exit status ")), 0)
        assert status == wanted, f"$ {line}\n{printed}"
        for one in shown:
            assert one.startswith("exit status ") or one in printed, f"$ {line}\nprints no {one!r} but\n{printed}"


@pytest.mark.slow
def test_the_readmes_commands_run_and_print_what_it_shows(shell):
    for line, shown in commands((ROOT / "README.md").read_text()):
        if line.startswith("make "):
            continue
        status, printed = shell(line)
        assert status == 0, f"$ {line}\n{printed}"
        for one in shown:
            assert masked(one) in masked(printed), f"$ {line}\nprints no {one!r} but\n{printed}"


def masked(text: str) -> str:
    """Without what depends on the processor and NumPy's version: figures behind 'bound:'."""
    return re.sub(r"(?<=bound: ).*", lambda found: re.sub(r"[-+\d.,e]+(?=\W|$)", "#", found[0]), text)


def test_the_readmes_figures_are_those_of_the_committed_results():
    readme = (ROOT / "README.md").read_text()
    results = ROOT / "benchmarks" / "results"
    (named,) = re.findall(r"verifier\.py --from (\S+\.json)", readme)
    ours = [row for row in json.loads((ROOT / named).read_text())["rows"] if row["judge"] == "kparity"]
    killed, mutants, accepted, honest = (
        sum(row[key] for row in ours) for key in ("killed", "mutants", "accepted", "honest")
    )
    assert f"{killed:,} of {mutants:,} mutants" in readme
    assert f"{accepted:,} of {honest:,} realizations" in readme
    truth = json.loads(sorted(results.glob("*/timing_truth.json"))[-1].read_text())["truth"]
    off = max(abs(row["off"]) for row in truth)
    assert f"within {off:.1%} of torch's profiler, {len(truth)} kernels" in readme.replace(" %", "%")
    folders = re.findall(r"redteam\.py --from (\S+[^`\s])", readme)
    assert len(folders) == len(list(results.glob("*/redteam.json")))
    for folder in folders:
        tried = json.loads((ROOT / folder / "redteam.json").read_text())["candidates"]
        right = {
            kind: [not one["wrong"] for one in tried if one["kind"] == kind and not one["skipped"]]
            for kind in ("cheats", "honest")
        }
        cheats, honest = (f"{sum(right[kind])} of {len(right[kind])}" for kind in ("cheats", "honest"))
        assert (
            f" {cheats}, and {honest} honest candidates pass | `python benchmarks/redteam.py --from {folder}`" in readme
        )
    (folder,) = re.findall(r"throughput\.py --from (\S+[^`\s])", readme)
    rates = {
        name: f"{one['a_minute']:.0f}"
        for name, one in json.loads((ROOT / folder / "throughput.json").read_text())["backends"].items()
    }
    assert f"{rates['triton']} in Triton, {rates['cuda']} in CUDA C++, {rates['jax']} in JAX" in readme
    (run,) = re.findall(r"kparity report (\S+/verify)", readme)
    _, records = read_run(ROOT / run)
    passed = sum(one.status == "passed" for one in records)
    assert f"{passed:,} of {len(records):,} evaluations" in readme


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_that_is_quoted_runs(name, shell):
    status, printed = shell(f"python examples/{name}")
    assert status == 0, printed
    assert SCRIPTS[name] in printed


@pytest.mark.slow
def test_the_workflow_runs_on_the_main_branch_and_then_on_a_push(shell):
    yaml = pytest.importorskip("yaml", reason="PyYAML comes with mkdocs: pip install '.[docs]'")
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["correct"]["steps"]
    for branch in ("main", "topic"):
        met = {
            "": True,
            "hashFiles('main/run.json') != ''": (shell.home / "main" / "run.json").exists(),
            "hashFiles('summary.md') != ''": branch == "topic",
            "github.ref == 'refs/heads/main'": branch == "main",
        }
        for step in steps:
            if met[step.get("if", "")] and "run" in step and not step["run"].startswith("pip "):
                status, printed = shell(step["run"], GITHUB_STEP_SUMMARY=str(shell.home / "shown.md"))
                assert status == 0, f"{step['run']}\n{printed}"
    assert (shell.home / "kernels.xml").read_text().count("<testcase") > 3
    assert (shell.home / "shown.md").read_text()
