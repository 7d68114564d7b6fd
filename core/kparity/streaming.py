"""The lines that `kparity run --json-lines` prints, one JSON object each: one start, any number of records, one end."""

from __future__ import annotations

import msgspec

from kparity.environment import RunInfo
from kparity.records import SCHEMA_VERSION, Evaluation


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="start", tag_field="event"):
    """The first line.

    Attributes:
        run: what stands in `run.json`.
        total: evaluations that will follow if nothing interrupts.
        finished: evaluations that a resumed run had before; they are not repeated.
        planned: how many of each line-up will follow.
        folder: run folder; empty where none is written.
    """

    run: RunInfo
    total: int
    finished: int
    planned: dict[str, int]
    folder: str = ""
    schema: int = SCHEMA_VERSION


class Finished(msgspec.Struct, frozen=True, kw_only=True, tag="evaluation", tag_field="event"):
    """A record, as soon as it is finished."""

    evaluation: Evaluation
    schema: int = SCHEMA_VERSION


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag="end", tag_field="event"):
    """The last line.

    Attributes:
        summary: how many of the records ended with each status.
        interrupted: Ctrl-C ended the run early.
        lost: stations of a cluster that were lost, by name, and how.
    """

    summary: dict[str, int]
    interrupted: bool = False
    lost: dict[str, str] = {}
    schema: int = SCHEMA_VERSION
