"""`kernel_spec`: what it derives, and every contradiction that it refuses by the spec's name."""

from __future__ import annotations

import numpy as np
import pytest
from toy import Plugin

from kparity import (
    Session,
    SpecError,
    edge,
    hookimpl,
    integers,
    kernel_spec,
    normal,
    perf,
    tensor,
    typical,
    uniform,
)


def declare(reference=None, name="demo/pool", **changes):
    """A valid declaration with some of its arguments replaced."""

    def pool(x, weight, stride=1):
        """Every stride-th element times the weight."""
        return x[..., ::stride] * weight

    arguments = {
        "inputs": {"x": "rows cols : T", "weight": "(cols-1)//stride+1 : float32"},
        "outputs": {"y": "rows (cols-1)//stride+1 : T"},
        "dtypes": {"T": ("float32", "bfloat16")},
        "cases": [edge(rows=1, cols=1), typical(rows=4, cols=9, stride=2), perf(rows=64, cols=64)],
        "flops": "rows * ((cols - 1) // stride + 1)",
    }
    return kernel_spec(name, **{**arguments, **changes})(reference or pool)


def test_a_spec_derives_its_contract_from_the_reference():
    spec = declare()
    assert (spec.name, spec.category, spec.entry_point) == ("demo/pool", "demo", "pool")
    assert spec.description == "Every stride-th element times the weight."
    assert spec.signature == "pool(x, weight, stride=1) -> y"
    assert spec.axis_names == ("rows", "cols")
    assert spec.attributes == {"stride": 1}
    assert spec.inputs["x"].distribution == normal()
    assert (
        declare(inputs={"x": "rows cols : T", "weight": "(cols-1)//stride+1 : int32"}).inputs["weight"].distribution
        == integers()
    )


def test_cases_bind_every_dtype_in_declaration_order():
    spec = declare()
    assert [case.key for case in spec.cases()] == [
        "rows=1,cols=1,T=float32",
        "rows=1,cols=1,T=bfloat16",
        "rows=4,cols=9,stride=2,T=float32",
        "rows=4,cols=9,stride=2,T=bfloat16",
        "rows=64,cols=64,T=float32",
        "rows=64,cols=64,T=bfloat16",
    ]
    case = spec.cases(roles=["typical"], dtypes=["bfloat16"])[0]
    assert (case.role, case.axes, case.dtypes) == ("typical", {"rows": 4, "cols": 9}, {"T": "bfloat16"})
    assert case.attributes == {"stride": 2}
    assert [(array.name, array.shape, array.dtype) for array in (*case.inputs, *case.outputs)] == [
        ("x", (4, 9), "bfloat16"),
        ("weight", (5,), "float32"),
        ("y", (4, 5), "bfloat16"),
    ]
    assert case.flops == 20
    assert case.bytes == 4 * 9 * 2 + 5 * 4 + 4 * 5 * 2
    assert case.elements == 36 + 5 + 20
    assert case.describe() == "x bfloat16[4, 9], weight float32[5] -> y bfloat16[4, 5]"
    overridden = declare(bytes="rows * cols * sizeof_T + 1").cases(roles=["typical"])
    assert [case.bytes for case in overridden] == [36 * 4 + 1, 36 * 2 + 1]


def test_scalars_zero_lengths_and_fixed_lengths_are_shapes():
    def reference(x, start):
        """Sum of x, from start."""
        return np.sum(x, axis=1) + start

    spec = kernel_spec(
        "demo/sum",
        inputs={"x": "rows 3 : float32", "start": " : float32"},
        outputs={"y": "rows : float32"},
        cases=[edge(rows=0), edge(rows=2)],
    )(reference)
    assert [[array.shape for array in case.inputs] for case in spec.cases()] == [[(0, 3), ()], [(2, 3), ()]]
    assert spec.cases()[0].bytes == 4
    assert spec.cases()[0].flops is None


def without_docstring(x, weight, stride=1):
    return x[..., ::stride] * weight


def other_parameters(x, bias, stride=1):
    """Takes something else."""


def no_attribute(x, weight):
    """Knows no stride."""


def anything(*arrays, **attributes):
    """Takes what comes."""


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": "pool"}, "the name must be 'category/name'"),
        ({"name": "demo/2d"}, "the name must be 'category/name'"),
        ({"name": "demo/a/b"}, "the name must be 'category/name'"),
        ({"reference": without_docstring}, "the reference needs a docstring"),
        ({"reference": other_parameters}, "takes ['x', 'bias'] but inputs declares ['x', 'weight']"),
        ({"reference": anything}, "but inputs declares ['x', 'weight']"),
        ({"reference": no_attribute}, "axis 'stride' is not bound"),
        ({"inputs": {"weight": " : T", "x": "rows : T"}}, "name every input, in order"),
        ({"outputs": {}}, "at least one input and one output"),
        ({"cases": []}, "declare at least one case"),
        ({"cases": [edge(rows=1, cols=1), edge(rows=1, cols=1, depth=2)]}, "unknown axis 'depth'"),
        ({"cases": [edge(rows=1)]}, "axis 'cols' is not bound"),
        ({"cases": [edge(rows=1, cols=-1)]}, "axis 'cols' is -1; expected an integer >= 0"),
        ({"cases": [edge(rows=1, cols=2.0)]}, "axis 'cols' is 2.0; expected an integer >= 0"),
        ({"cases": [edge(rows=True, cols=2)]}, "axis 'rows' is True; expected an integer >= 0"),
        ({"cases": [edge(rows=1, cols=1), perf(cols=1, rows=1)]}, "is declared twice"),
        ({"cases": [edge(rows=1, cols=1), edge(rows=1, cols=1, stride=1)]}, "is declared twice"),
        ({"cases": [edge(rows=1, cols=4, stride=0)]}, "cannot be evaluated"),
        ({"dtypes": {"T": ("float32", "bfloat61")}}, "unknown dtype 'bfloat61'. Did you mean 'bfloat16'"),
        ({"dtypes": {"T": ()}}, "dtype variable 'T' allows no dtype"),
        ({"outputs": {"y": "rows cols : U"}}, "'y' has unknown dtype 'U'"),
        (
            {"inputs": {"x": "rows cols : flaot32", "weight": "cols : T"}},
            "unknown dtype 'flaot32'. Did you mean 'float32'",
        ),
        (
            {"inputs": {"x": "rows cols : Q", "weight": "cols : T"}, "outputs": {"x": "rows cols : T"}},
            "'x' has unknown dtype 'Q'",
        ),
        ({"outputs": {"y": "rows cols - 5 * rows : T"}}, "cannot be parsed"),
        ({"outputs": {"y": "rows, cols - 2 : T"}}, "'y': axis expression 'cols - 2' gives -1"),
        ({"outputs": {"y": "rows, cols / 2 : T"}}, "'y': axis expression 'cols / 2' gives 0.5"),
        ({"outputs": {"y": "rows cols"}}, "expected 'axes : dtype'"),
        ({"flops": "rows * depth"}, "needs 'depth', which is not bound"),
        ({"flops": "rows *"}, "cannot be parsed"),
        ({"bytes": "rows * sizeof_U"}, "needs 'sizeof_U', which is not bound"),
    ],
)
def test_a_contradictory_declaration_is_refused_by_the_specs_name(changes, complaint):
    with pytest.raises(SpecError) as error:
        declare(**changes)
    assert str(error.value).startswith(f"spec {changes.get('name', 'demo/pool')!r}")
    assert complaint in str(error.value)


def wrong_rank(x):
    """Forgets an axis."""
    return x[0]


def wrong_length(x):
    """Drops an element."""
    return x[:, 1:]


def too_many(x):
    """Returns twice."""
    return x, x


def wrong_kind(x):
    """Returns places, not values."""
    return np.argsort(x, axis=-1)


def explodes(x):
    """Raises."""
    raise ZeroDivisionError("no luck")


@pytest.mark.parametrize(
    ("reference", "complaint"),
    [
        (wrong_rank, "output 'y' has shape (3,), declared is (2, 3)"),
        (wrong_length, "output 'y' has shape (2, 2), declared is (2, 3)"),
        (too_many, "the reference returned 2 arrays, 1 are declared"),
        (wrong_kind, "output 'y' is int64, declared is float32"),
        (explodes, "the reference raised ZeroDivisionError: no luck"),
    ],
)
def test_a_reference_that_disagrees_with_its_declaration_is_a_fault_at_registration(reference, complaint):
    spec = kernel_spec(
        "demo/wrong",
        inputs={"x": "rows cols : float32"},
        outputs={"y": "rows cols : float32"},
        cases=[perf(rows=2000, cols=2000), edge(rows=2, cols=3)],
    )(reference)
    catalogue = Session(extra=[Plugin("liar", tasks=[spec, declare()])], discover=False).catalogue
    (fault,) = catalogue.faults
    assert fault.plugin == "liar"
    assert "spec 'demo/wrong'" in str(fault)
    assert complaint in str(fault)
    assert list(catalogue.tasks) == ["demo/pool"]


@pytest.mark.parametrize(
    ("distribution", "complaint"),
    [(integers(0, 0), "integers("), (uniform(0, "depth"), "'depth'"), (integers(0, "rows - 2"), "high <= 0")],
)
def test_a_distribution_that_cannot_be_drawn_is_a_fault_at_registration(distribution, complaint):
    def reference(x):
        """Negation."""
        return -x

    kind = "int32" if isinstance(distribution, integers) else "float32"
    spec = kernel_spec(
        "demo/draw",
        inputs={"x": tensor(f"rows : {kind}", distribution)},
        outputs={"y": f"rows : {kind}"},
        cases=[edge(rows=2)],
    )(reference)
    catalogue = Session(extra=[Plugin("drawer", tasks=[spec, declare()])], discover=False).catalogue
    (fault,) = catalogue.faults
    assert "spec 'demo/draw'" in str(fault)
    assert complaint in str(fault)
    assert list(catalogue.tasks) == ["demo/pool"]


def test_a_spec_without_a_case_small_enough_to_check_is_a_fault():
    def reference(x):
        """Negation."""
        return -x

    spec = kernel_spec("demo/huge", inputs={"x": "n : float32"}, outputs={"y": "n : float32"}, cases=[perf(n=1 << 21)])(
        reference
    )
    (fault,) = Session(extra=[Plugin(tasks=[spec])], discover=False).catalogue.faults
    assert "spec 'demo/huge': the smallest case has 4,194,304 elements" in str(fault)


def test_a_spec_that_is_refused_while_its_plugin_registers_does_not_take_the_others_along():
    class Registering:
        @hookimpl
        def register_tasks(self):
            yield declare()
            yield declare(cases=[])
            yield declare(name="demo/never_reached")

    catalogue = Session(extra=[Registering()], discover=False).catalogue
    assert list(catalogue.tasks) == ["demo/pool"]
    assert "spec 'demo/pool': declare at least one case" in str(catalogue.faults[0])
