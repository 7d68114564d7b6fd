"""Stations on the nodes of a Ray cluster: reached, opened, and asked; what one raises is told from one that is lost."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

from kparity.cluster.dealing import CaseId
from kparity.cluster.past import Kind, kind_of
from kparity.cluster.station import Offer, Raised, Station, Told
from kparity.environment import RunInfo
from kparity.errors import UsageError, WorkerError
from kparity.records import Evaluation

_TOLD = msgspec.json.Decoder(Told)
OPEN_S = 600.0
"""Seconds that a station may take to start and open its devices."""


class StationLost(Exception):
    """A station, its node or its device is gone; the message says how that was noticed."""


class Post(NamedTuple):
    """A station that is ready: its actor, its name, and the run that it makes."""

    actor: Any
    name: str
    info: RunInfo
    work: tuple[tuple[str, Any], ...]

    @property
    def kind(self) -> Kind:
        """What stations that share cases have in common."""
        return kind_of(self.info.devices)


def connect(address: str, staging: str) -> ModuleType:
    """Join a cluster as its driver; nodes import what stands in the folder `staging`.

    Raises:
        UsageError: Ray is not installed, or no cluster answers.
    """
    try:
        ray = importlib.import_module("ray")
    except ImportError as error:
        raise UsageError("the executor ray needs Ray: pip install 'kparity[ray]'") from error
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(
            address=address,
            runtime_env={"working_dir": staging},
            log_to_driver=False,
            logging_level="ERROR",
            namespace="kparity",
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise UsageError(f"no Ray cluster answers at {address!r}: {error}; see 'ray start --head'") from error
    return ray


def node_name(node: Mapping[str, Any]) -> str:
    """What a node is called: its host, and the beginning of its identity."""
    return f"{node['NodeManagerHostname']}-{node['NodeID'][:8]}"


def start(ray: ModuleType, node: Mapping[str, Any], arguments: Sequence[Any], *, gpu: bool) -> Any:
    """Begin a station on a node, with one of its GPUs or with none."""
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    where = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    environment = {} if gpu else {"runtime_env": {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}}}
    actor = ray.remote(Station).options(
        num_gpus=int(gpu), num_cpus=0 if gpu else 1, scheduling_strategy=where, max_restarts=0, **environment
    )
    return actor.remote(*arguments)


def collect(ray: ModuleType, actors: Mapping[str, Any], posts: list[Post], reasons: dict[str, str]) -> None:
    """Wait for stations to open; those that have work become posts, the others get a reason."""
    answers = {name: actor.open.remote() for name, actor in actors.items()}
    for name, answer in answers.items():
        try:
            offer = msgspec.msgpack.decode(ray.get(answer, timeout=OPEN_S), type=Offer)
        except ray.exceptions.GetTimeoutError:
            offer = Offer(None, reason=f"the station did not open its devices within {OPEN_S:g} s")
        except ray.exceptions.RayError as error:
            offer = Offer(None, reason=f"the station did not start: {_last_line(error)}")
        if offer.info is None:
            reasons[name] = offer.reason
            ray.kill(actors[name])
        else:
            posts.append(Post(actors[name], name, offer.info, offer.work))


def ask(ray: ModuleType, post: Post, cases: Sequence[CaseId]) -> Iterator[Evaluation]:
    """Have a station evaluate cases; gives each record as it arrives.

    Raises:
        StationLost: the station did not finish, and another one may.
        WorkerError: the station raised an error itself, as any other would.
    """
    try:
        for reference in post.actor.evaluate.remote(list(cases)):
            told = _TOLD.decode(ray.get(reference))
            if told.evaluation is not None:
                yield told.evaluation
            elif told.raised is not None:
                _raise(post.name, told.raised)
    except ray.exceptions.RayTaskError as error:  # in Ray's part of the station, such as reading what it was sent
        _raise(post.name, Raised(_last_line(error), str(error)))
    except ray.exceptions.RayError as error:
        raise StationLost(f"station {post.name!r} was lost: {_last_line(error)}") from error


def _raise(station: str, raised: Raised) -> None:
    if raised.device_lost:
        raise StationLost(f"station {station!r} lost its device: {raised.text}")
    listed = "".join(f"\n  {line}" for line in raised.traceback.strip().splitlines())
    raise WorkerError(
        f"station {station!r} raised {raised.text}; it is not lost: this is a defect of kparity or of a plugin there"
        f"{listed}"
    )


def _last_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
