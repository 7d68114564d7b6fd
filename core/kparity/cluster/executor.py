"""The executor `ray`: stations on the nodes of a Ray cluster, one for each GPU and one for what else a node has.

Stations that open the same devices share the cases; each kind evaluates everything. All line-ups of a case run on one
station, so that a kernel and its baseline are timed on the same device. A station that is lost, with its node or alone,
hands its unfinished cases to the others of its kind.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import secrets
import shutil
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import msgspec

import kparity
from kparity.backend import DeviceInfo
from kparity.cluster.dealing import CaseId, Deck, Hand
from kparity.cluster.shipping import gather
from kparity.cluster.station import Offer, Station
from kparity.environment import RunInfo
from kparity.errors import NothingEvaluatedError, UsageError, WorkerError
from kparity.options import Options
from kparity.plan import Selection, lineups
from kparity.provenance import git_states
from kparity.records import Evaluation
from kparity.session import Session
from kparity.store import RunFolder

_EVALUATION = msgspec.json.Decoder(Evaluation)
OPEN_S = 600.0
"""Seconds that a station may take to start and open its devices."""


class Post(NamedTuple):
    """A station that is ready: its actor, its name, and the run that it makes."""

    actor: Any
    name: str
    info: RunInfo
    work: tuple[tuple[str, Any], ...]

    @property
    def kind(self) -> tuple[tuple[str, str, str], ...]:
        """What stations that share cases have in common: backends and the names of their devices."""
        return tuple(sorted((one.backend, one.name, one.kind) for one in self.info.devices))


class RayExecutor:
    """Carries out runs on a Ray cluster.

    Args:
        session: whose catalogue is shipped: its installed plugins, not its `extra` ones.
        address: of the cluster's head, `host:port`, or `auto`.
        labels: node labels that a node must have to be used, by name.
    """

    def __init__(self, session: Session, address: str, labels: Mapping[str, str] | None = None) -> None:
        self._session = session
        self._address = address
        self._labels = dict(labels or {})

    def prepare(self, selection: Selection, options: Options, out: str | os.PathLike[str] | None) -> ClusterRun:
        """Connect, ship the sources, open stations and plan.

        Raises:
            UsageError: Ray is not installed, the cluster does not answer, or `out` holds something.
            NothingEvaluatedError: no node has a case to run.
        """
        catalogue = self._session.catalogue
        if options.seed is None:  # stations must agree
            options = msgspec.structs.replace(options, seed=secrets.randbits(48))
        folder = Path(out) if out is not None else None
        if folder is not None and folder.exists() and any(folder.iterdir()):
            raise UsageError(f"{str(folder)!r} is not empty; a run on a cluster writes a folder for each station there")
        targets = [one.target for group in lineups(catalogue, selection) for one in group.implementations]
        staging = tempfile.mkdtemp(prefix="kparity-ship-")
        try:
            gather(catalogue.plugin_targets, targets, Path(staging))
            ray = _connect(self._address, staging)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
        try:
            posts, reasons = self._posts(ray, selection, options)
            if not posts:
                listed = "".join(f"\n  {name}: {reason}" for name, reason in reasons.items())
                raise NothingEvaluatedError(f"nothing to evaluate: no node of the cluster has a case to run{listed}")
        except BaseException:
            ray.shutdown()
            raise
        sources = git_states({"kparity": Path(kparity.__file__), **catalogue.files})
        posts = [
            post._replace(
                info=msgspec.structs.replace(
                    post.info,
                    plugins=catalogue.plugins,
                    sources=sources,
                    options={**post.info.options, "executor": "ray", "station": post.name},
                )
            )
            for post in posts
        ]
        return ClusterRun(ray, self._session, posts, folder, reasons)

    def _posts(self, ray: ModuleType, selection: Selection, options: Options) -> tuple[list[Post], dict[str, str]]:
        """Stations by node: first one for each GPU, then one for what these left over."""
        nodes = [node for node in ray.nodes() if node["Alive"] and self._labels.items() <= node["Labels"].items()]
        common = [
            self._session.catalogue.plugin_targets,
            msgspec.msgpack.encode(selection),
            msgspec.msgpack.encode(options),
        ]
        posts: list[Post] = []
        reasons: dict[str, str] = {}
        gpus = {
            f"{_name(node)}-gpu{number}": _start(ray, node, [*common, True, []], gpu=True)
            for node in nodes
            for number in range(int(node["Resources"].get("GPU", 0)))
        }
        _collect(ray, gpus, posts, reasons)
        rest = {}
        for node in nodes:
            served = {
                one.backend for post in posts if post.name.startswith(f"{_name(node)}-") for one in post.info.devices
            }
            rest[f"{_name(node)}-host"] = _start(ray, node, [*common, False, sorted(served)], gpu=False)
        _collect(ray, rest, posts, reasons)
        return posts, reasons


class ClusterRun:
    """A prepared run on a cluster; see `kparity.running.Run` for the attributes.

    `path` holds a run folder for each station. A case is written when all of its line-ups are done.
    """

    def __init__(
        self,
        ray: ModuleType,
        session: Session,
        posts: Sequence[Post],
        folder: Path | None,
        unavailable: Mapping[str, str],
    ) -> None:
        self._ray = ray
        self._catalogue = session.catalogue
        self._posts = posts
        by_kind: dict[object, list[Post]] = defaultdict(list)
        for post in posts:
            by_kind[post.kind].append(post)
        self._decks: dict[str, Deck] = {}
        self._every: list[Deck] = []
        self.planned: dict[str, int] = Counter()
        for alike in by_kind.values():
            deck = Deck(Counter((case.task, case.key) for _, case in alike[0].work), len(alike))
            self._every.append(deck)
            self._decks.update({post.name: deck for post in alike})
            self.planned.update(Counter(label for label, _ in alike[0].work))
        self.total = sum(self.planned.values())
        self.finished = 0
        self.path = folder
        devices = tuple(one for post in posts for one in post.info.devices)
        self.info = msgspec.structs.replace(posts[0].info, devices=devices, unavailable=dict(unavailable))
        labels = {label: label.partition(":")[0] for label in self.planned}
        first: dict[str, DeviceInfo] = {}
        for one in devices:
            first.setdefault(one.backend, one)
        self.devices = {label: first[backend] for label, backend in labels.items() if backend in first}
        self._folders = {
            post.name: RunFolder.create(folder / post.name, post.info) for post in posts if folder is not None
        }
        self._closed = False

    def __iter__(self) -> Iterator[Evaluation]:
        arrived: queue.Queue[tuple[str, list[Evaluation]] | BaseException | None] = queue.Queue()
        threads = [
            threading.Thread(target=self._serve, args=(post, arrived), name=post.name, daemon=True)
            for post in self._posts
        ]
        for thread in threads:
            thread.start()
        left = len(threads)
        try:
            while left:
                item = arrived.get()
                if item is None:
                    left -= 1
                elif isinstance(item, BaseException):
                    raise item
                else:
                    name, evaluations = item
                    for evaluation in evaluations:
                        if name in self._folders:
                            self._folders[name].append(evaluation)
                        self._catalogue.notify("evaluation_finished", evaluation=evaluation)
                        yield evaluation
            missing = [case for deck in self._every for case in deck.missing()]
            if missing:
                named = ", ".join(f"{task} {key}" for task, key in missing[:3])
                raise WorkerError(
                    f"{len(missing)} cases were not evaluated, since every station that could was lost: {named}"
                    f"{' ...' if len(missing) > 3 else ''}"
                )
        finally:
            self.close()

    def close(self) -> None:
        """End every station, leave the cluster and close the run folders."""
        if self._closed:
            return
        self._closed = True
        for post in self._posts:
            with contextlib.suppress(Exception):
                self._ray.kill(post.actor)
        self._ray.shutdown()
        for folder in self._folders.values():
            folder.close()

    def _serve(self, post: Post, arrived: queue.Queue[Any]) -> None:
        """Deal cases to one station until nothing is left, or it is lost."""
        deck = self._decks[post.name]
        try:
            while not self._closed and (hand := deck.deal()) is not None:
                unfinished = self._play(post, hand, arrived)
                deck.finish(hand, unfinished)
                if unfinished:
                    return
        except BaseException as error:  # a defect of kparity itself: hand it to the consumer
            if not self._closed:
                arrived.put(error)
        finally:
            arrived.put(None)

    def _play(self, post: Post, hand: Hand, arrived: queue.Queue[Any]) -> set[CaseId]:
        """Have a station evaluate a hand; gives the cases that it did not finish."""
        waiting: dict[CaseId, list[Evaluation]] = {case: [] for case in hand.cases}
        try:
            for reference in post.actor.evaluate.remote(list(hand.cases)):
                one = _EVALUATION.decode(self._ray.get(reference))
                case = (one.task, one.case.key)
                waiting[case].append(one)
                if len(waiting[case]) == hand.cases[case]:
                    arrived.put((post.name, waiting.pop(case)))
        except self._ray.exceptions.RayError:  # the actor or its node is gone, or the evaluation itself cannot go on
            pass
        return set(waiting)


def _connect(address: str, staging: str) -> ModuleType:
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


def _name(node: Mapping[str, Any]) -> str:
    return f"{node['NodeManagerHostname']}-{node['NodeID'][:8]}"


def _start(ray: ModuleType, node: Mapping[str, Any], arguments: Sequence[Any], *, gpu: bool) -> Any:
    strategies = importlib.import_module("ray.util.scheduling_strategies")
    where = strategies.NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
    environment = {} if gpu else {"runtime_env": {"env_vars": {"CUDA_VISIBLE_DEVICES": ""}}}
    actor = ray.remote(Station).options(
        num_gpus=int(gpu), num_cpus=0 if gpu else 1, scheduling_strategy=where, max_restarts=0, **environment
    )
    return actor.remote(*arguments)


def _collect(ray: ModuleType, actors: Mapping[str, Any], posts: list[Post], reasons: dict[str, str]) -> None:
    """Wait for stations to open; those that have work become posts."""
    answers = {name: actor.open.remote() for name, actor in actors.items()}
    for name, answer in answers.items():
        try:
            offer = msgspec.msgpack.decode(ray.get(answer, timeout=OPEN_S), type=Offer)
        except ray.exceptions.RayError as error:
            reasons[name] = f"the station did not start: {str(error).strip().splitlines()[-1]}"
            continue
        if offer.info is None:
            reasons[name] = offer.reason
            ray.kill(actors[name])
        else:
            posts.append(Post(actors[name], name, offer.info, offer.work))
