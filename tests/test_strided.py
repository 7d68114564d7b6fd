"""Inputs that are not contiguous: who may meet them, how they lie, and what becomes of kernels that ignore strides."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
from toy import ToyBackend

from kparity import Options, Selection, Session, SpecError, TimingPolicy, edge, kernel_spec, tensor
from kparity.backend import Backend
from kparity.case import ArrayInfo, Layout
from kparity.dtypes import NAMES, dtype
from kparity.hunting import applicable_patterns, hunting_cases
from kparity.inputs import digest, generate
from kparity.layouts import draw, gather, is_untouched, places, spread
from kparity.patterns import LAYOUT_AXES, LAYOUTS
from kparity.replay import Bundle
from kparity.replaying import replay
from kparity.sandbox.arguments import Arguments
from kparity.sandbox.host import InlineRunner
from kparity.store import read_run
from kparity.variation import Change
from kparity_cpu_ref.backend import CpuRefBackend

pytestmark = pytest.mark.slow

ADD_BIAS = "broadcast/add_bias"
LAID_OUT = [f"*@{name}" for name in LAYOUTS]
UNTIMED = Options(timing=None, seed=8)

IGNORES = {
    "cpu_ref": """
import numpy as np
def add_bias(x, bias):
    rows, cols = x.shape
    flat = np.lib.stride_tricks.as_strided(x, x.shape, (cols * x.itemsize, x.itemsize))
    return flat + np.lib.stride_tricks.as_strided(bias, bias.shape, (x.itemsize,))
""",
    "torch": """
import torch
def add_bias(x, bias):
    return x.as_strided(x.shape, (x.shape[1], 1)) + bias.as_strided(bias.shape, (1,))
""",
    "triton": """
import torch, triton
import triton.language as tl

@triton.jit
def kernel(x, bias, y, n, cols, BLOCK: tl.constexpr):
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    v = tl.load(x + i, mask=i < n) + tl.load(bias + i % cols, mask=i < n)
    tl.store(y + i, v, mask=i < n)

def add_bias(x, bias):
    y = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    kernel[(triton.cdiv(x.numel(), 1024),)](x, bias, y, x.numel(), x.shape[1], BLOCK=1024)
    return y
""",
    "cuda": """
from kparity_cuda import cuda_kernel

@cuda_kernel(source='''
template <typename U>
__global__ void add(const U* x, const U* bias, U* y, long long n, long long cols) {
    long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
    if (i < n) y[i] = kparity::from_float<U>(kparity::to_float(x[i]) + kparity::to_float(bias[i % cols]));
}
''')
def add_bias(launch, x, bias, y):
    launch("add<T>", (-(-x.size // 256),), (256,), (x, bias, y, x.size, x.shape[1]))
""",
}

HONOURS = {
    "cpu_ref": "import numpy as np\ndef add_bias(x, bias):\n    return np.ascontiguousarray(x + bias)\n",
    "torch": "def add_bias(x, bias):\n    return x + bias\n",
    "triton": IGNORES["triton"].replace("](x, bias", "](x.contiguous(), bias.contiguous()"),
    "cuda": IGNORES["cuda"].replace("(x, bias, y, x.size", "(launch.contiguous(x), launch.contiguous(bias), y, x.size"),
}


@pytest.fixture(scope="module")
def session():
    with Session() as session:
        yield session


def add_bias_case(session, pattern, seed=8):
    spec = session.catalogue.task(ADD_BIAS)
    (case,) = (one for one in hunting_cases(spec, seed, dtypes=["float32"]) if one.pattern == pattern)
    return spec, case


def judged(session, backend, source, *, cases=LAID_OUT, dtypes=("float32",), task=ADD_BIAS):
    run = session.prepare_candidate(
        task, backend, source, cases=list(cases), dtypes=list(dtypes), hunt=True, options=UNTIMED
    )
    return {record.case.pattern: record for record in run}


def total(x, scale):
    """Sums of rows, scaled."""
    return np.sum(x, axis=-1) * scale


def spec_of(**changes):
    declared = {
        "inputs": {"x": "rows cols : T", "scale": tensor(": T")},
        "outputs": {"y": "rows : T"},
        "dtypes": {"T": ("float32", "bfloat16")},
        "cases": [edge(rows=1, cols=1), edge(rows=3, cols=17), edge(rows=40, cols=100)],
    }
    return kernel_spec("demo/total", **{**declared, **changes})(total)


@pytest.mark.parametrize(
    ("strided", "message"),
    [
        (("xs",), "spec 'demo/total': strided= has unknown input 'xs'. Did you mean 'x'"),
        ("y", "strided= has unknown input 'y'"),
        (("x", "x"), "strided= names 'x' twice; once is enough"),
        ("scale", "strided= names 'scale', which has no axes, hence no strides; leave it out"),
    ],
)
def test_mistakes_in_a_declaration_are_named(strided, message):
    with pytest.raises(SpecError) as caught:
        spec_of(strided=strided)
    assert message in str(caught.value)


def test_only_what_a_task_allows_is_laid_out():
    assert not set(applicable_patterns(spec_of())) & set(LAYOUTS)
    spec = spec_of(strided="x")
    assert set(LAYOUTS) <= set(applicable_patterns(spec))
    cases = hunting_cases(spec, 4)
    for case in cases:
        assert case.strided == (("x",) if case.pattern in LAYOUTS else ())
    layouts = {pattern: {case.inputs[0].layout for case in cases if case.pattern == pattern} for pattern in LAYOUTS}
    assert all(len(one) == 1 for one in layouts.values())  # the same in both dtypes
    assert hunting_cases(spec, 4) == cases
    others = {case.inputs[0].layout for case in hunting_cases(spec, 5)} - {None}
    assert len(others - set.union(*layouts.values())) >= 3


def test_an_input_of_one_axis_is_stepped_and_shifted():
    def double(x):
        """Twice as much."""
        return 2 * x

    spec = kernel_spec(
        "demo/double",
        inputs={"x": "n : float32"},
        outputs={"y": "n : float32"},
        cases=[edge(n=1), edge(n=100)],
        strided="x",
    )(double)
    assert {case.pattern for case in hunting_cases(spec, 1) if case.strided} == {"stepped", "shifted"}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pattern", LAYOUTS)
def test_a_layout_holds_the_same_values_between_poison(pattern, name):
    rng = np.random.default_rng(3)
    for shape in [(1,), (7,), (1, 1), (5, 3), (2, 1, 4), (3, 4, 5, 2)]:
        if len(shape) < LAYOUT_AXES[pattern]:
            continue
        values = rng.integers(0, 2, shape).astype(dtype(name))
        info = ArrayInfo("x", shape, name, draw(pattern, shape, rng))
        memory = spread(values, info)
        np.testing.assert_array_equal(gather(memory, info).astype(float), values.astype(float))
        assert is_untouched(memory, info)
        between = np.delete(memory, places(info, np.arange(info.size))).astype(float)
        assert between.size >= 1
        assert np.isnan(between).all() or (between > 0).all()
        at = places(info, np.arange(info.size))
        assert len(set(at.tolist())) == info.size
        memory[next(place for place in range(memory.size) if place not in set(at.tolist()))] = 0
        assert not is_untouched(memory, info)


def test_patterns_lie_as_they_promise():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        row, column = draw("sliced", (6, 5), rng).strides
        assert (row > 5, column) == (True, 1)
        assert draw("transposed", (6, 5), rng).strides == (1, 6)
        assert sorted(draw("transposed", (6, 5, 4), rng).strides) != list(draw("transposed", (6, 5, 4), rng).strides)
        row, column = draw("stepped", (6, 5), rng).strides
        assert (column in (2, 3), row) == (True, 5 * column)
        shifted = draw("shifted", (6, 5), rng)
        assert (shifted.strides, shifted.offset % 2) == ((5, 1), 1)


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (Layout((8,), 0, 100), "does not fit shape"),
        (Layout((5, 1), -1, 100), "does not fit shape"),
        (Layout((4, 1), 0, 100), "lie over each other"),
        (Layout((5, 0), 0, 100), "lie over each other"),
        (Layout((-5, 1), 50, 100), "lie over each other"),
        (Layout((5, 1), 3, 17), "ends before the last element"),
    ],
)
def test_a_layout_from_a_damaged_record_touches_no_other_memory(layout, message):
    with pytest.raises(ValueError, match=message):
        spread(np.zeros((3, 5), np.float32), ArrayInfo("x", (3, 5), "float32", layout))


@pytest.mark.parametrize("backend", sorted(IGNORES))
def test_a_kernel_that_ignores_strides_is_refused(session, backend):
    records = judged(session, backend, IGNORES[backend], cases=[*LAID_OUT, "*@fresh"])
    assert records["fresh"].status == "passed", records["fresh"].verdict.message
    statuses = {pattern: records[pattern].status for pattern in LAYOUTS}
    assert statuses == {"sliced": "failed", "transposed": "failed", "stepped": "failed", "shifted": "passed"}
    assert "elements of 'y'" in records["sliced"].verdict.message
    assert records["sliced"].case.key.endswith("@sliced")
    assert "strides" in records["sliced"].case.describe()


@pytest.mark.parametrize("backend", sorted(HONOURS))
def test_a_kernel_that_honours_strides_passes(session, backend):
    records = judged(session, backend, HONOURS[backend], dtypes=("float32", "float16"))
    assert {pattern: record.verdict.message for pattern, record in records.items()} == dict.fromkeys(LAYOUTS, "")


def test_cuda_directives_are_given_contiguous_copies(session):
    source = """
// kparity: launch add<T> grid=rows block=64 args=x,bias,y,cols
template <typename U>
__global__ void add(const U* x, const U* bias, U* y, long long cols) {
    for (long long c = threadIdx.x; c < cols; c += blockDim.x)
        y[blockIdx.x * cols + c] =
            kparity::from_float<U>(kparity::to_float(x[blockIdx.x * cols + c]) + kparity::to_float(bias[c]));
}
"""
    records = judged(session, "cuda", source)
    assert {record.verdict.message for record in records.values()} == {""}
    assert len(records) == len(LAYOUTS)


def test_a_backend_without_strides_says_so(session):
    _, case = add_bias_case(session, "sliced")
    source = "def add_bias(x, bias):\n    return x + bias\n"
    record = judged(session, "jax", source)["sliced"]
    assert record.status == "unsupported"
    assert record.verdict.message == "x is not contiguous here, and jax's arrays have no strides"
    runner = InlineRunner(ToyBackend())
    runner.open(0)
    runner.load(source=source, entry_point="add_bias")
    support = runner.supports(case)
    assert (support.answer, support.reason) == ("no", "x is not contiguous here, and toy's arrays have no strides")


def test_a_candidate_cannot_refuse_what_the_device_can_lay_out(session):
    source = """
from kparity import Unsupported
def add_bias(x, bias):
    if not x.flags.c_contiguous:
        raise Unsupported("this kernel wants contiguous inputs")
    return x + bias
"""
    record = judged(session, "cpu_ref", source)["transposed"]
    assert (record.status, "refused a case that the device supports" in record.verdict.message) == ("error", True)


def test_what_lies_between_elements_must_stay(session):
    source = """
import numpy as np
def add_bias(x, bias):
    y = np.ascontiguousarray(x + bias)
    if x.strides[0] > x.shape[1] * x.itemsize:
        np.lib.stride_tricks.as_strided(x, (x.shape[1] + 1,), (x.itemsize,))[-1] = 0
    return y
"""
    record = judged(session, "cpu_ref", source)["sliced"]
    assert record.status == "failed"
    assert "modified its inputs or what lies between their elements" in record.verdict.message


def test_later_calls_meet_the_same_layout(session):
    lazy = """
import numpy as np
calls = 0
def add_bias(x, bias):
    global calls
    calls += 1
    if calls > 3:
        x = np.lib.stride_tricks.as_strided(x, x.shape, (x.shape[1] * x.itemsize, x.itemsize))
    return np.ascontiguousarray(x + bias)
"""
    record = judged(session, "cpu_ref", lazy, cases=["*@sliced"])["sliced"]
    assert record.status == "failed"
    assert record.verdict.message.startswith("repeated: in a later call, bound: ") or "non_finite" in (
        record.verdict.message
    )


@pytest.mark.parametrize("pattern", LAYOUTS)
def test_timed_calls_meet_the_same_layout(session, pattern):
    spec, case = add_bias_case(session, pattern)
    inputs = generate(spec, case, 8)
    runner = InlineRunner(CpuRefBackend())
    runner.open(0)
    seen = []
    runner.load(source=HONOURS["cpu_ref"], entry_point="add_bias")
    honest = runner._at.function
    runner._at.function = lambda x, bias: seen.append((x.strides, x.ctypes.data % 16)) or honest(x, bias)
    returned = runner.execute(case, inputs)
    np.testing.assert_array_equal(returned.outputs[0], inputs[0] + inputs[1])
    assert returned.inputs_digest == digest(inputs)
    runner.measure(TimingPolicy(budget_s=0.01, minimum=3))
    runner.sample(2, cold=False)
    layout = case.inputs[0].layout
    assert {strides for strides, _ in seen} == {tuple(4 * stride for stride in layout.strides)}
    assert {place for _, place in seen} == {layout.offset * 4 % 16}
    assert len(seen) > 5


class Replacing(ToyBackend):
    """Host memory with strides, whose `alter` gives a new array each time."""

    def strided(self, memory, shape, strides, offset):
        return CpuRefBackend.strided(self, memory, shape, strides, offset)


@pytest.mark.parametrize("backend", [Replacing(), CpuRefBackend()], ids=["new array", "in place"])
@pytest.mark.parametrize("pattern", LAYOUTS)
def test_altered_and_duplicated_arguments_keep_their_layout(backend: Backend, pattern):
    backend.open()
    rng = np.random.default_rng(1)
    info = ArrayInfo("x", (6, 5), "float32", draw(pattern, (6, 5), rng))
    plain = ArrayInfo("bias", (5,), "float32")
    inputs = (rng.standard_normal((6, 5)).astype(np.float32), np.arange(5, dtype=np.float32))
    arguments = Arguments.put(backend, (info, plain), inputs)
    copy = arguments.copied(backend.duplicate)
    copy.alter(0, Change(np.array([3, 29]), np.array([7, 8], np.float32)))
    copy.alter(1, Change(np.array([4]), np.array([9], np.float32)))
    changed = (inputs[0].copy(), inputs[1].copy())
    changed[0].flat[[3, 29]] = 7, 8
    changed[1][4] = 9
    assert (arguments.digest(), copy.digest()) == (digest(inputs), digest(changed))
    np.testing.assert_array_equal(copy[0], changed[0])
    np.testing.assert_array_equal(copy[1], changed[1])
    assert copy[0].strides == arguments[0].strides == tuple(4 * stride for stride in info.layout.strides)


def test_a_bundle_keeps_the_layout(session, tmp_path):
    run = session.prepare_candidate(
        ADD_BIAS, "cpu_ref", IGNORES["cpu_ref"], cases=["*@sliced"], dtypes=["float32"], hunt=True, options=UNTIMED
    )
    run.replays = tmp_path
    (record,) = run
    (path,) = tmp_path.iterdir()
    read = Bundle.read(path)
    assert read.evaluation.case == record.case
    assert read.evaluation.case.inputs[0].layout == add_bias_case(session, "sliced")[1].inputs[0].layout
    assert replay(session, read).message.startswith("reproduced: failed (")


def test_a_bundle_with_an_impossible_layout_does_no_harm(session, tmp_path):
    run = session.prepare_candidate(
        ADD_BIAS, "cpu_ref", IGNORES["cpu_ref"], cases=["*@sliced"], dtypes=["float32"], hunt=True, options=UNTIMED
    )
    (record,) = run
    first, *rest = record.case.inputs
    wild = msgspec.structs.replace(first, layout=Layout((1 << 40, 1), 0, 64))
    case = msgspec.structs.replace(record.case, inputs=(wild, *rest))
    bundle = Bundle(
        evaluation=msgspec.structs.replace(record, case=case),
        run=run.info,
        source=IGNORES["cpu_ref"],
        entry_point="add_bias",
    )
    now = replay(session, bundle).now
    assert (now.status, "ends before the last element" in now.message) == ("error", True)


def test_a_resumed_run_keeps_the_layout(session, tmp_path):
    chosen = Selection(
        tasks=(ADD_BIAS,),
        backends=("cpu_ref",),
        implementations=("cpu_ref:numpy",),
        dtypes=("float16",),
        cases=tuple(LAID_OUT),
        hunt=True,
    )
    whole = {record.case.key: record for record in session.prepare(chosen, UNTIMED)}
    run = session.prepare(chosen, UNTIMED, out=tmp_path / "run")
    stream = iter(run)
    next(stream)
    stream.close()
    rest = list(session.resume(tmp_path / "run"))
    assert len(rest) == len(whole) - 1
    _, finished = read_run(tmp_path / "run")
    assert {record.case.key: (record.case, record.inputs_digest, record.status) for record in finished} == {
        key: (record.case, record.inputs_digest, "passed") for key, record in whole.items()
    }
    assert all(record.case.strided for record in finished)
