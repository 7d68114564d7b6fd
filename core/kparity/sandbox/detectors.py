"""Detectors inside the worker: what a call left behind that it must not leave.

They share a process with the candidate, so a candidate that knows them can defeat them: they catch the careless, and
what they miss is left to what the judge sees from outside. Each takes a snapshot and compares it with a later one.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import types
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from kparity.backend import Backend
from kparity.loading import resolve

_STDLIB = ("time", "os", "hashlib", "threading", "msgspec.msgpack", "numpy")
_HELPERS = ("torch/_inductor", "torch/_dynamo", "triton/", "jax/", "numba/")
"""Paths of frameworks that keep threads and processes of their own, such as a pool that compiles."""
_CALLABLE = (types.FunctionType, types.BuiltinFunctionType, type)
_DESCRIPTORS = (property, classmethod, staticmethod)


class Integrity:
    """Functions and classes of kparity, its backend, the framework's guarded parts, and clocks, by identity."""

    def __init__(self, backend: Backend) -> None:
        self._guarded = backend.guarded
        self._instance = (backend, dict(vars(backend)))
        self._seen = self._look()

    def changed(self) -> list[str]:
        """Names of what was replaced or removed since."""
        now = self._look()
        names = [".".join(name) for name, one in self._seen.items() if now.get(name) != one]
        backend, before = self._instance
        added = [name for name in vars(backend) if name not in before and hasattr(type(backend), name)]
        return sorted(names) + [f"backend.{name}" for name in added]

    def _look(self) -> dict[tuple[str, ...], tuple[int, ...]]:
        found: dict[tuple[str, ...], tuple[int, ...]] = {}
        modules = [name for name in list(sys.modules) if name.partition(".")[0] == "kparity"]
        targets: list[tuple[str, Any]] = [(name, sys.modules[name]) for name in (*modules, *_STDLIB)]
        kinds = type(self._instance[0]).__mro__[:-1]
        targets += [(f"{kind.__module__}:{kind.__qualname__}", kind) for kind in kinds]
        targets += [(name, _named(name)) for name in self._guarded]
        for name, target in targets:
            found[name,] = (id(target),)
            for attribute, value in list(vars(target).items()):
                if type(value) is types.FunctionType:
                    found[name, attribute] = (id(value), id(value.__code__), id(value.__defaults__))
                elif callable(value) or isinstance(value, _DESCRIPTORS):
                    found[name, attribute] = _identity(value)
                    if isinstance(value, type) and value.__module__.startswith("kparity"):
                        for member, inner in list(vars(value).items()):
                            if isinstance(inner, _CALLABLE):
                                found[name, attribute, member] = _identity(inner)
        return found


class ProcessState:
    """Signal handlers, the garbage collector, and hooks that watch other code run."""

    def __init__(self) -> None:
        self._seen = self._look()

    def changed(self) -> list[str]:
        """What is no longer as it was."""
        now = self._look()
        return [name for name, value in self._seen.items() if now[name] != value]

    @staticmethod
    def _look() -> dict[str, object]:
        found: dict[str, object] = {
            "the process id": os.getpid(),
            "the garbage collector's switch": gc.isenabled(),
            "sys.settrace": sys.gettrace(),
            "sys.setprofile": sys.getprofile(),
        }
        for number in sorted(signal.valid_signals()):
            found[f"the handler of {number!s}"] = signal.getsignal(number)
        return found


class Census:
    """Python threads and child processes, those aside that frameworks keep."""

    def __init__(self) -> None:
        self._threads = set(sys._current_frames())
        self._children = set(_children())

    def threads(self, patience_s: float = 0.01) -> list[str]:
        """Threads that have come since and still run, after a moment in which one that was joined leaves the list."""
        deadline = time.monotonic() + patience_s
        while (found := self._running()) and time.monotonic() < deadline:
            time.sleep(0.001)
        return found

    def _running(self) -> list[str]:
        found = []
        for number, frame in list(sys._current_frames().items()):
            if number not in self._threads:
                files = _files(frame)
                if not any(helper in file for file in files for helper in _HELPERS):
                    found.append(f"a thread in {files[0].rsplit('/', 1)[-1]}")
        return found

    def processes(self) -> list[str]:
        """Child processes that have come since and still live."""
        found = []
        for number in _children():
            if number not in self._children:
                command = _command(number)
                if command is not None and not any(helper in command for helper in _HELPERS):
                    found.append(f"process {number} ({command[:60] or 'no command'})")
        return found

    def lingering(self, patience_s: float = 0.2) -> list[str]:
        """Both, after a moment in which whatever is just ending may end."""
        deadline = time.monotonic() + patience_s
        while (found := self.threads() + self.processes()) and time.monotonic() < deadline:
            time.sleep(0.01)
        return found


def overlapping(backend: Backend, arrays: Sequence[Any], others: Sequence[Any]) -> bool | None:
    """Whether memory of `arrays` is also memory of `others`; None where the backend cannot tell."""
    spans = [_span(backend, array) for array in arrays]
    rest = [_span(backend, array) for array in others]
    if any(span is None for span in (*spans, *rest)):
        return None
    return any(a and b and a[0] < b[1] and b[0] < a[1] for a in spans for b in rest)


def _span(backend: Backend, array: Any) -> tuple[int, int] | tuple[()] | None:
    found = backend.storage(array)
    if found is None:
        return None
    return (found[0], found[0] + found[1]) if found[1] else ()


def _identity(value: Any) -> tuple[int, ...]:
    code = getattr(value, "__code__", None)
    return (id(value), id(code), id(getattr(value, "__defaults__", None)))


def _named(name: str) -> Any:
    if ":" in name:
        return resolve(name)
    return sys.modules.get(name, types)


def _files(frame: types.FrameType | None) -> list[str]:
    files = []
    while frame is not None:
        files.append(frame.f_code.co_filename)
        frame = frame.f_back
    return files


def _children() -> Iterable[int]:
    """Child processes of this one, whichever thread started them; none where the system does not tell."""
    found: list[int] = []
    for task in Path("/proc/self/task").glob("*/children"):
        try:
            found += map(int, task.read_text().split())
        except OSError:  # the thread has ended
            continue
    return found


def _command(number: int) -> str | None:
    """Its command line; None once it has ended."""
    try:
        state = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0]
        text = Path(f"/proc/{number}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return None
    return None if state == "Z" else text
