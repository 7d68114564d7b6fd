"""Where promises are examined: an opened backend with small kernels at hand. It lives in the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from kparity import dtypes
from kparity.backend import Backend, DeviceInfo, Executable
from kparity.case import Case
from kparity.conformance.kernels import Kernel
from kparity.conformance.specimens import DOUBLED, PYTHON
from kparity.errors import CandidateError, KparityError, Unsupported
from kparity.loading import Function
from kparity.sandbox.engine import Engine
from kparity.signature import typical


class NotChecked(KparityError):
    """A promise cannot be examined here; the message says what it would have taken."""


@dataclass(frozen=True)
class Promise:
    """One thing that a backend promises.

    Attributes:
        name: `group.promise`.
        text: the promise in one line.
        examine: gives every breach that it found, in words; none where the promise holds. Raises `NotChecked` where it
            cannot tell; any other exception is a breach.
    """

    name: str
    text: str
    examine: Callable[[Workbench], Sequence[str]]


@dataclass
class Workbench:
    """An opened backend and what is needed to try it out.

    Attributes:
        backend: opened.
        index: of its device.
        kernels: registered implementations that serve as examples.
    """

    backend: Backend
    index: int = 0
    kernels: Sequence[Kernel] = ()
    info: DeviceInfo = field(init=False)

    def __post_init__(self) -> None:
        self.engine = Engine(self.backend)

    def open(self) -> DeviceInfo:
        """Open the device.

        Raises:
            Exception: whatever the backend raises.
        """
        info = self.backend.open(self.index)
        plain = {str(name): str(version) for name, version in info.versions.items()}  # torch's is a str subclass
        self.info = self.backend.info = msgspec.structs.replace(info, versions=plain)
        return self.info

    def another(self) -> Backend:
        """A second instance of the backend with the same device open."""
        other = type(self.backend)()
        other.info = other.open(self.index)
        return other

    @property
    def float_dtype(self) -> str:
        """The dtype of examples: float32 where the device has it, else its first floating-point format.

        Raises:
            NotChecked: it has none.
        """
        claimed = [name for name in self.info.dtypes if dtypes.is_float(name)]
        if not claimed:
            raise NotChecked("the device claims no floating-point dtype")
        return "float32" if "float32" in claimed else claimed[0]

    def source(self, name: str) -> str:
        """The text of a specimen: the backend's own, else the one in Python.

        Raises:
            NotChecked: there is none.
        """
        text = {**PYTHON, **self.backend.specimens}.get(name, "")
        if not text:
            raise NotChecked(f"the backend gives no specimen {name!r}")
        return text

    def case(self, n: int, dtype: str) -> Case:
        """The case of `conformance/doubled` with `n` elements."""
        return DOUBLED.bind(typical(n=n), {"T": dtype})

    def load(self, name: str) -> Function:
        """A specimen, loaded.

        Raises:
            NotChecked: there is none, or it is Python and the backend loads something else.
        """
        source = self.source(name)
        try:
            return self.backend.load(source, "doubled")
        except (CandidateError, Unsupported) as error:
            if name in self.backend.specimens:
                raise
            raise NotChecked(f"load takes no Python ({error}), and the backend gives no specimen {name!r}") from error

    def compiled(self, name: str, arrays: Sequence[np.ndarray], arguments: Sequence[Any]) -> Executable:
        """A specimen, compiled for these arguments.

        Raises:
            NotChecked: as `load`, or the device refuses it.
        """
        case = self.case(arrays[0].size, arrays[0].dtype.name)
        try:
            return self.backend.compile(self.load(name), arguments, case)
        except Unsupported as error:
            raise NotChecked(f"the device does not run specimen {name!r}: {error}") from error

    def doubler(self, n: int = 1000, dtype: str | None = None) -> Doubler:
        """The specimen `doubled`, tried once.

        Raises:
            NotChecked: as `compiled`, or device arrays have no operators and the backend gives no specimen.
        """
        array = small_integers(n, dtype or self.float_dtype)
        argument = self.backend.put(array)
        try:
            doubler = Doubler(self.backend, self.compiled("doubled", [array], [argument]), array, argument)
            result = doubler.result()
        except (TypeError, NotImplementedError) as error:
            if "doubled" in self.backend.specimens:
                raise
            raise NotChecked(
                f"'x + x' on its device arrays raised {type(error).__name__}: {error}; give a specimen 'doubled'"
            ) from error
        if not same_values(result, array + array):
            raise ValueError(f"x + x gave {result[:4]} ... for {array[:4]} ... of {array.dtype}")
        return doubler


@dataclass(frozen=True)
class Doubler:
    """A kernel that gives x + x, ready to be called on one argument."""

    backend: Backend
    executable: Executable
    array: np.ndarray
    argument: Any

    def __call__(self) -> tuple[Any, ...]:
        """Submit the call; returns its outputs, not waited for."""
        return outputs_of(self.executable, [self.argument])

    def result(self) -> np.ndarray:
        """Call, wait and copy the result back."""
        outputs = self()
        self.backend.wait(outputs)
        return self.backend.get(outputs[0])


def outputs_of(executable: Executable, arguments: Sequence[Any]) -> tuple[Any, ...]:
    """Call it; its outputs as a tuple."""
    returned = executable(*arguments)
    return tuple(returned) if isinstance(returned, tuple | list) else (returned,)


def small_integers(n: int, dtype: str) -> np.ndarray:
    """0, 1, 2, 3, 0, ...: their doubles are exact in every format."""
    return (np.arange(n) % 4).astype(dtypes.dtype(dtype))


def same_values(one: np.ndarray, other: np.ndarray) -> bool:
    """Same dtype, shape and bytes, but a NaN may carry another payload."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.tobytes() == other.tobytes():
        return True
    wide = one.astype(np.float64), other.astype(np.float64)
    nan = np.isnan(wide[0]) & np.isnan(wide[1])
    equal = (wide[0] == wide[1]) & (np.signbit(wide[0]) == np.signbit(wide[1]))
    return bool((nan | equal).all())
