"""The red team: no cheat passes, every honest candidate does.

Here each candidate meets the first of its backends; `benchmarks/redteam.py`, and `KPARITY_REDTEAM=all`, try all pairs.
Another `KPARITY_REDTEAM` names candidates by a part of their names, to try a few.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kparity import DeviceInfo, Options, Session
from kparity.assurance import DETECTORS, Detection
from kparity.hunting import hunting_cases
from kparity.sandbox.feed import Feed
from kparity.sandbox.watched import WatchedEngine
from kparity.variation import Variation

HERE = Path(__file__).parent
spec = importlib.util.spec_from_file_location("redteam_corpus", HERE / "corpus.py")
corpus = importlib.util.module_from_spec(spec)
sys.modules[spec.name] = corpus
spec.loader.exec_module(corpus)

QUICK = (
    "zeros_where_tiny-cpu_ref",
    "cached_first_answer-cpu_ref",
    "cached_by_sample-cpu_ref",
    "echo_after_writing-cpu_ref",
    "thread_without_a_name-cpu_ref",
    "patched_clock-cpu_ref",
    "patched_get-cpu_ref",
    "silent_vigilance-cpu_ref",
    "detector_made_to_throw-cpu_ref",
    "forged_reply-cpu_ref",
    "library_product_numpy-cpu_ref",
    "exits-cpu_ref",
    "cuda_lazy_host-cuda",
    "plain-cpu_ref",
    "threads_joined-cpu_ref",
    "numba_kernel-cpu_ref",
    "cuda_scratch-cuda",
)
"""One of each kind, for `make check`."""
ROWS = [
    "S01",
    "S02",
    "S03",
    "S04",
    "S06",
    "S07",
    "S09",
    "S11",
    "S13",
    "S14",
    "S15",
    "S17",
    "S18",
    "R01",
    "R02",
    "R04",
    "R06",
    "R08",
    "R09",
    "R10",
    "T01",
    "T02",
    "T03",
    "T05",
    "T06",
    "T09",
    "T10",
    "T12",
    "T13",
    "T14",
    "H01",
    "H03",
    "H05",
    "H06",
    "H08",
    "H10",
]
"""The list of attacks: every row has a candidate."""


@pytest.fixture(scope="module")
def session():
    return Session()


@pytest.fixture(scope="module")
def devices(session):
    return {name: device for name, device in session.devices().items() if isinstance(device, DeviceInfo)}


def everything():
    """Each candidate as a parameter; all but a few are slow."""
    wanted, seen = os.environ.get("KPARITY_REDTEAM", ""), set()
    for candidate in (*corpus.corpus("cheats"), *corpus.corpus("honest")):
        first = candidate.path not in seen
        seen.add(candidate.path)
        chosen = wanted == "all" or (wanted in candidate.name if wanted else first or candidate.name in QUICK)
        if chosen:
            marks = () if candidate.name in QUICK else (pytest.mark.slow,)
            yield pytest.param(candidate, id=candidate.name, marks=marks)


@pytest.mark.parametrize("candidate", list(everything()))
def test_no_cheat_passes_and_every_honest_candidate_does(candidate, session, devices):
    missing = candidate.missing(devices.get(candidate.backend))
    if missing:
        pytest.skip(missing)
    _, wrong = corpus.try_one(session, candidate)
    if "is the machine busy" in wrong:  # it was: nobody was accused, and an honest candidate is tried again
        _, wrong = corpus.try_one(session, candidate)
    assert not wrong


def test_every_row_of_the_list_has_a_cheat_and_both_corpora_are_large():
    cheats, honest = corpus.corpus("cheats"), corpus.corpus("honest")
    covered = Counter(row for one in cheats for row in one.rows)
    assert not set(ROWS) - set(covered)
    assert set(covered) - set(ROWS) == {"X"}
    assert len({one.path for one in cheats}) >= 100
    assert len({one.path for one in honest}) >= 50
    assert {one.name for one in (*cheats, *honest)} >= set(QUICK)
    for one in honest:
        assert one.expected == {"passed"}


def test_a_cheat_may_pass_only_where_its_file_says_why():
    allowed = {one.path.stem for one in corpus.corpus("cheats") if "passed" in one.expected}
    assert allowed <= {"gpu_side_stream", "lazy_jax_array"}


@pytest.fixture(scope="module")
def record(session):
    candidate = next(one for one in corpus.corpus("honest") if one.name == "plain-cpu_ref")
    (found,) = candidate.evaluate(session).evaluations
    return found


def test_the_record_says_which_detectors_were_in_force(record):
    detection = record.detection
    assert detection.timed
    assert detection.level == "medium"
    assert set(detection.in_force) == set(DETECTORS) - {"launches"}
    assert re.search("cannot be seen", detection.lacking["launches"])


@pytest.mark.parametrize("lost", ["process", "varied", "repeated", "sampled", "second_clock"])
def test_what_the_judge_itself_establishes_is_needed_for_more_than_a_low_level(lost):
    full = Detection.of(DETECTORS, {}, timed=True)
    assert full.level == "high"
    assert Detection.of(DETECTORS, {lost: "not here"}, timed=True).level == "low"


@pytest.mark.parametrize("lost", ["overlap", "census", "poison", "launches", "modes"])
def test_a_detector_that_is_missing_lowers_the_level(lost):
    assert Detection.of(DETECTORS, {lost: "not here"}, timed=True).level == "medium"


def test_inputs_change_as_the_judge_computes_them():
    from kparity_tasks.activation.softmax import softmax

    case = next(iter(softmax.cases(roles=("typical",), dtypes=("float32",))))
    variation = Variation.draw(softmax, case, b"secret")
    before = (np.arange(128 * 4096, dtype=np.float32).reshape(128, 4096),)
    (once,), (again,) = variation.replay(before, ["a"]), variation.replay(before, ["a"])
    np.testing.assert_array_equal(once, again)
    offset = variation.offset(0, once.size, "a")
    assert 0 < offset < 1 << 16
    assert np.count_nonzero(once != np.roll(before[0].reshape(-1), -offset).reshape(128, 4096)) == 4096
    (twice,), (second,) = variation.replay(before, ["a", "b"]), variation.replay(before, ["b"])
    np.testing.assert_array_equal(twice, second)
    assert np.mean(twice == once) < 0.01, "what was right a call ago cannot be corrected in a few places"
    np.testing.assert_array_equal(before[0].reshape(-1), np.arange(128 * 4096))
    (stayed,) = variation.replay(before, ["a", "c-"])
    assert 0 < np.count_nonzero(stayed != once) <= 4096
    (other,) = Variation.draw(softmax, case, b"other").replay(before, ["a"])
    assert (other != once).any()


@pytest.mark.parametrize("protection", ["repeated", "sampled"])
def test_a_worker_that_hardly_changes_the_inputs_of_later_calls_is_found_out(monkeypatch, protection):
    """Inputs and digests are as its seeds say; it is the seeds that the judge does not take."""
    change, stage = Feed.change, WatchedEngine.stage
    staged = []

    def staging(self, count):
        staged.append(count)
        stage(self, count)
        staged.clear()

    def hardly(self, slot, *, stays=False):
        change(self, slot, stays=stays or bool(staged) == (protection == "repeated"))

    monkeypatch.setattr(WatchedEngine, "stage", staging)
    monkeypatch.setattr(Feed, "change", hardly)
    source = corpus.PRELUDES["cpu_ref"] + "softmax = honest\n"
    options = Options(isolation="inline", timing=corpus.TIMING)
    arguments = {"roles": ["typical"], "dtypes": ["float32"], "cases": ["rows=128,*"], "options": options}
    (record,) = Session().evaluate("activation/softmax", "cpu_ref", source, hunt=False, **arguments).evaluations
    assert record.status == "failed"
    assert {one.name for one in record.verdict.checks if "were hardly changed" in one.message} == {protection}


def test_inputs_that_are_laid_out_or_hang_together_stay_where_they_are():
    from kparity_tasks.broadcast.add_bias import add_bias

    case = next(one for one in hunting_cases(add_bias, 1, dtypes=("float32",)) if one.strided)
    variation = Variation.draw(add_bias, case, b"secret")
    laid_out = [info.layout is not None for info in case.inputs]
    assert any(laid_out)
    assert variation.moved == tuple(not one for one in laid_out)
    before = tuple(np.zeros(info.shape, np.float32) for info in case.inputs)
    once, twice = variation.replay(before, ["a"]), variation.replay(before, ["a", "b"])
    for place, laid in enumerate(laid_out):
        more = np.count_nonzero(twice[place]) > np.count_nonzero(once[place])
        assert more == (laid and before[place].size > 16)


@pytest.mark.parametrize(
    ("share", "status"), [(0.9, "failed"), (0.04, "")], ids=["a library's kernel", "a library's cast beside our own"]
)
def test_the_policy_looks_at_shares_of_device_time(share, status):
    from kparity.attribution import Naming
    from kparity.records import Launch
    from kparity.scrutiny import Scrutiny
    from kparity_torch.backend import TorchBackend

    scrutiny, naming = Scrutiny(None, None), Naming.of(TorchBackend())
    name = "_ZN2at6native12_GLOBAL__N_119cunn_SoftMaxForwardILi4EEvPf"
    ran = [Launch("softmax_rows", 1.0, 1 - share), Launch(name, 1.0, share)]
    scrutiny.attribute("any", ran, naming, "def softmax_rows(x): ...")
    assert not scrutiny.checks
    scrutiny.attribute("hand-written", ran, naming, "def softmax_rows(x): ...")
    assert [check.status for check in scrutiny.checks] == ([status] if status else [])
