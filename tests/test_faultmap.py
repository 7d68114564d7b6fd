"""Where errors lie, in words and as a picture."""

from __future__ import annotations

import numpy as np
import pytest

from kparity.faultmap import HEIGHT, WIDTH, describe, picture


def mask(shape, where):
    wrong = np.zeros(shape, dtype=bool)
    wrong[where] = True
    return wrong


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (mask((4, 8), ()), "everywhere"),
        (mask((4, 8), (2, 3)), "a single element"),
        (mask((1000,), np.s_[983:]), "the tail: the last 17 of 1,000 elements"),
        (mask((1000,), np.s_[:128]), "the head: elements 0 to 127 of 1,000"),
        (mask((1000,), np.s_[256:384]), "one stretch: elements 256 to 383 of 1,000"),
        (mask((1000,), np.s_[::4]), "one in 4 elements, evenly spaced, from 0 to 996 of 1,000"),
        (mask((50, 64), np.s_[7]), "one row: 7 of 50"),
        (mask((50, 64), np.s_[48:]), "the tail: the last 2 of 50 rows"),
        (mask((50, 64), np.s_[:, 9]), "one column: 9 of 64 of every row"),
        (mask((50, 64), np.s_[:, 60:]), "the tail: the last 4 of 64 columns of every row"),
        (mask((50, 64), np.s_[:, 1::2]), "one in 2 columns, evenly spaced, from 1 to 63 of 64 of every row"),
        (mask((50, 64), np.s_[16:32, 16:32]), "one tile: rows 16 to 31, columns 16 to 31"),
        (mask((2, 25, 64), np.s_[1, 0, :5]), "one tile: rows 25 to 25, columns 0 to 4"),
        (mask((50, 64), np.s_[:, 1:]) | mask((50, 64), np.s_[:40, 0]), "almost everywhere: 3,190 of 3,200 elements"),
        (mask((), ()), "everywhere"),
    ],
)
def test_the_pattern_is_named(wrong, words):
    assert describe(wrong) == words


def test_random_errors_are_scattered_and_none_are_nowhere():
    wrong = np.random.default_rng(1).random((64, 64)) < 0.2
    assert describe(wrong) == "scattered over 64 of 64 rows and 64 of 64 columns"
    assert describe(mask(64, [3, 20, 60])) == "scattered over elements 3 to 60 of 64"
    assert describe(np.zeros((3, 4), dtype=bool)) == "nowhere"


def test_a_ragged_tail_of_the_last_row_is_a_tail():
    assert describe(mask(64 * 50, np.s_[3130:]).reshape(50, 64)) == "the tail: the last 70 of 3,200 elements"


def test_the_picture_shows_the_tile_in_its_place():
    lines = picture(mask((80, 320), np.s_[10:20, 100:120])).splitlines()
    assert len(lines) == HEIGHT
    assert {len(line) for line in lines} == {WIDTH}
    assert lines[1] == "·" * 10 + "██" + "·" * 20
    assert all(set(line) == {"·"} for place, line in enumerate(lines) if place != 1)


@pytest.mark.slow
def test_a_single_wrong_element_never_vanishes_from_the_picture():
    lines = picture(mask((1000, 100_000), (999, 99_999))).splitlines()
    assert lines[-1] == "·" * 31 + "░"


def test_a_vector_is_laid_out_in_lines_and_small_arrays_stay_small():
    lines = picture(mask((2560,), np.s_[2550:])).splitlines()
    assert len(lines) == 8
    assert lines[-1] == "·" * 31 + "█"
    assert picture(mask((2, 3), (1, 2))) == "···\n··█"
    assert picture(mask((40,), 39)).splitlines()[1].rstrip() == "·······█"
    assert picture(np.zeros((0, 4), dtype=bool)) == ""
    assert picture(mask((), ())) == "█"
