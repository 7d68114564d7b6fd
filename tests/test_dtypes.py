"""Data types by name, and `spacing`: one ulp, checked against the formats themselves."""

from __future__ import annotations

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from kparity import UnknownNameError, dtypes


def test_every_name_is_a_dtype_of_that_name():
    assert {dtypes.dtype(name).name for name in dtypes.NAMES} == set(dtypes.NAMES)
    assert {name for name in dtypes.NAMES if dtypes.is_float(name)} == {
        *("float64", "float32", "float16", "bfloat16", "float8_e4m3fn", "float8_e5m2")
    }
    with pytest.raises(UnknownNameError, match=r"unknown dtype 'float23'\. Did you mean 'float32'"):
        dtypes.dtype("float23")


def test_spacing_equals_numpys_for_every_float16():
    values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    finite = values[np.isfinite(values) & (np.abs(values) < np.finfo(np.float16).max)]
    expected = np.spacing(np.abs(finite)).astype(np.float64)
    np.testing.assert_array_equal(dtypes.spacing(finite.astype(np.float64), "float16"), expected)


@given(arrays.arrays(np.uint32, 500, elements=st.integers(0, 2**32 - 1)))
def test_spacing_equals_numpys_for_float32(bits):
    values = bits.view(np.float32)
    values = values[np.isfinite(values) & (np.abs(values) < np.finfo(np.float32).max)]
    expected = np.spacing(np.abs(values)).astype(np.float64)
    np.testing.assert_array_equal(dtypes.spacing(values.astype(np.float64), "float32"), expected)


@pytest.mark.parametrize("name", ["bfloat16", "float8_e5m2", "float8_e4m3fn"])
def test_spacing_is_the_gap_to_the_next_number_of_the_machine_learning_formats(name):
    unsigned = np.uint16 if name == "bfloat16" else np.uint8
    signed = (np.arange(1 << (8 * np.dtype(unsigned).itemsize - 1)).astype(unsigned)).view(getattr(ml_dtypes, name))
    with np.errstate(invalid="ignore"):
        numbers = signed.astype(np.float64)
    numbers = numbers[np.isfinite(numbers)]
    gaps = np.diff(numbers)
    assert (gaps > 0).all()
    np.testing.assert_array_equal(dtypes.spacing(numbers[:-1], name), gaps)
    np.testing.assert_array_equal(dtypes.spacing(-numbers[:-1], name), gaps)


def test_spacing_between_numbers_is_that_of_the_number_below():
    just_below_two = 2 - 1e-12
    assert dtypes.spacing(np.array([1.0, 1.7, just_below_two, 2.0]), "float32").tolist() == [2**-23] * 3 + [2**-22]
    assert dtypes.spacing(np.array([0.0, 1e-60]), "float32").tolist() == [2.0**-149] * 2
    assert np.isnan(dtypes.spacing(np.array([np.nan, np.inf, -np.inf]), "float16")).all()
    assert dtypes.spacing(np.array(1.0), "float64") == 2.0**-52
