"""The promise of `fork_safe`: after `preload`, a forked process opens the device and works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence

from kparity.conformance.workbench import NotChecked, Promise, Workbench

_TIMEOUT_S = 120.0
_SHOWN = 300

_PROGRAM = """
import os, sys
import numpy
from kparity.loading import resolve

backend = resolve(sys.argv[1])()
backend.preload()
tasks = "/proc/self/task"
if os.path.isdir(tasks) and len(os.listdir(tasks)) > 1:
    names = [open(f"{tasks}/{task}/comm").read().strip() for task in os.listdir(tasks) if int(task) != os.getpid()]
    sys.exit(f"preload left threads running: {', '.join(sorted(names))}")
child = os.fork()
if not child:
    try:
        backend.info = backend.open(int(sys.argv[2]))
        array = numpy.arange(100, dtype=sys.argv[3])
        if not numpy.array_equal(backend.get(backend.put(array)), array):
            raise ValueError("an array came back with other values")
    except BaseException as error:
        print(f"in the forked process: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def forks(bench: Workbench) -> list[str]:
    """Preload, fork, open, transfer, in a process of its own."""
    if not bench.backend.fork_safe:
        raise NotChecked("the backend says that it is not fork_safe; each worker imports for itself")
    kind = type(bench.backend)
    plain = next((name for name in ("float32", "float64", "int32") if name in bench.info.dtypes), "")
    if not plain:
        raise NotChecked("the device claims none of the dtypes that this is tried in")
    # OpenBLAS would start its threads while NumPy is imported, which says nothing of the backend
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", _PROGRAM, f"{kind.__module__}:{kind.__qualname__}", str(bench.index), plain]
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        return [f"a process forked after preload had not worked within {_TIMEOUT_S:g} s"]
    if not done.returncode:
        return []
    told = done.stderr.strip()[-_SHOWN:] or f"it ended with status {done.returncode}"
    return [f"after preload and a fork: {told}"]


PROMISES: Sequence[Promise] = (
    Promise("open.after_fork", "after preload, a forked process opens the device and works, where fork_safe", forks),
)
