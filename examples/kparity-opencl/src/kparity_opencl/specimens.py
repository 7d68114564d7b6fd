"""Candidates for kparity's conformance suite in OpenCL C, where an error is one of the compiler or of a launch.

What a kernel cannot do here, such as returning a list, the suite leaves unchecked.
"""

from __future__ import annotations

_KERNEL = """
// kparity: launch doubled global=n LOCAL

kernel void doubled(global T *x, global T *y) {
    size_t i = get_global_id(0);
    STATEMENT;
}
"""

_STATEMENTS = {
    "doubled": "store_T(y, i, load_T(x, i) + load_T(x, i))",
    "zeros": "store_T(y, i, 0)",
    "constant": "store_T(y, i, 1)",
    "echo": "y[i] = x[i]",
    "slightly_off": "store_T(y, i, load_T(x, i) * 2.002f)",
    "not_a_number": "store_T(y, i, NAN)",
    "changed_input": "store_T(y, i, load_T(x, i) + load_T(x, i)); if (i == 0) store_T(x, 0, 7)",
    "malformed": "this is ( no program",
}

SPECIMENS = {
    **{name: _KERNEL.replace("LOCAL", "").replace("STATEMENT", text) for name, text in _STATEMENTS.items()},
    "raising": _KERNEL.replace("LOCAL", "local=1000000000").replace(
        "STATEMENT", ""
    ),  # more than any device has in a work-group
    "nameless": _KERNEL.replace("doubled", "something_else").replace("LOCAL", "").replace("STATEMENT", ""),
}
"""Source texts by name, each for the task `conformance/doubled`."""
