"""The executor `ray`: stations on the nodes of a Ray cluster, one for each GPU and one for what else a node has.

Stations that open the same devices share the cases; each kind evaluates everything. All line-ups of a case run on one
station, so that a kernel and its baseline are timed on the same device. A station that is lost, with its node or alone,
hands its unfinished cases to the others of its kind.
"""

from __future__ import annotations

import contextlib
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
from typing import Any

import msgspec

import kparity
from kparity.backend import DeviceInfo
from kparity.cluster.dealing import CaseId, Deck, Hand
from kparity.cluster.posting import Post, StationLost, ask, collect, connect, node_name, start
from kparity.cluster.shipping import gather
from kparity.errors import NothingEvaluatedError, UsageError, WorkerError
from kparity.options import Options
from kparity.plan import Selection, lineups
from kparity.provenance import git_states
from kparity.records import Evaluation
from kparity.session import Session
from kparity.store import RunFolder


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
            ray = connect(self._address, staging)
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
        if not nodes:
            wanted = ", ".join(f"{name}={value}" for name, value in self._labels.items())
            raise NothingEvaluatedError(f"nothing to evaluate: no node of the cluster has the label {wanted}")
        common = [
            self._session.catalogue.plugin_targets,
            msgspec.msgpack.encode(selection),
            msgspec.msgpack.encode(options),
        ]
        posts: list[Post] = []
        reasons: dict[str, str] = {}
        gpus = {
            f"{node_name(node)}-gpu{number}": start(ray, node, [*common, True, []], gpu=True)
            for node in nodes
            for number in range(int(node["Resources"].get("GPU", 0)))
        }
        collect(ray, gpus, posts, reasons)
        rest = {}
        for node in nodes:
            served = {
                one.backend
                for post in posts
                if post.name.startswith(f"{node_name(node)}-")
                for one in post.info.devices
            }
            rest[f"{node_name(node)}-host"] = start(ray, node, [*common, False, sorted(served)], gpu=False)
        collect(ray, rest, posts, reasons)
        return posts, reasons


class ClusterRun:
    """A prepared run on a cluster; see `kparity.running.Run` and `kparity.executors.Prepared` for the attributes.

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
        self.losses: dict[str, str] = {}
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
                losses = "".join(f"\n  {reason}" for reason in self.losses.values())
                raise WorkerError(
                    f"{len(missing)} cases were not evaluated, since every station that could was lost: {named}"
                    f"{' ...' if len(missing) > 3 else ''}{losses}"
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
        """Deal cases to one station until nothing is left, or it is lost; what it raises ends the run."""
        deck = self._decks[post.name]
        try:
            while not self._closed and (hand := deck.deal()) is not None:
                unfinished = set(hand.cases)
                try:
                    unfinished = self._play(post, hand, arrived)
                finally:
                    deck.finish(hand, unfinished)
                if unfinished:
                    return
        except BaseException as error:  # a defect, there or here: hand it to the consumer
            if not self._closed:
                arrived.put(error)
        finally:
            arrived.put(None)

    def _play(self, post: Post, hand: Hand, arrived: queue.Queue[Any]) -> set[CaseId]:
        """Have a station evaluate a hand; gives the cases that it did not finish."""
        waiting: dict[CaseId, list[Evaluation]] = {case: [] for case in hand.cases}
        try:
            for one in ask(self._ray, post, list(hand.cases)):
                case = (one.task, one.case.key)
                waiting[case].append(one)
                if len(waiting[case]) == hand.cases[case]:
                    arrived.put((post.name, waiting.pop(case)))
        except StationLost as error:
            self.losses[post.name] = str(error)
        else:
            if waiting:
                self.losses[post.name] = f"station {post.name!r} ended with {len(waiting)} cases unanswered"
        return set(waiting)
