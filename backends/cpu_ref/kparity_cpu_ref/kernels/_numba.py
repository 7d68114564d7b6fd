"""The one place where the kernels import Numba, so that its absence has one reason and one remedy.

Of Numba's thread pools the built-in `workqueue` is the default here: OpenMP's threads keep spinning after a parallel
loop, in the way of the threads of the BLAS call that follows, and GNU OpenMP ends a process that forks after using it.
`workqueue` serves one Python thread at a time. `NUMBA_THREADING_LAYER` chooses otherwise.
"""

from __future__ import annotations

import functools

from kparity import Unavailable

try:
    import numba
    from llvmlite import ir
    from numba import config, prange, types
    from numba.extending import intrinsic
except ImportError as error:
    raise Unavailable("numba is not installed", "pip install 'kparity[cpu]'") from error

if config.THREADING_LAYER == "default":
    config.THREADING_LAYER = "workqueue"

njit = functools.partial(numba.njit, cache=True, error_model="numpy")
"""`numba.njit` that keeps what it compiled on disk and divides by zero as IEEE 754 says.

Numba's default raises ZeroDivisionError as Python does, and the test for it also keeps loops from being vectorised.
"""

__all__ = ["intrinsic", "ir", "njit", "prange", "types"]
