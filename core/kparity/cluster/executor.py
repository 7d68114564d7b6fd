"""The executor `ray`: stations on the nodes of a Ray cluster, one for each GPU and one for what else a node has.

Stations that open the same devices share the cases; each kind evaluates everything. All line-ups of a case run on one
station, so that a kernel and its baseline are timed on the same device. A station that is lost, with its node or alone,
hands its unfinished cases to the others of its kind.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import msgspec

import kparity
from kparity.cluster.past import ClusterPast
from kparity.cluster.posting import Post, collect, connect, node_name, start
from kparity.cluster.run import ClusterRun
from kparity.cluster.shipping import gather
from kparity.environment import Resumption, now
from kparity.errors import NothingEvaluatedError, UsageError
from kparity.host import host_info
from kparity.options import Options
from kparity.past import refuse
from kparity.plan import Selection, lineups
from kparity.provenance import git_states
from kparity.session import Session


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
        if options.seed is None:  # stations must agree
            options = msgspec.structs.replace(options, seed=secrets.randbits(48))
        folder = Path(out) if out is not None else None
        if folder is not None and folder.exists() and any(folder.iterdir()):
            raise UsageError(
                f"{str(folder)!r} is not empty; a run on a cluster writes a folder for each station there. Give "
                "another --out, or take up the run in it with --resume"
            )
        ray, posts, reasons = self._opened(selection, options)
        return ClusterRun(ray, self._session, posts, folder, reasons)

    def resume(self, path: str | os.PathLike[str], *, force: bool = False, jobs: int | None = None) -> ClusterRun:
        """Take up a run that was interrupted, on whatever nodes the cluster has now; see `Session.resume`.

        A case that every line-up has finished on some station is not evaluated again by stations of the same hardware.

        Raises:
            UsageError: versions, sources or kinds of hardware differ and `force` is not given; `path` holds no run on a
                cluster; otherwise as `prepare`.
            KparityError: a run folder is damaged.
            NothingEvaluatedError: no node has a case to run.
        """
        past = ClusterPast(Path(path))
        catalogue = self._session.catalogue
        sources = git_states({"kparity": Path(kparity.__file__), **catalogue.files})
        differences = past.software_differences(kparity.__version__, catalogue.plugins, sources)
        refuse(past.path, differences, force)
        ray, posts, reasons = self._opened(past.selection(), past.options(jobs))
        try:
            found = past.hardware_differences({post.name: post.info.devices for post in posts})
            refuse(past.path, found, force)
            posts = [post._replace(work=tuple(past.unfinished(post.kind, post.work))) for post in posts]
            again = Resumption(
                started_at=now(),
                kparity=kparity.__version__,
                host=host_info(),
                sources=sources,
                forced=(*differences, *found),
            )
            return ClusterRun(ray, self._session, posts, past.path, reasons, again, past.finished)
        except BaseException:
            ray.shutdown()
            raise

    def _opened(self, selection: Selection, options: Options) -> tuple[ModuleType, list[Post], dict[str, str]]:
        """The cluster, its stations with what they have to do, and why the others have nothing."""
        catalogue = self._session.catalogue
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
        return ray, posts, reasons

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
