"""The roofline: its arithmetic, the physical floor, how ceilings are measured and how they are remembered."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy import scale

from kparity import DeviceInfo, Numerics, Options, Probes, edge, kernel_spec, perf
from kparity.cache import evict_host_cache, last_level_cache_bytes
from kparity.frequency import processor_telemetry
from kparity.host import is_busy
from kparity.lanes import Lane, calibrate_all
from kparity.problem import Problem
from kparity.records import Ceilings
from kparity.roofline import (
    FLOOR,
    best_ceilings,
    ceiling_dtype,
    floor_s,
    known_ceilings,
    recall_ceilings,
    recall_products,
    remember_ceilings,
    roofline,
)
from kparity.sandbox.engine import Engine
from kparity.sandbox.nursery import Nursery
from kparity.testing import FaultyBackend, NoClock

DEVICE = DeviceInfo(backend="pretend", name="Pretend", kind="gpu", uuid="GPU-1", versions={"pretend": "1.0"})
CEILINGS = Ceilings(bytes_per_s=1e9, flops_per_s={"float32": 1e12, "float16": 4e12}, null_s={"device": 1e-6})


def product(tf32=False):
    """A matrix product as a spec; its reference is never called here."""

    def matmul(a, b):
        """The product."""
        return a @ b

    return kernel_spec(
        "demo/matmul",
        inputs={"a": "n n : T", "b": "n n : T"},
        outputs={"y": "n n : T"},
        dtypes={"T": ("float32", "float16")},
        cases=[edge(n=1), perf(n=1000)],
        flops="2 * n ** 3",
        numerics=Numerics(tf32=tf32),
    )(matmul)


def case_of(spec, key):
    return next(case for case in spec.cases() if case.key == key)


def test_bytes_and_operations_over_a_time_against_the_ceilings():
    case = case_of(scale, "n=128,T=float32")  # reads and writes 512 bytes, 128 operations
    found = roofline(scale, case, 2e-6, CEILINGS)
    assert found.bytes_per_s == pytest.approx(1024 / 2e-6)
    assert found.flops_per_s == pytest.approx(128 / 2e-6)
    assert found.limit_s == pytest.approx(1024 / 1e9)
    assert found.fraction == pytest.approx(1024 / 1e9 / 2e-6)
    assert found.bound == "memory"


@pytest.mark.parametrize(("dtype", "limit"), [("float32", 12e-3), ("float16", 6e-3)])
def test_memory_bounds_where_it_takes_longer(dtype, limit):
    spec = product()
    found = roofline(spec, case_of(spec, f"n=1000,T={dtype}"), 20e-3, CEILINGS)
    assert (found.limit_s, found.bound) == (pytest.approx(limit), "memory")


def test_the_peak_of_the_first_float_input_bounds_where_computing_takes_longer():
    slow = msgspec.structs.replace(CEILINGS, flops_per_s={"float32": 1e11, "float16": 2e11})
    spec = product()
    for dtype, limit in (("float32", 20e-3), ("float16", 10e-3)):
        case = case_of(spec, f"n=1000,T={dtype}")
        assert ceiling_dtype(case) == dtype
        assert roofline(spec, case, 40e-3, slow).limit_s == pytest.approx(limit)
        assert roofline(spec, case, 40e-3, slow).bound == "compute"
        assert floor_s(spec, case, slow) == pytest.approx(FLOOR * limit)


def test_where_tf32_is_allowed_its_peak_bounds_float32():
    slow = msgspec.structs.replace(CEILINGS, flops_per_s={"float32": 1e11, "float16": 2e11, "tf32": 2e11})
    case = case_of(product(), "n=1000,T=float32")
    assert roofline(product(tf32=True), case, 40e-3, slow).limit_s == pytest.approx(12e-3)
    faster = msgspec.structs.replace(slow, flops_per_s={"float32": 1e11, "tf32": 1.25e11})
    assert roofline(product(tf32=True), case, 40e-3, faster).limit_s == pytest.approx(16e-3)
    assert floor_s(product(tf32=True), case, faster) == pytest.approx(FLOOR * 16e-3)
    assert roofline(product(), case, 40e-3, faster).limit_s == pytest.approx(20e-3)


def test_where_tf32_is_allowed_and_was_not_measured_there_is_no_roofline():
    slow = msgspec.structs.replace(CEILINGS, flops_per_s={"float32": 1e11, "float16": 2e11})
    spec = product(tf32=True)
    case = case_of(spec, "n=1000,T=float32")
    assert roofline(spec, case, 40e-3, slow) is None
    assert floor_s(spec, case, slow) == pytest.approx(FLOOR * 8e-3)  # reading the inputs
    assert roofline(spec, case_of(spec, "n=1000,T=float16"), 40e-3, slow).bound == "compute"


def test_only_reads_count_towards_the_floor():
    case = case_of(scale, "n=128,T=float32")
    assert floor_s(scale, case, CEILINGS) == pytest.approx(FLOOR * 512 / 1e9)


@given(st.floats(1e6, 1e13), st.floats(1e9, 1e15))
def test_the_floor_never_exceeds_the_limit(bandwidth, peak):
    spec = product()
    ceilings = Ceilings(bandwidth, {"float32": peak})
    for case in spec.cases():
        assert floor_s(spec, case, ceilings) <= roofline(spec, case, 1.0, ceilings).limit_s
        assert roofline(spec, case, 1.0, ceilings).fraction == roofline(spec, case, 1.0, ceilings).limit_s


def test_without_a_bandwidth_there_is_neither_roofline_nor_floor():
    case = case_of(scale, "n=128,T=float32")
    assert roofline(scale, case, 1e-3, Ceilings()) is None
    assert floor_s(scale, case, Ceilings()) == 0.0


def test_the_best_of_all_backends_bounds_each_and_the_empty_call_stays_its_own():
    other = Ceilings(2e9, {"float32": 5e11, "bfloat16": 9e12}, {"device": 9e-6})
    best = best_ceilings(CEILINGS, [other])
    assert best == Ceilings(2e9, {"bfloat16": 9e12, "float16": 4e12, "float32": 1e12}, {"device": 1e-6})
    assert best_ceilings(None, [other]) == msgspec.structs.replace(best_ceilings(other, []), null_s={})
    assert best_ceilings(None, []) is None


# Measuring, on the simulated host clock.


class Probed(FaultyBackend):
    bytes_per_s = 1e9
    flops_per_s = 1e11


class ProbedOnTheHost(NoClock):
    bytes_per_s = 1e9
    flops_per_s = 1e11


@pytest.fixture
def small(monkeypatch):
    """Copies of 1 MiB and products of 64 x 64, so that nothing large is allocated."""
    monkeypatch.setattr("kparity.roofline._COPY_BYTES", {"gpu": 1 << 20})
    monkeypatch.setattr("kparity.roofline._MATRIX", {"gpu": 64})


def calibrated(backend, **arguments):
    engine = Engine(backend)
    engine.open(0)
    return engine.calibrate(ceilings=True, **arguments).ceilings


@pytest.mark.parametrize("kind", [Probed, ProbedOnTheHost])
def test_ceilings_are_measured_on_the_best_clock_there_is(host_clock, small, kind):
    measured = calibrated(kind())
    assert measured.bytes_per_s == pytest.approx(1e9, rel=1e-3)
    assert measured.flops_per_s == {"float32": pytest.approx(1e11, rel=0.05)}
    assert set(measured.null_s) == {"end_to_end", "dispatch"} | ({"device"} if kind is Probed else set())


def test_a_probe_that_raises_is_left_out(host_clock, small):
    class Broken(Probed):
        def probes(self):
            return super().probes()._replace(copy=lambda array: 1 / 0, matmul=lambda a, b: 1 / 0)

    class WithoutProduct(Probed):
        flops_per_s = 0.0

    measured = calibrated(Broken())
    assert (measured.bytes_per_s, measured.flops_per_s) == (0.0, {})
    assert measured.null_s
    assert calibrated(WithoutProduct()).flops_per_s == {}
    assert calibrated(FaultyBackend()) is None


def test_products_are_asked_for_in_the_dtypes_that_are_tuned(host_clock, small):
    seen = []

    class Wide(Probed):
        def probes(self):
            probes = super().probes()

            def matmul(a, b):
                seen.append((a.dtype.name, a.shape))
                return probes.matmul(a, b)

            return Probes(probes.null, probes.copy, matmul, ("float16", "bfloat16"))

    assert set(calibrated(Wide()).flops_per_s) == {"float16", "bfloat16"}
    assert set(seen) == {("float16", (64, 64)), ("bfloat16", (64, 64))}


def test_products_in_tf32_are_a_ceiling_of_their_own(host_clock, small):
    class Quick(Probed):
        def probes(self):
            return super().probes()._replace(matmul_tf32=lambda a, b: self._spend(a, 2 * len(a) ** 3 / 4e11))

    found = calibrated(Quick()).flops_per_s
    assert set(found) == {"float32", "tf32"}
    assert found["tf32"] > 2 * found["float32"]


def test_products_that_another_backend_measured_are_not_measured_again(host_clock, small):
    measured = calibrated(Probed(), known=("float32",))
    assert measured.bytes_per_s > 0
    assert measured.flops_per_s == {}
    assert measured.null_s
    assert known_ceilings(CEILINGS) == ("float16", "float32")
    assert known_ceilings(Ceilings()) == ()


def test_the_lanes_of_a_device_share_the_fastest_copy_and_the_products_of_the_first(host_clock, small, caches):
    class Alike(Probed):
        name = "alike"
        bytes_per_s = 9e9

    spec = Problem.pose(scale, case_of(scale, "n=64,T=float32"), 1)
    lanes = [
        Lane(kind(), kind.name, Options(isolation="inline"), Nursery(), work=[(None, scale, spec.case)])
        for kind in (Probed, Alike)
    ]
    for one in lanes:
        one.open()
    calibrate_all(lanes)
    first, second = (one.ceilings for one in lanes)
    assert first.bytes_per_s == second.bytes_per_s == pytest.approx(9e9, rel=1e-3)
    assert first.flops_per_s == second.flops_per_s
    assert first.null_s
    assert second.null_s
    assert recall_ceilings(lanes[1].device, "pretend") == second


class Processor(Probed):
    def open(self, index=0):
        self.info = msgspec.structs.replace(super().open(index), kind="cpu")
        return self.info


@pytest.mark.parametrize(("busy", "kept"), [(True, False), (False, True)])
def test_ceilings_of_a_busy_processor_are_not_kept(host_clock, small, caches, monkeypatch, busy, kept):
    monkeypatch.setattr("kparity.roofline._COPY_BYTES", {"cpu": 1 << 20})
    monkeypatch.setattr("kparity.roofline._MATRIX", {"cpu": 64})
    monkeypatch.setattr("kparity.lanes.is_busy", lambda: busy)
    assert lane(Processor()).ceilings.bytes_per_s == pytest.approx(1e9, rel=1e-3)
    assert bool(list(caches.rglob("*.json"))) is kept


def test_a_machine_is_busy_when_half_of_its_cores_are(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    for load, busy in ((1.9, False), (2.1, True)):
        monkeypatch.setattr("os.getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert is_busy() is busy


def test_the_clocks_of_the_usable_cores_are_read_from_cpufreq_or_else_from_cpuinfo(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 2})
    monkeypatch.setattr("kparity.frequency._CORES", tmp_path)
    monkeypatch.setattr("kparity.frequency._CPUINFO", tmp_path / "cpuinfo")
    assert processor_telemetry() is None
    lines = [f"processor\t: {core}\ncpu MHz\t\t: {mhz}\n" for core, mhz in ((0, 1500.5), (1, 9000.0), (2, 2500.0))]
    (tmp_path / "cpuinfo").write_text("\n".join(lines))
    assert processor_telemetry().values == {"core_clock_lowest_mhz": 1500.5, "core_clock_highest_mhz": 2500.0}
    (tmp_path / "cpu2" / "cpufreq").mkdir(parents=True)
    (tmp_path / "cpu2" / "cpufreq" / "scaling_cur_freq").write_text("3100000\n")
    assert processor_telemetry().values == {"core_clock_lowest_mhz": 3100.0, "core_clock_highest_mhz": 3100.0}


# Remembering.


def test_what_was_never_measured_is_not_remembered(caches):
    assert recall_ceilings(DEVICE) is None
    assert not caches.exists()


def test_ceilings_are_remembered_for_one_device_and_its_versions(caches):
    remember_ceilings(DEVICE, CEILINGS)
    assert recall_ceilings(DEVICE) == CEILINGS
    assert len(list((caches / "kparity" / "ceilings").rglob("*"))) == 1  # no draft
    for change in (
        {"backend": "other"},
        {"name": "Other"},
        {"uuid": "GPU-2"},
        {"index": 1},
        {"versions": {"pretend": "1.1"}},
    ):
        assert recall_ceilings(msgspec.structs.replace(DEVICE, **change)) is None, change
    assert recall_ceilings(msgspec.structs.replace(DEVICE, notes=("said today",))) == CEILINGS
    assert recall_ceilings(DEVICE, "cupti") is None
    assert recall_ceilings(DEVICE, "host") == CEILINGS
    remember_ceilings(DEVICE, Ceilings(2e9))
    assert recall_ceilings(DEVICE) == Ceilings(2e9)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"bytes_per_s": "fast"}', b"[]"])
def test_an_unreadable_file_is_ignored_and_replaced(caches, content):
    remember_ceilings(DEVICE, CEILINGS)
    (path,) = caches.rglob("ceilings/*.json")
    path.write_bytes(content)
    assert recall_ceilings(DEVICE) is None
    remember_ceilings(DEVICE, CEILINGS)
    assert recall_ceilings(DEVICE) == CEILINGS


def test_products_are_remembered_for_every_backend_of_a_device_but_not_its_copies(caches):
    remember_ceilings(DEVICE, Ceilings(1e12, {"float32": 5e13, "float16": 3e14}), "cupti")
    other = msgspec.structs.replace(DEVICE, backend="other", versions={})
    assert recall_products(other, "cupti") == Ceilings(0.0, {"float32": 5e13, "float16": 3e14})
    assert recall_products(other, "host") is None
    remember_ceilings(other, Ceilings(2e12, {"float32": 6e13}), "cupti")
    assert recall_products(DEVICE, "cupti").flops_per_s == {"float32": 6e13, "float16": 3e14}
    for change in ({"uuid": ""}, {"uuid": "GPU-2"}, {"name": "Other"}, {"kind": "cpu"}):
        assert recall_products(msgspec.structs.replace(DEVICE, **change), "cupti") is None, change


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch):
    obstacle = tmp_path / "file"
    obstacle.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(obstacle))
    remember_ceilings(DEVICE, CEILINGS)
    assert recall_ceilings(DEVICE) is None


def test_the_home_folder_is_the_default_place(tmp_path, monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    remember_ceilings(DEVICE, CEILINGS)
    assert list((tmp_path / ".cache" / "kparity" / "ceilings").glob("*.json"))


def lane(backend):
    one = Lane(backend, backend.name, Options(isolation="inline"), Nursery())
    one.open()
    one.calibrate()
    return one


def test_a_device_is_measured_once(host_clock, small, caches):
    measured = lane(Probed()).ceilings
    assert measured.bytes_per_s == pytest.approx(1e9, rel=1e-3)

    class Faster(Probed):
        bytes_per_s = 2e9

    assert lane(Faster()).ceilings == measured
    for path in caches.rglob("*.json"):
        path.unlink()
    assert lane(Faster()).ceilings.bytes_per_s == pytest.approx(2e9, rel=1e-3)


def test_a_measurement_that_failed_is_not_remembered(host_clock, small, caches):
    class Full(Probed):
        def probes(self):
            return super().probes()._replace(copy=lambda array: 1 / 0)

    assert lane(Full()).ceilings.bytes_per_s == 0.0
    assert lane(Probed()).ceilings.bytes_per_s == pytest.approx(1e9, rel=1e-3)


def test_the_last_level_cache_has_a_size_and_can_be_read_through():
    assert last_level_cache_bytes() >= 1 << 15
    assert evict_host_cache() is None
