"""Replay bundles: written for what does not pass, reproduced elsewhere, refused where they were tampered with."""

from __future__ import annotations

import json

import msgspec
import pytest

from kparity import KparityError, Options, Session, UsageError
from kparity.cli import main
from kparity.replay import Bundle
from kparity.replaying import replay

WRONG = """import numpy as np
def logsumexp(x):
    return np.log(np.exp(x).sum(-1)) + np.float32(0.5)
"""
CASE = "rows=3,cols=1023,T=float32"


@pytest.fixture(scope="module")
def session():
    return Session()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, session):
    folder = tmp_path_factory.mktemp("bundles")
    run = session.prepare_candidate(
        "reduce/logsumexp", "cpu_ref", WRONG, cases=["rows=3,*"], dtypes=["float32"], options=Options(timing=None)
    )
    run.replays = folder
    (record,) = run
    assert record.status == "failed"
    (path,) = folder.iterdir()
    assert path.name.startswith("reduce.logsumexp-cpu_ref.candidate-")
    return path


def test_a_failure_is_reproduced_from_its_file_alone(session, bundle):
    read = Bundle.read(bundle)
    assert read.source == WRONG
    assert read.evaluation.case.key == CASE
    found = replay(session, read)
    assert found.reproduced
    assert found.before.message == found.now.message
    assert found.message.startswith("reproduced: failed (bound: 3 of 3 elements")
    assert found.differences == ()


def test_what_comes_out_otherwise_is_told_with_the_differences(session, bundle):
    read = Bundle.read(bundle)
    verdict = msgspec.structs.replace(read.evaluation.verdict, status="error", checks=(), message="it died")
    changed = msgspec.structs.replace(
        read,
        evaluation=msgspec.structs.replace(read.evaluation, verdict=verdict, inputs_digest="0" * 16),
        run=msgspec.structs.replace(read.run, kparity="0.0.9"),
    )
    found = replay(session, changed)
    assert not found.reproduced
    assert found.message.startswith("not reproduced: was error (it died); now failed (bound: ")
    assert any(one.startswith("kparity was 0.0.9, is ") for one in found.differences)
    assert any(one.startswith("the inputs differ") for one in found.differences)


def test_a_text_that_is_not_the_one_evaluated_is_refused(session, bundle):
    tampered = msgspec.structs.replace(Bundle.read(bundle), source=WRONG.replace("0.5", "0.0"))
    with pytest.raises(UsageError, match="the text was changed"):
        replay(session, tampered)


def test_passed_evaluations_leave_no_bundle(session, tmp_path):
    run = session.prepare_candidate(
        "reduce/logsumexp",
        "cpu_ref",
        WRONG.replace("0.5", "0.0"),
        cases=[CASE],
        options=Options(timing=None),
    )
    run.replays = tmp_path / "none"
    assert [one.status for one in run] == ["passed"]
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{}", "expected a kparity-replay of version 1"),
        (b'{"format": "kparity-replay", "schema": 2}', "of version 2; expected"),
        (b'{"format": "kparity-replay", "schema": 1}', "is no replay bundle"),
        (b"not JSON", "is no replay bundle"),
        (None, "cannot be read"),
    ],
)
def test_what_is_no_bundle_is_refused(tmp_path, content, message):
    path = tmp_path / "bundle.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(KparityError, match=message):
        Bundle.read(path)


@pytest.mark.slow
def test_the_commands_write_and_replay(tmp_path, capsys):
    source = tmp_path / "kernel.py"
    source.write_text(WRONG)
    options = ["--task", "reduce/logsumexp", "--backend", "cpu_ref", "--case", CASE, "--no-timing"]
    with pytest.raises(SystemExit) as ended:
        main(["verify", str(source), *options, "--replays", str(tmp_path / "bundles")])
    assert ended.value.code == 1
    (path,) = (tmp_path / "bundles").iterdir()
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main(["replay", str(path), "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["reproduced"] is True


def test_registered_implementations_are_replayed_by_label(session, tmp_path):
    record = next(
        iter(
            session.run(
                ["reduce/logsumexp"],
                implementations=["cpu_ref:numba"],
                cases=[CASE],
                options=Options(timing=None, seed=1),
            )
        )
    )
    info = Bundle.read(_bundle_of(session, record, tmp_path)).run
    found = replay(session, Bundle(evaluation=record, run=info))
    assert found.reproduced
    assert found.message == "reproduced: passed"


def _bundle_of(session, record, folder):
    run = session.prepare_candidate(
        "reduce/logsumexp", "cpu_ref", WRONG, cases=[CASE], options=Options(timing=None, seed=1)
    )
    try:
        return Bundle(evaluation=record, run=run.info).write(folder)
    finally:
        run.close()
