"""What runs on a node: a session over the plugins that were shipped, evaluating the cases that it is sent."""

from __future__ import annotations

import os
import pkgutil
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from kparity.case import Case
from kparity.environment import RunInfo
from kparity.errors import KparityError, Unavailable
from kparity.options import Options
from kparity.plan import Selection
from kparity.records import Evaluation
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


class Raised(msgspec.Struct, frozen=True):
    """An exception of a station, as data: its own type need not exist where it arrives.

    Attributes:
        text: the exception's type and message.
        traceback: on the node.
        device_lost: the device cannot be opened any more, so that another station may do better.
    """

    text: str
    traceback: str = ""
    device_lost: bool = False

    @classmethod
    def of(cls, error: Exception) -> Raised:
        """The exception that is being handled."""
        text = "".join(traceback.format_exception_only(error)).strip()
        name = type(error).__name__
        text = f"{name}: {error}" if isinstance(error, KparityError) else text
        return cls(text, traceback.format_exc(), isinstance(error, Unavailable))


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message of a station that evaluates: a record, or at last what it raised."""

    evaluation: Evaluation | None = None
    raised: Raised | None = None


class Station:
    """One device of one node. Everything that it takes and gives is bytes or plain data, exceptions too.

    Args:
        targets: plugins, as in `Catalogue.plugin_targets`.
        selection, options: msgpack of `Selection` and `Options`.
        accelerator: evaluate on GPUs and accelerators alone; else on what is none.
        leave_out: backends that another station of this node serves.
    """

    def __init__(
        self, targets: Sequence[str], selection: bytes, options: bytes, accelerator: bool, leave_out: Sequence[str]
    ) -> None:
        self._targets = tuple(targets)
        self._selection = msgspec.msgpack.decode(selection, type=Selection)
        self._options = msgspec.msgpack.decode(options, type=Options)
        self._accelerator = accelerator
        self._leave_out = frozenset(leave_out)
        self._run: Any = None

    def open(self) -> bytes:
        """Import the plugins, open the devices and plan; gives msgpack of an `Offer`."""
        _take_all_threads()
        try:
            offer = self._open()
        except Exception as error:
            offer = Offer(None, reason=f"the station raised {Raised.of(error).text}")
        return msgspec.msgpack.encode(offer)

    def _open(self) -> Offer:
        session = Session(extra=[pkgutil.resolve_name(target) for target in self._targets], discover=False)
        chosen = session.catalogue.select_backends(self._selection.backends)
        mine = tuple(name for name in chosen if name not in self._leave_out)
        if not mine:
            return Offer(None, reason="every backend is served by another station of the node")
        try:
            run = session.prepare(msgspec.structs.replace(self._selection, backends=mine), self._options)
        except KparityError as error:
            return Offer(None, reason=str(error))
        if self._accelerator:
            run.restrict(lambda device: device.kind in ("gpu", "accelerator"))
        if not run.total:
            return Offer(None, reason="no backend opens a GPU or accelerator")
        self._run = run
        return Offer(run.info, tuple(run.work()))

    def evaluate(self, cases: Sequence[tuple[str, str]]) -> Iterator[bytes]:
        """JSON of a `Told` for each record as it finishes, and for what was raised."""
        _take_all_threads()
        try:
            for evaluation in self._run.evaluate({(task, key) for task, key in cases}):
                yield msgspec.json.encode(Told(evaluation=evaluation))
        except Exception as error:
            yield msgspec.json.encode(Told(raised=Raised.of(error)))


def _take_all_threads() -> None:
    """Undo Ray's limit of one thread for each CPU that it counts for this station, which times as on one machine.

    Ray sets OMP_NUM_THREADS before each call. A limit that the node itself was started with stays.
    """
    raylet = os.environ.get("RAY_RAYLET_PID")
    if raylet is None:
        return
    try:
        given = Path("/proc", raylet, "environ").read_bytes()
    except OSError:
        return
    if not any(one.startswith(b"OMP_NUM_THREADS=") for one in given.split(b"\0")):
        os.environ.pop("OMP_NUM_THREADS", None)
