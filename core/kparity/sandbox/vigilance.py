"""Vigilance: the detectors around the calls of one candidate, and what they found."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kparity.assurance import Detector
from kparity.backend import Backend
from kparity.draws import same_bytes
from kparity.records import CheckResult
from kparity.sandbox.detectors import Census, Integrity, ProcessState, overlapping
from kparity.sandbox.engine import Seen

LATER_S = 0.03
"""How long after a call its outputs are looked at again."""


class Vigilance:
    """Watches one candidate in this process, from before it is loaded.

    Args:
        backend: what the candidate runs on.
        alone: nothing but the candidate starts threads and processes here; false in the judge's own process.

    Attributes:
        lacking: protections that this backend does not give, with the reason.
    """

    def __init__(self, backend: Backend, alone: bool = True) -> None:
        self._backend = backend
        self._faults: dict[str, CheckResult] = {}
        self._looked: set[Detector] = set()
        self.lacking: dict[Detector, str] = {}
        self._integrity = Integrity(backend)
        self._state = ProcessState()
        self._census = Census() if alone else None
        if self._census is None:
            self.lacking["census"] = "the judge's own threads and processes are in the same process"
        self._modes = backend.numerics_modes()
        if self._modes is None:
            self.lacking["modes"] = f"{backend.name} does not tell its numerics modes"

    def before(self, sizes: Sequence[int]) -> None:
        """A call is about to be made whose outputs have these sizes in bytes."""
        if self._guarded("poison", lambda: self._backend.poison(sizes)) is False:
            self.lacking["poison"] = f"{self._backend.name} cannot fill free memory"

    def after(self, arguments: Sequence[Any], outputs: Sequence[Any], earlier: Sequence[Any] = ()) -> None:
        """A call has returned: cheap, for every call.

        Args:
            arguments: what it was given.
            outputs: what it returned.
            earlier: outputs of the call before, still held.
        """
        self._guarded("overlap", lambda: self._overlap(arguments, outputs, earlier))
        if census := self._census:
            self._guarded("census", lambda: self._alone(census.threads()))

    def settled(self, outputs: Sequence[Any], hosts: Sequence[np.ndarray], returned: float) -> None:
        """Look at outputs once more: what arrives late differs from what was there at the return.

        Args:
            outputs: what the call returned.
            hosts: copies of them, made soon after the return.
            returned: when that was, by `time.perf_counter`.
        """

        def late() -> None:
            time.sleep(max(returned + LATER_S - time.perf_counter(), 0.0))
            if not all(same_bytes(self._backend.get(one), host) for one, host in zip(outputs, hosts, strict=True)):
                self._fault("late", "late_writes", "the outputs changed after the call had returned")

        self._guarded("late", late)

    def inspect(self) -> None:
        """Everything else: dear, once for each execution or timing."""
        if census := self._census:
            self._guarded("census", lambda: self._alone(census.lingering()))
        self._guarded("integrity", self._untouched)
        self._guarded("modes", self._same_modes)

    def seen(self) -> Seen:
        """What was wrong since the last time, one result for each kind of fault, and which detectors could tell."""
        found, self._faults = tuple(self._faults.values()), {}
        return Seen(found, tuple(sorted(self._looked - set(self.lacking))), dict(self.lacking))

    def fault(self, protection: Detector, name: str, message: str) -> None:
        """Note a fault that the caller found."""
        self._fault(protection, name, message)

    def _overlap(self, arguments: Sequence[Any], outputs: Sequence[Any], earlier: Sequence[Any]) -> None:
        shared = overlapping(self._backend, outputs, arguments)
        again = overlapping(self._backend, outputs, earlier) if earlier else False
        if shared is None or again is None:
            self.lacking["overlap"] = f"{self._backend.name} does not tell where its arrays lie"
        elif shared:
            self._fault("overlap", "storage", "an output shares memory with an input; return new arrays instead")
        elif again:
            self._fault(
                "overlap", "storage", "two calls returned the same memory while both results were held; allocate anew"
            )

    def _alone(self, others: Sequence[str]) -> None:
        if others:
            self._fault("census", "census", f"still running after the call returned: {', '.join(others[:3])}")

    def _untouched(self) -> None:
        changed = [*self._integrity.changed(), *self._state.changed()]
        if changed:
            self._fault("integrity", "integrity", f"the candidate replaced or changed {', '.join(changed[:4])}")

    def _same_modes(self) -> None:
        before, now = self._modes, self._backend.numerics_modes()
        if before is not None and now is not None and now != before:
            names = [f"{name} ({before.get(name)} -> {now.get(name)})" for name in now if now[name] != before.get(name)]
            self._fault("modes", "numerics_modes", f"the candidate left changed: {', '.join(names)}")

    def _guarded(self, protection: Detector, look: Callable[[], bool | None]) -> bool | None:
        """Run a detector; one that throws makes the verdict inconclusive."""
        self._looked.add(protection)
        try:
            return look()
        except Exception as error:
            message = f"the detector raised {type(error).__name__}: {error}"
            self._faults.setdefault(protection, CheckResult(protection, "inconclusive", message))
            return None

    def _fault(self, protection: Detector, name: str, message: str) -> None:
        self._faults[protection] = CheckResult(name, "failed", message)
