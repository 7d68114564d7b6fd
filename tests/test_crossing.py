"""One matrix from many machines, and the metrics of the field: times never cross from one device to another."""

from __future__ import annotations

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import CASES, CPU, GPU, OTHER_GPU, info, record, write

from kparity import UsageError, read_runs
from kparity.across import apart, common_cases, timed_on, variation
from kparity.crossing import Ratio, cross, rows_of
from kparity.metrics import column_metrics, geometric_mean, pass_at_k, pass_rates
from kparity.records import DeviceRef
from kparity.rows import Row

BASE = "torch:eager"


def matrix_of(*evaluations, run=None, **options):
    return cross([Row.of(one, run or info()) for one in evaluations], **options)


def cell(matrix, label, device="Fast GPU", task="toy/scale"):
    (column,) = [one for one in matrix.columns if (one.label, one.device) == (label, device)]
    found = matrix.cell(task, column)
    assert found is not None
    return found


def test_speed_is_taken_over_the_baseline_on_the_same_hardware():
    matrix = matrix_of(
        record(BASE, seconds=4e-3),
        record(seconds=1e-3),
        record(BASE, device=OTHER_GPU, seconds=30e-3),
        record(device=OTHER_GPU, seconds=10e-3),
        record("toy:alone", device=CPU, seconds=1e-3),
    )
    assert cell(matrix, "toy:good").speedup.estimate == pytest.approx(4)
    assert cell(matrix, "toy:good", "Slow GPU").speedup.estimate == pytest.approx(3)
    assert cell(matrix, BASE).speedup is None, "the baseline is not compared with itself"
    assert cell(matrix, "toy:alone", "Processor, 4 cores").speedup is None, "no baseline was timed there"
    assert matrix.baselines == {"Fast GPU": (BASE,), "Slow GPU": (BASE,)}


def test_two_pieces_of_one_name_share_a_column_but_no_baseline():
    twin = DeviceRef("Fast GPU", "gpu", 1, "GPU-9")
    lonely = matrix_of(record(BASE, seconds=4e-3), record(device=twin, seconds=1e-3))
    assert cell(lonely, "toy:good").speedup is None
    both = matrix_of(
        record(BASE, seconds=4e-3),
        record(BASE, device=twin, seconds=2e-3),
        record(seconds=1e-3),
        record(device=twin, seconds=2e-3),
    )
    found = cell(both, "toy:good")
    assert found.speedup.estimate == pytest.approx(2), "the geometric mean of 4 and 1"
    assert [column.units for column in both.columns] == [2, 2]


def test_processors_with_other_core_counts_are_other_devices():
    rows = [Row.of(record(device=CPU), info(cores=cores)) for cores in (2, 64)]
    assert {column.device for column in cross(rows).columns} == {"Processor, 2 cores", "Processor, 64 cores"}


def test_the_limits_of_a_speedup_come_from_both_intervals():
    found = cell(matrix_of(record(BASE, seconds=2e-3, noise=0.2), record(seconds=1e-3, noise=0.1)), "toy:good").speedup
    assert (found.low, found.estimate, found.high) == pytest.approx((1.8 / 1.05, 2.0, 2.2 / 0.95))


def test_of_a_task_stands_the_geometric_mean_over_cases_timed_on_both_sides():
    matrix = matrix_of(
        *(record(BASE, case=case, seconds=seconds) for case, seconds in zip(CASES, (8e-3, 2e-3), strict=False)),
        *(record(case=case, seconds=1e-3, fraction=share) for case, share in zip(CASES, (0.2, 0.8, 0.9), strict=False)),
    )
    found = cell(matrix, "toy:good")
    assert found.speedup.estimate == pytest.approx(4)
    assert found.fraction == pytest.approx((0.2 * 0.8 * 0.9) ** (1 / 3))
    assert [entry.against for entry in found.entries] == [BASE, BASE, ""]


def test_baselines_are_tried_in_order_and_unlike_times_never_compared():
    cold = record("cpu_ref:numpy", seconds=9e-3)
    assert cell(matrix_of(cold, record(seconds=1e-3)), "toy:good").speedup.estimate == pytest.approx(9)
    both = (cold, record(BASE, seconds=4e-3), record(seconds=1e-3))
    assert cell(matrix_of(*both), "toy:good").speedup.estimate == pytest.approx(4)
    assert cell(matrix_of(*both), "cpu_ref:numpy").entries[0].against == BASE
    chosen = matrix_of(*both, baselines=("cpu*",))
    assert cell(chosen, "toy:good").speedup.estimate == pytest.approx(9)
    import msgspec

    warm = msgspec.structs.replace(
        record(BASE), measurements=(msgspec.structs.replace(both[1].measurements[0], cache="warm"),)
    )
    assert cell(matrix_of(warm, record(seconds=1e-3)), "toy:good").speedup is None


def test_the_baseline_of_the_same_run_is_preferred_to_a_newer_one(tmp_path):
    first = write(tmp_path / "first", record(BASE, seconds=4e-3, seed=1), record(seconds=1e-3, seed=1))
    later = write(tmp_path / "later", record(BASE, seconds=100e-3, seed=2, at="2031-01-01"))
    matrix = cross(rows_of(read_runs([first, later])))
    assert cell(matrix, "toy:good").speedup.estimate == pytest.approx(4)


def test_a_failure_on_any_device_or_seed_shows():
    twin = DeviceRef("Fast GPU", "gpu", 1, "GPU-9")
    matrix = matrix_of(record(), record(status="failed", device=twin), record(status="unsupported", case=CASES[1]))
    found = cell(matrix, "toy:good")
    assert (found.status, found.passed, found.ran, found.unsupported) == ("failed", 1, 2, 1)
    assert {entry.case: entry.status for entry in found.entries} == {
        CASES[0].key: "failed",
        CASES[1].key: "unsupported",
    }


def test_variation_over_devices_is_a_geometric_standard_deviation():
    matrix = matrix_of(
        *(record(BASE, device=device, seconds=8e-3, task=task) for device in (GPU, OTHER_GPU) for task in "ab"),
        record(seconds=1e-3, task="a"),
        record(seconds=4e-3, task="a", device=OTHER_GPU),
        record(seconds=2e-3, task="b"),
    )
    (one,) = variation(matrix)
    assert (one.category, one.label, one.tasks, one.devices) == ("a", "toy:good", 1, 2)
    assert one.factor == pytest.approx(math.exp(statistics.stdev([math.log(8), math.log(2)])))


def test_devices_are_compared_case_by_case():
    shared, own, other = CASES[:3]
    evaluations = [
        *(record(BASE, case=case, seconds=8e-3) for case in (shared, own)),
        *(record(BASE, case=case, seconds=8e-3, device=OTHER_GPU) for case in (shared, other)),
        record(case=shared, seconds=1e-3),
        record(case=own, seconds=8e-3),
        record(case=shared, seconds=2e-3, device=OTHER_GPU),
        record(case=other, seconds=9e-6, device=OTHER_GPU),
    ]
    matrix = matrix_of(*evaluations)
    (one,) = variation(matrix)
    assert one.factor == pytest.approx(math.exp(statistics.stdev([math.log(8), math.log(4)]))), "of the shared case"
    assert apart(matrix) == ["toy/scale"]
    assert {device: sum(timed.cases.values()) for device, timed in timed_on(matrix).items()} == {
        "Fast GPU": 2,
        "Slow GPU": 2,
    }
    rows = [Row.of(one, info()) for one in evaluations]
    assert common_cases(rows) == {("toy/scale", shared.key)}
    kept = cross([row for row in rows if row.case == shared.key])
    assert apart(kept) == []


def test_cases_that_one_device_lacks_are_told_and_can_be_left_out(tmp_path, cli):
    first = write(tmp_path / "first", record(BASE, seconds=4e-3), record(seconds=1e-3))
    more = (record(BASE, seconds=4e-3, case=CASES[1]), record(seconds=4e-3, case=CASES[1]))
    fast = write(tmp_path / "fast", *more, record(BASE, seconds=4e-3), record(seconds=1e-3))
    cpu = [record(label, seconds=seconds, device=CPU) for label, seconds in ((BASE, 6e-3), ("toy:good", 2e-3))]
    slow = write(tmp_path / "slow", *cpu)
    both = cli("matrix", fast, slow).out
    assert "not every device was timed on the same cases of toy/scale" in both
    assert "2.00x" in both
    common = cli("matrix", fast, slow, "--common").out
    assert "not every device" not in common
    assert "4.00x" in common
    assert "2.00x" not in common
    assert "4.00x" in cli("report", fast, slow, "--common").out
    elsewhere = write(tmp_path / "elsewhere", record(case=CASES[2], device=OTHER_GPU))
    done = cli("matrix", first, elsewhere, "--common")
    assert done.status == 2
    assert "no case was evaluated on every device (Fast GPU, Slow GPU)" in done.err


def test_metrics_count_tasks():
    matrix = matrix_of(
        *(record(BASE, seconds=2e-3, task=task) for task in ("x/fast", "x/slow", "x/wrong", "x/untimed")),
        record(seconds=1e-3, task="x/fast"),
        record(seconds=4e-3, task="x/slow"),
        record(seconds=1e-3, task="x/wrong"),
        record(status="failed", task="x/wrong", case=CASES[1]),
        record(task="x/untimed"),
        record(status="error", task="x/broken"),
        record(status="unsupported", task="x/elsewhere"),
    )
    one = next(one for one in column_metrics(matrix, (0.4, 1.0)) if one.label == "toy:good")
    assert (one.compiled.count, one.compiled.of) == (4, 5)
    assert (one.correct.count, one.correct.of) == (3, 5)
    assert (one.fast["1"].count, one.fast["1"].of) == (1, 4), "fast counts only if correct; untimed is left out"
    assert one.fast["0.4"].count == 2
    assert one.speedup.estimate == pytest.approx(1.0)
    assert one.timed == 2


def test_a_run_without_times_has_no_speed_metrics():
    (one,) = column_metrics(matrix_of(record()))
    assert one.fast == {}
    assert one.speedup is None
    assert one.correct.share == 1


def test_the_interval_of_a_geometric_mean_is_students():
    found = geometric_mean([1.0, 2.0, 4.0])
    assert found.estimate == pytest.approx(2)
    half = 4.302652729911275 * math.log(2) / math.sqrt(3)  # t quantile of 0.975 with two degrees of freedom
    assert (found.low, found.high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)))
    assert geometric_mean([3.0]) == Ratio(3.0, 0.0, math.inf)
    for bad in ([], [1.0, 0.0]):
        with pytest.raises(UsageError, match="positive"):
            geometric_mean(bad)


@given(st.data())
def test_pass_at_k_is_the_share_of_draws_that_hold_a_correct_one(data):
    from itertools import combinations

    n = data.draw(st.integers(1, 8))
    correct, k = data.draw(st.integers(0, n)), data.draw(st.integers(1, n))
    draws = list(combinations(range(n), k))
    share = sum(any(one < correct for one in draw) for draw in draws) / len(draws)
    assert pass_at_k(n, correct, k) == pytest.approx(share)


def test_pass_at_k_needs_counts_that_make_sense():
    for counts in ((3, 4, 1), (3, 1, 4), (3, 1, 0), (3, -1, 1)):
        with pytest.raises(UsageError, match="not defined"):
            pass_at_k(*counts)


def test_candidates_of_a_task_are_told_apart_by_their_sources():
    label = "toy:candidate"
    matrix = matrix_of(
        *(record(label, "passed" if n < 2 else "failed", source=f"{n}" * 16, task="a") for n in range(4)),
        record(label, "failed", source="f" * 16, task="b"),
        record(label, case=CASES[1], source="e" * 16, task="b"),
    )
    assert {column.label for column in matrix.columns} >= {"toy:candidate@00000000", "toy:candidate@ffffffff"}
    found = {one.k: one for one in pass_rates(matrix, (1, 2, 4))}
    assert found[1].value == pytest.approx((0.5 + 0.5) / 2)
    assert found[2].value == pytest.approx((pass_at_k(4, 2, 2) + 1.0) / 2)
    assert (found[4].tasks, found[4].candidates) == (1, 4)


def test_the_command_shows_every_device_and_no_raw_time(cli, tmp_path):
    fast = write(tmp_path / "fast", record(BASE, seconds=4e-3), record(seconds=1e-3, fraction=0.5))
    slow = write(
        tmp_path / "slow",
        record(BASE, device=OTHER_GPU, seconds=30e-3),
        record(device=OTHER_GPU, seconds=10e-3),
        record("toy:bad", "failed", device=OTHER_GPU),
    )
    shown = cli("matrix", fast, slow)
    assert shown.status == 0
    for text in ("Fast GPU", "Slow GPU", "4.00x", "3.00x", "50%", "(torch:eager)", "✗ 0/1", "fast_1"):
        assert text in shown.out, text
    assert " ms" not in shown.out
    assert " us" not in shown.out
    data = json.loads(cli("matrix", fast, slow, "--json", "--baseline", "nobody").out)
    assert {one["device"] for one in data["matrix"]["columns"]} == {"Fast GPU", "Slow GPU"}
    assert all(one["speedup"] is None for one in data["matrix"]["cells"])
    assert cli("matrix", tmp_path / "nowhere").status == 2


def test_the_json_document_has_no_number_that_json_lacks(cli, tmp_path):
    run = write(tmp_path / "run", record(BASE, seconds=4e-3), record(seconds=1e-3))
    text = cli("matrix", run, "--json").out
    assert "Infinity" not in text
    (one,) = [one for one in json.loads(text)["metrics"] if one["speedup"]]
    assert one["speedup"] == {"estimate": pytest.approx(4.0), "low": 0.0, "high": None}
