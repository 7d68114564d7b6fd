"""What stands in `run.json`: the environment that a run's evaluations were taken in."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec

from kparity.backend import DeviceInfo
from kparity.clock import ClockReport
from kparity.errors import UsageError
from kparity.records import SCHEMA_VERSION, Ceilings

OptionValue = str | int | float | bool | list[str] | None


def now() -> str:
    """When it is: UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class HostInfo(msgspec.Struct, frozen=True):
    """The machine: operating system, processor and Python.

    Attributes:
        machine: digest of the machine's identity, which tells two hosts with the same processor apart.
    """

    system: str
    cpu: str
    cores: int
    python: str
    machine: str = ""


class GitState(msgspec.Struct, frozen=True):
    """Where sources stood in their git repository.

    Attributes:
        commit: the full hash.
        dirty: tracked files differed from that commit.
    """

    commit: str
    dirty: bool


class Shard(msgspec.Struct, frozen=True):
    """A part of a run that was split over several machines.

    Attributes:
        index: which part, from 1 to `count`.
        count: number of parts.
        plan: digest of seed, options and every planned evaluation: shards of one run share it.
    """

    index: int
    count: int
    plan: str = ""

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise UsageError(f"shard {self.index}/{self.count}: expected 1/{self.count} to {self.count}/{self.count}")

    @classmethod
    def parse(cls, text: str) -> Shard:
        """From text such as `2/8`.

        Raises:
            UsageError: it reads otherwise, or there is no such part.
        """
        found = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text.strip())
        if not found:
            raise UsageError(f"shard {text!r}: expected a part and the number of parts, such as 2/8")
        return cls(int(found[1]), int(found[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Resumption(msgspec.Struct, frozen=True, kw_only=True):
    """That a run was taken up again.

    Attributes:
        started_at: when.
        kparity: the version that took it up.
        host: the machine.
        devices: the devices that were opened for it; none where nothing was left to evaluate.
        sources: as in `RunInfo`.
        forced: the differences of environment that the user chose to ignore.
    """

    started_at: str
    kparity: str
    host: HostInfo
    devices: tuple[DeviceInfo, ...] = ()
    sources: dict[str, GitState] = {}
    forced: tuple[str, ...] = ()


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in `run.json`: the environment that the run's evaluations were taken in.

    Attributes:
        devices: one report for each backend that could be opened, with versions of drivers and numerics modes.
        unavailable: reason and remedy for each backend that could not.
        plugins: version of each distribution that registered something.
        clocks: outcome of the self-test of the device clock, by label of the line-up.
        ceilings: what the device was measured to reach, by label of the line-up.
        options: the selection and the defaults that were in force.
        sources: git state of each distribution that runs from a repository.
        shard: which part of a split run this is; None for a whole one.
        resumed: each time that the run was taken up again.
        id: identity of the run, which stays when the folder is copied or resumed.
    """

    kparity: str
    started_at: str
    seed: int
    host: HostInfo
    devices: tuple[DeviceInfo, ...]
    unavailable: dict[str, str]
    plugins: dict[str, str]
    options: dict[str, OptionValue]
    clocks: dict[str, ClockReport] = {}
    ceilings: dict[str, Ceilings] = {}
    sources: dict[str, GitState] = {}
    shard: Shard | None = None
    resumed: tuple[Resumption, ...] = ()
    id: str = ""
    schema: int = SCHEMA_VERSION
