"""A lease on a device: while one kparity takes times on it, the others of the same user on this machine wait.

It is a lock on a file in the user's own folder, which the system releases when its holder dies. Other users, other
machines that see the same device, and programs that are not kparity know nothing of it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from kparity.backend import DeviceInfo

PATIENCE_S = 3.0
"""Seconds of waiting after which the user is told why nothing happens."""

_POLL_S = 0.02
_here: dict[Path, threading.RLock] = {}
_guard = threading.Lock()
_held = threading.local()


def identity(device: DeviceInfo) -> str:
    """What the lease is on: the device's uuid, or its name and index; of a CPU, the machine."""
    if device.kind == "cpu":
        return "cpu"
    return device.uuid or f"{device.kind} {device.name} {device.index}"


@contextlib.contextmanager
def lease(*devices: DeviceInfo) -> Iterator[None]:
    """Hold these devices. Waits for other processes and threads; a thread may hold what it holds already.

    Where no file can be locked, other processes are not waited for: a time that may be disturbed beats none.
    """
    with contextlib.ExitStack() as held:
        for name in sorted({identity(device) for device in devices}):  # in one order, so that nobody waits in a ring
            held.enter_context(_locked(_path(name), name))
        yield


@contextlib.contextmanager
def _locked(path: Path, name: str) -> Iterator[None]:
    with _guard:
        lock = _here.setdefault(path, threading.RLock())
    with lock:
        depths: dict[Path, int] = _held.__dict__.setdefault("depths", {})
        depth = depths.get(path, 0)
        descriptor = -1 if depth else _opened(path)
        depths[path] = depth + 1
        try:
            if descriptor >= 0:
                _wait(descriptor, name)
            yield
        finally:
            depths[path] = depth
            if descriptor >= 0:
                os.close(descriptor)


def _opened(path: Path) -> int:
    """A descriptor that no child process inherits; -1 where there is none to be had."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:
        return -1


def _wait(descriptor: int, name: str) -> None:
    deadline, told = time.monotonic() + PATIENCE_S, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pass
        except OSError:  # a file system without locks
            return
        if not told and time.monotonic() > deadline:
            told = True
            print(f"kparity: waiting for another kparity that takes times on {name}", file=sys.stderr, flush=True)
        time.sleep(_POLL_S)


def _path(name: str) -> Path:
    root = os.environ.get("XDG_RUNTIME_DIR") or os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(root) if root else Path.home() / ".cache"
    except RuntimeError:  # no home
        folder = Path(os.devnull)
    return folder / "kparity" / "leases" / hashlib.sha256(f"{platform.node()} {name}".encode()).hexdigest()[:24]
