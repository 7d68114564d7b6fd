"""The oracle cache: what a reference says of the very same input bytes, kept on disk for others and for later runs.

An entry's name is a digest of all that it follows from: the case, the contract, the bytes of the inputs, the sources of
the reference's package and of kparity, the versions of NumPy and SciPy, and the processor. So there is nothing to
expire, only to make room for. Entries are checked against a checksum, hold plain arrays, and belong to this user alone.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import os
import platform
import sys
import tempfile
import time
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from kparity.draws import Arrays
from kparity.host import cpu_name

if TYPE_CHECKING:
    from kparity.case import Case
    from kparity.spec import KernelSpec

FOLDER = "KPARITY_ORACLE_CACHE"
"""Environment variable: the folder, or `off`."""
LIMIT_BYTES = 2 << 30
LARGEST_BYTES = 256 << 20
"""Larger entries are not kept: reading them back costs about what computing them does."""
_ARRAYS = ("oracle", "errors", "bounds")
_FORMAT = 1
_CHECKSUM = 32
_ABANDONED_S = 3600.0
_BETWEEN = 64
_DRAFT = "draft-"
_STARTED = time.time()


@dataclass(frozen=True)
class Known:
    """What follows from a case's inputs.

    Attributes:
        oracle, errors, bounds: one array for each output; see `Problem` and `HonestError`.
        draws: perturbed evaluations behind the errors.
        unstable: see `Problem`.
    """

    oracle: Arrays
    errors: Arrays
    bounds: Arrays
    draws: int
    unstable: str


class OracleCache:
    """Entries in one folder, which any number of threads and processes may use at once.

    Args:
        folder: made with its parents if it is missing; only used if it belongs to this user alone.
        limit_bytes: above this the entries that were not asked for the longest go.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder
        self._limit = limit_bytes
        self._kept = 0
        self._usable = _is_mine(folder)

    @classmethod
    def default(cls) -> OracleCache | None:
        """The cache that the environment names, by default below `XDG_CACHE_HOME` or `~/.cache`; None if `off`."""
        named = os.environ.get(FOLDER, "")
        if named == "off":
            return None
        try:
            root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        except RuntimeError:  # no home
            return None
        return cls(Path(named) if named else root / "kparity" / "oracles")

    def entries(self) -> list[tuple[Path, int]]:
        """The files with their sizes in bytes, the one that was not asked for the longest first."""
        found = []
        for path in self.folder.glob("*.oracle"):
            with contextlib.suppress(OSError):  # another process made room
                status = path.stat()
                found.append((status.st_mtime_ns, path, status.st_size))
        return [(path, size) for _, path, size in sorted(found)]

    def recall(
        self, spec: KernelSpec, case: Case, inputs_digest: str, *, examine: bool, compute: Callable[[], Known]
    ) -> Known:
        """What is known of these inputs; computed now, by one process at a time, where nothing is.

        A spec whose sources cannot be told, and a folder that cannot be used, are computed each time. So is an entry
        that is damaged, which is replaced.

        Args:
            inputs_digest: of the inputs' bytes, see `kparity.draws.digest`.
            examine: whether the stability of the reference is part of what is wanted.
            compute: raises what computing raises; then nothing is kept.
        """
        sources = _sources(spec) if self._usable else ""
        if not sources:
            return compute()
        path = self.folder / f"{_name(spec, case, inputs_digest, sources, examine)}.oracle"
        known = _read(path, case)
        if known is not None:
            return known
        with self._alone(path):
            known = _read(path, case)  # another process may have computed it while this one waited
            if known is None:
                known = compute()
                self._keep(path, known)
        return known

    def _keep(self, path: Path, known: Known) -> None:
        if sum(array.nbytes for name in _ARRAYS for array in getattr(known, name)) > LARGEST_BYTES:
            return
        with contextlib.suppress(OSError):  # a full disk costs time, not the run
            payload = _packed(known)
            with tempfile.NamedTemporaryFile(dir=self.folder, prefix=_DRAFT, delete=False) as draft:
                try:
                    draft.write(hashlib.blake2b(payload, digest_size=_CHECKSUM).digest() + payload)
                    draft.flush()
                    os.replace(draft.name, path)
                except BaseException:
                    os.unlink(draft.name)
                    raise
            if self._kept % _BETWEEN == 0:
                self._make_room()
            self._kept += 1

    def _make_room(self) -> None:
        """Remove the entries that were not asked for the longest, and drafts whose writers were killed."""
        for draft in self.folder.glob(f"{_DRAFT}*"):
            with contextlib.suppress(OSError):
                if draft.stat().st_mtime < time.time() - _ABANDONED_S:
                    draft.unlink()
        entries = self.entries()
        total = sum(size for _, size in entries)
        for path, size in entries[:-1]:
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    @contextlib.contextmanager
    def _alone(self, path: Path) -> Iterator[None]:
        """No other process computes this entry meanwhile, where the file system has locks."""
        try:
            import fcntl

            # One of 256 files, so that none has to be removed, which no lock survives.
            lock = os.open(self.folder / f"lock-{path.name[:2]}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except (ImportError, OSError):
            yield
            return
        try:
            with contextlib.suppress(OSError):
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _is_mine(folder: Path) -> bool:
    """Whether the folder exists or can be made, and nobody else may write to it or read it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.stat()
    except OSError:
        return False
    if not hasattr(os, "geteuid"):
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & 0o077


def _name(spec: KernelSpec, case: Case, inputs_digest: str, sources: str, examine: bool) -> str:
    formulations = [f"{one.__module__}:{one.__qualname__}" for one in (spec.reference, *spec.variants)]
    parts = [repr(spec.numerics), *formulations, inputs_digest, sources, str(examine)]
    text = msgspec.json.encode([_FORMAT, _surroundings(), msgspec.to_builtins(case, str_keys=True), parts])
    return hashlib.sha256(text).hexdigest()[:40]


@functools.cache
def _surroundings() -> list[str]:
    versions = [f"{name} {metadata.version(name)}" for name in ("numpy", "scipy")]
    return [*versions, platform.machine(), cpu_name(), _tree_digest("kparity")]


def _sources(spec: KernelSpec) -> str:
    """A digest of the packages that the formulations come from; empty where they do not tell all that was computed."""
    packages = set()
    for formulation in (spec.reference, *spec.variants):
        if not isinstance(formulation, types.FunctionType) or formulation.__closure__:
            return ""
        packages.add(formulation.__module__.partition(".")[0])
    digests = [_tree_digest(package) for package in sorted(packages)]
    return " ".join(digests) if all(digests) else ""


@functools.cache
def _tree_digest(package: str) -> str:
    """A digest of a package's Python files; empty where they may differ from what was imported, or are not there."""
    module: Any = sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if package == "__main__" or file is None:
        return ""
    files = sorted(Path(file).parent.rglob("*.py")) if hasattr(module, "__path__") else [Path(file)]
    found = hashlib.sha256()
    try:
        for path in files:
            if path.stat().st_mtime > _STARTED:
                return ""
            found.update(f"{path.name} ".encode() + path.read_bytes())
    except OSError:
        return ""
    return found.hexdigest()


def _packed(known: Known) -> bytes:
    about = msgspec.json.encode({"draws": known.draws, "unstable": known.unstable})
    arrays = {f"{name}{place}": array for name in _ARRAYS for place, array in enumerate(getattr(known, name))}
    written = io.BytesIO()
    np.savez(written, allow_pickle=False, about=np.frombuffer(about, np.uint8), **arrays)
    return written.getvalue()


def _read(path: Path, case: Case) -> Known | None:
    """What the file holds; None where there is none, or where it is not whole."""
    try:
        content = path.read_bytes()
        checksum, payload = content[:_CHECKSUM], memoryview(content)[_CHECKSUM:]
        if hashlib.blake2b(payload, digest_size=_CHECKSUM).digest() != checksum:
            return None
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            about = msgspec.json.decode(arrays["about"].tobytes())
            places = range(len(case.outputs))
            oracle, errors, bounds = (tuple(arrays[f"{name}{place}"] for place in places) for name in _ARRAYS)
    except (OSError, ValueError, KeyError):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was asked for
    return Known(oracle, errors, bounds, about["draws"], about["unstable"])
