"""A run on a cluster: cases are dealt to stations, records written as they arrive.

What a lost station left is dealt again.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec

from kparity.backend import DeviceInfo
from kparity.cluster.dealing import CaseId, Deck, Hand
from kparity.cluster.posting import Post, StationLost, ask
from kparity.environment import Resumption, RunInfo
from kparity.errors import WorkerError
from kparity.lanes import received
from kparity.records import Evaluation
from kparity.session import Session
from kparity.store import RunFolder, open_run


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
        again: Resumption | None = None,
        finished: int = 0,
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
        self.finished = finished
        self.path = folder
        devices = tuple(one for post in posts for one in post.info.devices)
        self.info = msgspec.structs.replace(posts[0].info, devices=devices, unavailable=dict(unavailable))
        labels = {label: label.partition(":")[0] for label in self.planned}
        first: dict[str, DeviceInfo] = {}
        for one in devices:
            first.setdefault(one.backend, one)
        self.devices = {label: first[backend] for label, backend in labels.items() if backend in first}
        self._folders = {
            post.name: _folder(folder / post.name, post.info, again)
            for post in posts
            if folder is not None and post.work
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
        try:
            for name, evaluations in received(arrived, len(threads)):
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


def _folder(path: Path, info: RunInfo, again: Resumption | None) -> RunFolder:
    """A station's run folder: a new one or, where a run is taken up by a station that it had, the one it has."""
    if again is None:
        return RunFolder.create(path, info)
    known = open_run(path).info if path.exists() else info
    resumed = msgspec.structs.replace(
        known, resumed=(*known.resumed, msgspec.structs.replace(again, devices=info.devices))
    )
    return RunFolder.resume(path, resumed) if path.exists() else RunFolder.create(path, resumed)
