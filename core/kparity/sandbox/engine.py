"""The engine: drives one opened backend through one implementation after another. It runs in the worker or inline.

It holds neither oracle, seed nor verdict: inputs come in, outputs and raw times go out.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from kparity.assurance import Detector
from kparity.backend import Backend, DeviceInfo, Executable, Support
from kparity.case import Case
from kparity.clock import ClockReport, DeviceClock, self_test
from kparity.errors import CandidateError, KparityError, Unavailable, Unsupported
from kparity.inputs import Arrays, digest
from kparity.layouts import ABILITY
from kparity.loading import Function, resolve, source_file
from kparity.records import Ceilings, CheckResult, Conditions
from kparity.roofline import measure_ceilings
from kparity.sandbox.arguments import Arguments
from kparity.timing import Bench, DeviceFault, Timed, TimingPolicy


class Seen(msgspec.Struct, frozen=True):
    """What the detectors say, where the implementation is watched.

    Attributes:
        findings: what they found.
        looked: which of them ran and could tell.
        lacking: those that this backend does not serve, with the reason.
    """

    findings: tuple[CheckResult, ...] = ()
    looked: tuple[Detector, ...] = ()
    lacking: dict[Detector, str] = {}


class Returned(msgspec.Struct, frozen=True):
    """What one execution gave.

    Attributes:
        inputs_digest: of the input arrays as they stood on the device after the call.
        compile_s: seconds in `Backend.compile`.
        first_call_s: seconds that the first call took, until its outputs were computed.
        seen: what the detectors say.
    """

    outputs: Arrays
    inputs_digest: str
    compile_s: float
    first_call_s: float
    seen: Seen = Seen()


class Calibration(msgspec.Struct, frozen=True):
    """What is known of a device before anything is timed on it."""

    clock: ClockReport | None
    ceilings: Ceilings | None


class Block(msgspec.Struct, frozen=True):
    """A few samples in seconds: on the device (empty where it has no trusted clock) and end to end."""

    device: list[float]
    end_to_end: list[float]


class ImplementationFailure(KparityError):
    """The implementation raised; the message holds the exception and the line of the implementation's own code."""


@dataclass
class _Place:
    """What is loaded side by side with other things: a function, and the last case that it executed."""

    function: Function | None = None
    executable: Executable | None = None
    case: Case | None = None
    arguments: Arguments | None = None
    copies: list[Arguments] = field(default_factory=list)


class Engine:
    """Runs implementations on one device."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._places: dict[int, _Place] = {0: _Place()}
        self._at = self._places[0]
        self._bench = Bench(backend.synchronize, lambda: False, None, lambda: None)

    def open(self, index: int) -> DeviceInfo:
        """Open the device.

        Raises:
            Unavailable: with reason and remedy; any other exception of the backend is turned into one.
        """
        try:
            info = self._backend.open(index)
        except Unavailable:
            raise
        except Exception as error:
            raise Unavailable(
                f"{self._backend.name} cannot be opened: {describe(error)}", self._backend.remedy
            ) from error
        plain = {str(name): str(version) for name, version in info.versions.items()}  # torch's is a str subclass
        able = type(self._backend).strided is not Backend.strided
        capabilities = (*info.capabilities, *((ABILITY,) if able else ()))
        self._backend.info = msgspec.structs.replace(info, versions=plain, capabilities=capabilities)
        return self._backend.info

    def supports(self, case: Case) -> Support:
        """Whether what was loaded last can run `case` on the device.

        Raises:
            ImplementationFailure: the function cannot even be looked at.
        """
        assert self._at.function is not None
        if case.strided and ABILITY not in self._backend.info.capabilities:
            name = case.strided[0]
            return Support("no", f"{name} is not contiguous here, and {self._backend.name}'s arrays have no strides")
        try:
            return self._backend.supports(case, self._at.function)
        except Exception as error:
            raise ImplementationFailure(describe(error)) from error

    def use(self, place: int) -> None:
        """Work from now on with what is loaded at that place; the other places keep what they have.

        Two implementations side by side in one process share its memory layout, and their arguments where these are
        the same, so that what differs between them is only the implementation.
        """
        self._at = self._places.setdefault(place, _Place())

    def load(self, *, target: str = "", source: str = "", entry_point: str = "") -> None:
        """Import a registered implementation, or load a candidate's source text.

        Raises:
            ImplementationFailure: the import or the load failed.
        """
        self._at.executable, self._at.arguments, self._at.copies = None, None, []
        try:
            file = None if source else source_file(target)
            if file is not None:
                source, entry_point = file.read_text(encoding="utf-8"), file.stem
            self._at.function = self._backend.load(source, entry_point) if source else resolve(target)
        except Unsupported:
            raise
        except KparityError as error:
            raise ImplementationFailure(str(error)) from error
        except Exception as error:
            raise ImplementationFailure(describe(error)) from error

    def execute(self, case: Case, inputs: Arrays) -> Returned:
        """Copy the inputs over, compile, call once, and copy the outputs back.

        Raises:
            Unsupported: the backend refuses this case.
            ImplementationFailure: compilation or execution raised, or what came back is no array of this backend.
        """
        backend, at, function = self._backend, self._at, self._at.function
        assert function is not None
        try:
            at.executable, at.arguments, at.copies = None, None, []
            arguments = self._shared(case, inputs) or Arguments.put(backend, case.inputs, inputs)
            start = time.perf_counter()
            executable = backend.compile(function, arguments, case)
            compile_s = time.perf_counter() - start
            self._about_to_call(case)
            called = time.perf_counter()
            outputs = self._call(executable, arguments)
            returned = time.perf_counter()
            host = tuple(self._get(output, case, position) for position, output in enumerate(outputs))
            after = arguments.digest()
            seen = self._called(arguments, outputs, host, returned)
        except Unsupported:
            raise
        except CandidateError as error:
            raise ImplementationFailure(str(error)) from error
        except Exception as error:
            raise ImplementationFailure(describe(error)) from error
        at.executable, at.arguments, at.case = executable, arguments, case
        return Returned(host, after, compile_s, returned - called, seen)

    def again(self) -> Returned:
        """Call what was executed last once more, on the same arguments, and copy the outputs back.

        Raises:
            ImplementationFailure: the call raised, or what came back is no array of this backend.
        """
        executable, case, arguments = self._at.executable, self._at.case, self._at.arguments
        assert executable is not None
        assert case is not None
        assert arguments is not None
        start = time.perf_counter()
        try:
            outputs = self._call(executable, arguments)
            took = time.perf_counter() - start
            host = tuple(self._get(output, case, position) for position, output in enumerate(outputs))
            after = arguments.digest()
        except Exception as error:
            raise ImplementationFailure(f"when called again: {describe(error)}") from error
        return Returned(host, after, 0.0, took)

    def calibrate(self, *, ceilings: bool, known: Sequence[str] = (), tested: ClockReport | None = None) -> Calibration:
        """Test the device's clock against the host's; with `ceilings`, measure what the device reaches.

        Needed before `measure`, which otherwise has no device clock. A clock that fails its test is not used. What
        cannot be measured is left out.

        Args:
            ceilings: whether they are wanted.
            known: names of ceilings that need not be measured.
            tested: how the same clock did on this device in another process; it is not tested again.
        """
        clock, report = self._tested_clock(tested)
        self._bench = Bench(
            self._backend.synchronize,
            self._backend.flush_cache,
            clock if report is not None and report.trusted else None,
            self._backend.telemetry,
            report.resolution_s if report is not None else None,
        )
        measured = None
        if ceilings:
            with contextlib.suppress(Exception):  # without probes there are no ceilings, and that is all
                probes = self._backend.probes()
                measured = None if probes is None else measure_ceilings(self._backend, probes, self._bench, known)
        return Calibration(report, measured)

    def measure(self, policy: TimingPolicy) -> Timed:
        """Time the implementation that was executed last, on two copies of the same arguments in rotation.

        Raises:
            ImplementationFailure: a timed call raised.
        """
        try:
            calls = self._timed_calls()
            return self._bench.time(calls, policy)
        except DeviceFault as error:
            return Timed((), Conditions(), str(error))
        except Exception as error:
            raise ImplementationFailure(f"while being timed: {describe(error)}") from error

    def sample(self, count: int, cold: bool) -> Block:
        """A few samples of the implementation that was executed last, for a paired comparison.

        Raises:
            ImplementationFailure: a timed call raised.
        """
        try:
            return Block(*self._bench.block(self._timed_calls()[0], count, cold))
        except Exception as error:
            raise ImplementationFailure(f"while being timed: {describe(error)}") from error

    def _tested_clock(self, known: ClockReport | None) -> tuple[DeviceClock | None, ClockReport | None]:
        """The device's clock, if it has one, and how its test went; one that raises has failed it."""
        clock: DeviceClock | None = None
        try:
            clock = self._backend.clock()
            if clock is None or (known is not None and known.trusted and known.clock == clock.name):
                return clock, known if clock is not None else None
            return clock, self_test(clock)
        except Exception as error:
            name = clock.name if clock is not None else "device clock"
            return clock, ClockReport(name, 0.0, 0.0, (f"raised {describe(error)}",))

    def _about_to_call(self, case: Case) -> None:
        """Before the first call of `execute`."""

    def _called(self, arguments: Sequence[Any], outputs: Sequence[Any], host: Arrays, returned: float) -> Seen:
        """After the first call of `execute`, whose outputs on the host are `host`; what detectors say.

        Args:
            returned: when it did, by `time.perf_counter`.
        """
        return Seen()

    def _timed_calls(self) -> Sequence[Callable[[], tuple[Any, ...]]]:
        at, backend = self._at, self._backend
        assert at.executable is not None
        assert at.arguments is not None
        if not at.copies:
            at.copies = [at.arguments, at.arguments.copied(lambda one: backend.put(backend.get(one)))]
        return [functools.partial(submit, at.executable, arguments) for arguments in at.copies]

    def _shared(self, case: Case, inputs: Arrays) -> Arguments | None:
        """The arguments of another place that ran the same case on the same inputs, still unchanged; else nothing."""
        for other in self._places.values():
            same = other is not self._at and other.executable is not None and other.case == case
            if same and other.arguments is not None and other.arguments.digest() == digest(inputs):
                return other.arguments
        return None

    def _call(self, executable: Executable, arguments: Sequence[Any]) -> tuple[Any, ...]:
        outputs = submit(executable, arguments)
        self._backend.wait(outputs)
        return outputs

    def _get(self, output: Any, case: Case, position: int) -> np.ndarray:
        try:
            return self._backend.get(output)
        except TypeError as error:
            name = case.outputs[position].name if position < len(case.outputs) else f"#{position}"
            kind = f"{type(output).__module__}.{type(output).__qualname__}"
            raise TypeError(
                f"output {name!r} is a {kind}, which is no array of {self._backend.name}: {error}"
            ) from error


def submit(executable: Executable, arguments: Sequence[Any]) -> tuple[Any, ...]:
    returned = executable(*arguments)
    return tuple(returned) if isinstance(returned, tuple | list) else (returned,)


_STDLIB = os.path.dirname(os.__file__) + os.sep


def describe(error: BaseException) -> str:
    """Exception type, message and the innermost line outside kparity, the frameworks' packages and Python's own."""
    text = f"{type(error).__name__}: {error}".strip()
    trace, place = error.__traceback__, ""
    while trace is not None:
        filename = trace.tb_frame.f_code.co_filename
        foreign = re.search(r"(site|dist)-packages|/kparity/|^<frozen|\.pyx$", filename) or filename.startswith(_STDLIB)
        if not foreign:
            place = f" ({filename.rsplit('/', 1)[-1]}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return text + place
