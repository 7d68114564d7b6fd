"""The published schemas: they are those of the code, and what kparity writes keeps to them."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import jsonschema
import pytest
from recorded import CASES, record, write

from kparity.report import json_text
from kparity.schemas import SCHEMAS, schema

ROOT = Path(__file__).parent.parent
RESULTS = sorted(path.parent for path in (ROOT / "benchmarks" / "results").rglob("run.json"))


def test_the_committed_schemas_are_those_of_the_code():
    spec = importlib.util.spec_from_file_location("make_schemas", ROOT / "docs" / "make_schemas.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    committed = {path.name: path.read_text() for path in (ROOT / "docs" / "schema").iterdir()}
    assert committed == script.texts(), "run 'python docs/make_schemas.py'"


@pytest.mark.parametrize("folder", RESULTS, ids=lambda path: str(path.relative_to(ROOT / "benchmarks" / "results")))
def test_committed_runs_keep_to_the_schemas(folder):
    jsonschema.validate(json.loads((folder / "run.json").read_text()), schema("run"))
    lines = (folder / "evaluations.jsonl").read_text().splitlines()
    validator = jsonschema.Draft202012Validator(schema("evaluation"))
    for line in lines[:: max(len(lines) // 25, 1)]:
        validator.validate(json.loads(line))


def test_a_record_that_lacks_something_does_not(tmp_path):
    one = json.loads((write(tmp_path / "run", record()) / "evaluations.jsonl").read_text())
    jsonschema.validate(one, schema("evaluation"))
    del one["verdict"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(one, schema("evaluation"))


def test_what_the_commands_print_keeps_to_the_schemas(cli, install, pids, tmp_path):
    install("toy-accelerator", toy="toy_plugin")
    done = cli("run", "toy/scale", "-b", "toy", "-r", "edge", "--no-timing", "--json-lines", "--out", tmp_path / "run")
    stream = jsonschema.Draft202012Validator(schema("stream"))
    for line in done.out.splitlines():
        stream.validate(json.loads(line))
    jsonschema.validate(json.loads((tmp_path / "run" / "run.json").read_text()), schema("run"))
    timed = write(tmp_path / "timed", record("torch:eager", seconds=2e-3), record(seconds=1e-3), record(case=CASES[1]))
    jsonschema.validate(json.loads(cli("matrix", timed, "--json").out)["matrix"], schema("matrix"))
    found = json.loads(cli("regress", timed, "--against", timed, "--json").out)
    jsonschema.validate(found["regression"], schema("regression"))


def test_the_command_lists_and_prints_them(cli):
    listed = cli("schema")
    assert [line.split()[0] for line in listed.out.splitlines()] == list(SCHEMAS)
    assert json.loads(cli("schema", "evaluation").out) == json.loads(json_text(schema("evaluation")))
    assert "Did you mean 'evaluation'" in cli("schema", "evaluations").err
