"""What runs on a node: a session over the plugins that were shipped, evaluating the cases that it is sent."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from kparity.case import Case
from kparity.environment import RunInfo
from kparity.errors import KparityError
from kparity.options import Options
from kparity.plan import Selection
from kparity.session import Session


class Offer(msgspec.Struct, frozen=True):
    """What a station found on its node.

    Attributes:
        info: of the run that it would make; None where it has nothing to evaluate.
        work: label of the line-up, and case.
        reason: why there is nothing.
    """

    info: RunInfo | None
    work: tuple[tuple[str, Case], ...] = ()
    reason: str = ""


class Station:
    """One device of one node. Everything that it takes and gives is bytes or plain data.

    Args:
        targets: plugins, as in `Catalogue.plugin_targets`.
        selection, options: msgpack of `Selection` and `Options`.
        accelerator: evaluate on GPUs and accelerators alone; else on what is none.
        leave_out: backends that another station of this node serves.
    """

    def __init__(
        self, targets: Sequence[str], selection: bytes, options: bytes, accelerator: bool, leave_out: Sequence[str]
    ) -> None:
        self._session = Session(extra=[pkgutil.resolve_name(target) for target in targets], discover=False)
        self._selection = msgspec.msgpack.decode(selection, type=Selection)
        self._options = msgspec.msgpack.decode(options, type=Options)
        self._accelerator = accelerator
        self._leave_out = frozenset(leave_out)
        self._run: Any = None

    def open(self) -> bytes:
        """Open the devices and plan; gives msgpack of an `Offer`."""
        return msgspec.msgpack.encode(self._open())

    def _open(self) -> Offer:
        chosen = self._session.catalogue.select_backends(self._selection.backends)
        mine = tuple(name for name in chosen if name not in self._leave_out)
        if not mine:
            return Offer(None, reason="every backend is served by another station of the node")
        try:
            run = self._session.prepare(msgspec.structs.replace(self._selection, backends=mine), self._options)
        except KparityError as error:
            return Offer(None, reason=str(error))
        if self._accelerator:
            run.restrict(lambda device: device.kind in ("gpu", "accelerator"))
        if not run.total:
            return Offer(None, reason="no backend opens a GPU or accelerator")
        self._run = run
        return Offer(run.info, tuple(run.work()))

    def evaluate(self, cases: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """JSON of each record as it finishes."""
        for evaluation in self._run.evaluate({(task, key) for task, key in cases}):
            yield msgspec.json.encode(evaluation)
