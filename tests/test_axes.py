"""Axis expressions and tensor notation."""

from __future__ import annotations

import math
import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kparity import Expression, SpecError, integers, tensor
from kparity.axes import split_axes

LENGTHS = st.integers(1, 50)


@pytest.mark.parametrize(
    ("text", "names", "value"),
    [
        ("rows", {"rows"}, 12),
        ("  7 ", set(), 7),
        ("(h - kh) // stride + 1", {"h", "kh", "stride"}, 4),
        ("2 * (rows + 1) % 5", {"rows"}, 1),
        ("-h + rows", {"h", "rows"}, 2),
        ("min(rows, h, 11) * max(1, kh)", {"rows", "h", "kh"}, 30),
        ("ceil(rows / 5)", {"rows"}, 3),
        ("log2(kh + 5)", {"kh"}, 3.0),
        ("rows ** -0.5", {"rows"}, 12**-0.5),
        ("h-kh//2*3", {"h", "kh"}, 7),
    ],
)
def test_an_expression_follows_pythons_arithmetic(text, names, value):
    expression = Expression(text)
    assert expression.names == names
    assert expression.evaluate({"rows": 12, "h": 10, "kh": 3, "stride": 2, "unused": 0}) == value


@given(LENGTHS, LENGTHS, LENGTHS)
def test_precedence_is_pythons_for_any_lengths(a, b, c):
    values = {"a": a, "b": b, "c": c}
    for text in ("a + b * c", "a - b - c", "a // b % c", "-a + b // c", "(a + b) * c - a", "2 * a ** 2 // b"):
        assert Expression(text).evaluate(values) == eval(text, {}, dict(values))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "cannot be parsed"),
        ("a +", "cannot be parsed"),
        ("a b", "cannot be parsed"),
        ("__import__('os').getcwd()", "allowed are"),
        ("rows.real", "'rows.real'"),
        ("[1]", "allowed are"),
        ("lambda: 1", "allowed are"),
        ("sum(a)", "'sum(a)'"),
        ("max(a, key=b)", "allowed are"),
        ("a if b else c", "allowed are"),
        ("a < b", "allowed are"),
        ("a & 1", "'a & 1'"),
        ("'text'", "allowed are"),
    ],
)
def test_whatever_is_not_arithmetic_is_refused_by_its_text(text, complaint):
    with pytest.raises(SpecError) as error:
        Expression(text)
    assert repr(text) in str(error.value)
    assert complaint in str(error.value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rows + cols", "needs 'cols', which is not bound; bound: ['rows', 'zero']"),
        ("rows // zero", "cannot be evaluated"),
        ("rows % zero", "cannot be evaluated"),
        ("log2(zero)", "cannot be evaluated"),
        ("max()", "cannot be evaluated"),
    ],
)
def test_what_cannot_be_evaluated_names_the_expression(text, complaint):
    with pytest.raises(SpecError) as error:
        Expression(text).evaluate({"rows": 3, "zero": 0})
    assert repr(text) in str(error.value)
    assert complaint in str(error.value)


@pytest.mark.parametrize(("text", "value"), [("rows - 4", -1), ("rows / 2", 1.5), ("rows / 3", 1.0), ("flag", True)])
def test_an_extent_is_an_integer_that_is_not_negative(text, value):
    with pytest.raises(SpecError, match="expected an integer >= 0") as error:
        Expression(text).extent({"rows": 3, "flag": True})
    assert repr(text) in str(error.value)
    assert repr(value) in str(error.value)
    assert Expression("rows - 3").extent({"rows": 3}) == 0


@pytest.mark.parametrize(
    ("notation", "axes", "dtype"),
    [
        ("rows cols : T", ["rows", "cols"], "T"),
        ("rows  cols:T", ["rows", "cols"], "T"),
        (" : float32", [], "float32"),
        ("batch (h - kh)//stride+1 : T", ["batch", "(h - kh)//stride+1"], "T"),
        ("batch, (h - kh) // stride + 1 : T", ["batch", "(h - kh) // stride + 1"], "T"),
        ("batch, h - kh : T", ["batch", "h - kh"], "T"),
        ("n, max(h, kh) : T", ["n", "max(h, kh)"], "T"),
        ("max(h, kh) n : T", ["max(h, kh)", "n"], "T"),
        ("4 n : bfloat16", ["4", "n"], "bfloat16"),
    ],
)
def test_tensor_notation_is_axes_then_dtype(notation, axes, dtype):
    parsed = tensor(notation)
    assert [axis.text for axis in parsed.axes] == axes
    assert parsed.dtype == dtype
    assert parsed.distribution is None
    assert tensor(notation, integers(0, 3)).distribution == integers(0, 3)


@pytest.mark.parametrize(
    ("notation", "complaint"),
    [
        ("rows cols", "tensor 'rows cols': expected 'axes : dtype'"),
        ("rows cols :", "tensor 'rows cols :': expected 'axes : dtype'"),
        ("", "tensor '': expected 'axes : dtype'"),
        ("rows (cols : T", "'(cols' cannot be parsed"),
        ("rows cols) : T", "cannot be parsed"),
        ("rows[0] cols : T", "'rows[0]' uses 'rows[0]'"),
    ],
)
def test_malformed_notation_is_refused_by_its_text(notation, complaint):
    with pytest.raises(SpecError) as error:
        tensor(notation)
    assert complaint in str(error.value)


@given(st.lists(st.tuples(st.sampled_from("abc"), LENGTHS, st.sampled_from([operator.add, operator.mul])), max_size=4))
def test_spaces_and_commas_split_the_same_shape(parts):
    symbols = {operator.add: "+", operator.mul: "*"}
    axes = [f"{name} {symbols[op]} {number}" for name, number, op in parts]
    by_comma = split_axes(", ".join(axes) + ("," if len(axes) == 1 else ""))
    by_space = split_axes(" ".join(f"({axis})" for axis in axes))
    values = {"a": 2, "b": 3, "c": 5}
    expected = [op(values[name], number) for name, number, op in parts]
    assert [axis.extent(values) for axis in by_comma] == [axis.extent(values) for axis in by_space] == expected
    assert math.prod(axis.extent(values) for axis in by_space) == math.prod(expected)
