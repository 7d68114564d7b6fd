"""What is no kernel is refused with its line; sizes and attributes arrive as macros."""

import pytest
from kparity import CandidateError, Session

from kparity_opencl.language import OpenCLSource

TEXT = """
// kparity: launch twice global=n local=1

kernel void twice(global T *x, global T *y) {}
"""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("kernel void twice() {}", "nothing says how to launch"),
        (TEXT.replace("void twice", "void thrice"), "line 2: no kernel 'twice' is defined"),
        (TEXT.replace("global=n", "global=n+"), "line 2: axis expression 'n+' cannot be parsed"),
        (TEXT.replace("twice", "thrice"), "line 2: no kernel 'twice' is launched"),
    ],
)
def test_what_is_no_kernel_is_refused(text, told):
    with pytest.raises(CandidateError, match=told.replace("+", r"\+")):
        OpenCLSource.parse(text, "twice")


def test_an_extent_that_the_case_does_not_have_is_refused():
    (launch,) = OpenCLSource.parse(TEXT, "twice").launches
    assert launch.extents({"n": 5}) == ((5,), (1,))
    with pytest.raises(CandidateError, match="line 2: .*needs 'n', which is not bound"):
        launch.extents({"rows": 5})


def test_sizes_and_attributes_are_macros():
    case = next(
        one for one in Session().catalogue.task("activation/gelu").cases() if one.attributes["approximate"] == "tanh"
    )
    unit = OpenCLSource.parse(TEXT, "twice").unit(case).splitlines()
    assert {f"#define N {case.axes['n']}", "#define APPROXIMATE_TANH 1"} <= set(unit)
    assert unit[unit.index("#line 1") + 1 :] == TEXT.splitlines()
