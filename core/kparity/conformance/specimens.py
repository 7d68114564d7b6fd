"""The task that conformance checks run, and its realizations: one that is right and many that cheat.

They are in plain Python with operators, which most device arrays have. A backend whose `load` takes another language,
or whose arrays have no operators, gives its own by name in `Backend.specimens`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from kparity.declaring import kernel_spec
from kparity.dtypes import NAMES
from kparity.signature import edge, typical


@kernel_spec(
    "conformance/doubled",
    inputs={"x": "n : T"},
    outputs={"y": "n : T"},
    dtypes={"T": NAMES},
    cases=[edge(n=1), edge(n=257), typical(n=1000)],
)
def doubled(x: np.ndarray) -> np.ndarray:
    """Every element twice: y[i] = x[i] + x[i]."""
    return np.asarray(x + x)


DOUBLED = doubled

PYTHON: Mapping[str, str] = {
    "doubled": "def doubled(x):\n    return x + x\n",
    "raising": "def doubled(x):\n    raise ArithmeticError('raised on purpose')\n",
    "malformed": "this is ( no program\n",
    "nameless": "def something_else(x):\n    return x + x\n",
    "zeros": "def doubled(x):\n    return x - x\n",
    "constant": "def doubled(x):\n    return x - x + 1\n",
    "echo": "def doubled(x):\n    return x\n",
    "slightly_off": "def doubled(x):\n    return x * 2.002\n",
    "not_a_number": "def doubled(x):\n    return (x + x) * float('nan')\n",
    "wrong_dtype": "def doubled(x):\n    return x == x\n",
    "too_short": "def doubled(x):\n    return (x + x)[1:]\n",
    "extra_axis": "def doubled(x):\n    return (x + x)[None]\n",
    "too_many": "def doubled(x):\n    return x + x, x\n",
    "nothing": "def doubled(x):\n    return None\n",
    "host_list": "def doubled(x):\n    return [0.0]\n",
    "host_memory": (
        "import numpy\n\nclass Mine(numpy.ndarray):\n    pass\n\n"
        "def doubled(x):\n    return numpy.zeros(x.shape, 'float32').view(Mine)\n"
    ),
    "changed_input": "def doubled(x):\n    y = x + x\n    x[:1] = x[:1] * 0 + 7\n    return y\n",
    "stale_output": (
        "import sys\n\nkept = sys.modules.setdefault('kparity_stale', type(sys)('kparity_stale')).__dict__\n\n"
        "def doubled(x):\n    return kept.setdefault('first', x + x)\n"
    ),
}
"""Source texts by name; each defines `doubled(x)`. A backend may add `sideways`: right, and it leaves at least ten
milliseconds of work on a second queue that no output depends on; `unwritten`: returns fresh memory as it is; and
`overrunning`: writes behind its output."""

CHEATS: Mapping[str, str] = {
    "zeros": "zeros instead of the result",
    "constant": "ones instead of the result",
    "echo": "its input, untouched",
    "slightly_off": "a result that is 0.1 % too large",
    "not_a_number": "NaN everywhere",
    "wrong_dtype": "another dtype than declared",
    "too_short": "one element too few",
    "extra_axis": "an axis too many",
    "too_many": "an output too many",
    "nothing": "None",
    "host_list": "a list",
    "host_memory": "a subclass of the host's arrays",
    "changed_input": "the right result, after overwriting its input",
    "stale_output": "the result of an earlier call",
}
"""Candidates that must not pass: what each of them returns."""
