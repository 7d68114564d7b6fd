"""A plugin whose device is host memory: one backend, two tiny tasks. Importable, since workers import their backend."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from kparity import (
    Backend,
    Case,
    DeviceInfo,
    Implementation,
    KernelSpec,
    Support,
    Unavailable,
    edge,
    hookimpl,
    kernel_spec,
    perf,
    typical,
)


class ToyBackend(Backend):
    """The smallest backend: copies in, copies out."""

    name: ClassVar[str] = "toy"

    def open(self, index: int = 0) -> DeviceInfo:
        if index:
            raise Unavailable(f"there is no toy {index}")
        self.info = DeviceInfo(backend=self.name, name="Toy", kind="cpu", index=index, versions={"toy": "1.0"})
        return self.info

    def put(self, array: np.ndarray) -> np.ndarray:
        return array.copy()

    def get(self, array: Any) -> np.ndarray:
        if type(array) is not np.ndarray:
            raise TypeError(f"expected a numpy.ndarray, got {type(array).__name__}")
        return array.copy()


class MissingBackend(ToyBackend):
    """A backend whose framework is not installed."""

    name: ClassVar[str] = "missing"

    def open(self, index: int = 0) -> DeviceInfo:
        raise Unavailable("nolib is not installed", "pip install nolib")


class BrokenBackend(ToyBackend):
    """A backend whose process does not survive being opened."""

    name: ClassVar[str] = "broken"

    def open(self, index: int = 0) -> DeviceInfo:
        print("about to fall over", flush=True)
        os.abort()


class DiesWhenPreloaded(ToyBackend):
    """A backend whose import takes its process down, but only where nothing is opened."""

    name: ClassVar[str] = "dies"

    def preload(self) -> None:
        os.abort()


class RaisesWhenPreloaded(ToyBackend):
    """A backend that cannot be preloaded."""

    name: ClassVar[str] = "raises"

    def preload(self) -> None:
        raise ImportError("not now")


class NotToBeForked(ToyBackend):
    """A backend that does not survive a fork; its `preload` must not be called."""

    name: ClassVar[str] = "alone"
    fork_safe: ClassVar[bool] = False

    def preload(self) -> None:
        os.abort()


class HangingBackend(ToyBackend):
    """A backend whose device never answers; notes the process that waits for it."""

    name: ClassVar[str] = "hanging"

    def open(self, index: int = 0) -> DeviceInfo:
        _note_process()
        time.sleep(600)
        raise AssertionError("nobody waits that long")


class SociableBackend(ToyBackend):
    """A backend whose device opens only while another process opens it too."""

    name: ClassVar[str] = "sociable"

    def open(self, index: int = 0) -> DeviceInfo:
        _note_process()
        deadline = time.monotonic() + 20
        while len(Path(os.environ["TOY_PIDS"]).read_text().split()) < 2:
            if time.monotonic() > deadline:
                raise Unavailable("nobody else came", "come in company")
            time.sleep(0.01)
        return super().open(index)


def _note_process() -> None:
    with open(os.environ["TOY_PIDS"], "a", encoding="utf-8") as file:
        file.write(f"{os.getpid()}\n")


class PickyBackend(ToyBackend):
    """Runs cases of seven elements by emulation, refuses larger ones, and has a GPU's kind, so perf cases are asked."""

    name: ClassVar[str] = "picky"

    def open(self, index: int = 0) -> DeviceInfo:
        self.info = DeviceInfo(backend=self.name, name="Picky", kind="gpu", index=index, dtypes=("float32",))
        return self.info

    def supports(self, case: Case, function: Any) -> Support:
        support = super().supports(case, function)
        if support.answer == "no" or case.axes["n"] < 7:
            return support
        if case.axes["n"] == 7:
            return Support("emulated", "seven is emulated")
        return Support("no", "more than seven is too many")


class ReferenceBackend(ToyBackend):
    """Realizes references, in float32."""

    name: ClassVar[str] = "refs"
    realizes_references: ClassVar[bool] = True

    def compile(self, function: Any, arguments: Any, case: Case) -> Any:
        if not isinstance(function, KernelSpec):
            return super().compile(function, arguments, case)

        def run(x: np.ndarray) -> np.ndarray:
            return np.asarray(function.reference(x.astype(np.float32), **case.attributes)).astype(x.dtype)

        return run


@kernel_spec(
    "toy/scale",
    inputs={"x": "n : T"},
    outputs={"y": "n : T"},
    dtypes={"T": ("float32", "float16")},
    cases=[edge(n=1), edge(n=7), typical(n=64), perf(n=128)],
    flops="n",
)
def scale(x, factor=2.0):
    """Every element times `factor`: y[i] = factor * x[i]."""
    return x * x.dtype.type(factor)


@kernel_spec(
    "toy/split",
    inputs={"x": "n : float32"},
    outputs={"low": "n : float32", "high": "n : float32"},
    cases=[edge(n=5), typical(n=64)],
)
def split(x):
    """The negative and the positive part: low[i] = min(x[i], 0), high[i] = max(x[i], 0)."""
    return np.minimum(x, 0), np.maximum(x, 0)


def implementation(attribute: str, task: str = "toy/scale", backend: str = "toy", name: str = "") -> Implementation:
    """One of the kernels of `toy_kernels`; its name is the attribute's unless given."""
    return Implementation(task, backend, f"toy_kernels:{attribute}", name or attribute)


class Plugin:
    """A plugin made of the parts that a test names.

    Args:
        name: the owner that faults are reported under.
    """

    def __init__(
        self,
        name: str = "toy-plugin",
        *,
        tasks: Iterable[Any] = (),
        backends: Iterable[Any] = (),
        implementations: Iterable[Any] = (),
        checks: Iterable[Any] = (),
        reporters: Iterable[Any] = (),
        finished: Any = None,
    ) -> None:
        self.__name__ = name
        self._parts = (tasks, backends, implementations, checks, reporters)
        self._finished = finished

    @hookimpl
    def register_tasks(self) -> Iterable[Any]:
        return self._parts[0]

    @hookimpl
    def register_backends(self) -> Iterable[Any]:
        return self._parts[1]

    @hookimpl
    def register_implementations(self) -> Iterable[Any]:
        return self._parts[2]

    @hookimpl
    def register_checks(self) -> Iterable[Any]:
        return self._parts[3]

    @hookimpl
    def register_reporters(self) -> Iterable[Any]:
        return self._parts[4]

    @hookimpl
    def evaluation_finished(self, evaluation: Any) -> None:
        if self._finished is not None:
            self._finished(evaluation)


def toy_plugin(*kernels: str, **parts: Any) -> Plugin:
    """The toy tasks and backend with these kernels of `toy_kernels` as implementations of `toy/scale`."""
    parts.setdefault("tasks", [scale, split])
    parts.setdefault("backends", [ToyBackend()])
    return Plugin(implementations=[implementation(kernel) for kernel in kernels], **parts)
