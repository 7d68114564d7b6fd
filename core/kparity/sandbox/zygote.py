"""The zygote: it imports a framework and forks workers on request. `python -m kparity.sandbox.zygote SOCKET JUDGE`.

    judge --socket--> zygote --forks--> keeper --forks--> worker
      |                                    |
      +------------- leash ----------------+

Each worker has a keeper. When the worker ends, when the judge says so and when the judge is gone (the leash, a socket,
closes), the keeper ends the worker with everything that it started, removes its folder and reports how it ended. The
keeper of a candidate is process 1 of a namespace of its own where the platform allows that.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
import time
from pathlib import Path
from typing import NoReturn

import msgspec

from kparity.assurance import Assurance
from kparity.loading import resolve
from kparity.sandbox import linux, worker
from kparity.sandbox.confine import Attempts, confine, in_use, separate
from kparity.sandbox.limits import Limits

_IDLE_S = 0.1
"""Seconds without a request after which there is time for what the next workers need."""

STATUS = struct.Struct("!i")
"""What a keeper reports: how the worker ended, as `os.waitpid` puts it."""


class Planted(msgspec.Struct, frozen=True):
    """The first message to a zygote.

    Attributes:
        path: where to import from.
        target: the backend class to preload; empty for a zygote that is to stay bare.
    """

    path: list[str]
    target: str


class Birth(msgspec.Struct, frozen=True):
    """A request for a worker; with it travel descriptors: requests, replies, arena, output, leash.

    Attributes:
        limits: of a candidate's worker; None for a registered implementation, which is trusted.
        environment: all that the worker is to see of the judge's; the zygote itself sees no secret.
    """

    limits: Limits | None
    environment: dict[str, str]


def main() -> None:
    """Serve until the judge closes the socket."""
    control = socket.socket(fileno=int(sys.argv[1]))
    planted = msgspec.msgpack.decode(_message(control)[0], type=Planted)
    sys.path[:] = planted.path
    if planted.target:
        with contextlib.suppress(Exception):  # a worker that opens the device will meet it again and report it
            resolve(planted.target)().preload()
    started = "fork" if planted.target else "spawn"
    _import_ahead()
    gc.collect()
    gc.freeze()
    with contextlib.suppress(OSError):
        linux.become_subreaper()
    bell, ringer = _bell()
    keepers: dict[int, str] = {}
    home = _home()
    candidates, complete = 0, not planted.target
    while True:
        patience = _IDLE_S if candidates > 1 and not complete else None  # where two candidates came, more will
        ready = select.select([control.fileno(), bell], [], [], patience)[0]
        if not ready:
            _import_statistics()
            complete = True
        if bell in ready:
            _drain(bell)
            _reap(keepers)
        if control.fileno() in ready:
            payload, descriptors = _message(control)
            if not payload:
                return
            birth = msgspec.msgpack.decode(payload, type=Birth)
            candidates += birth.limits is not None
            sys.stdout.flush()
            sys.stderr.flush()
            folder = "" if birth.limits is None else tempfile.mkdtemp(prefix="kparity-")
            apart = birth.limits is not None and home >= 0 and _leave()
            keeper = os.fork()
            if not keeper:
                signal.set_wakeup_fd(-1)
                for descriptor in (control.detach(), bell, ringer, *([home] if home >= 0 else [])):
                    os.close(descriptor)
                _keeper(birth, descriptors, folder, started, apart)
            if apart:
                linux.enter_namespace(home, linux.CLONE_NEWPID)
            keepers[keeper] = folder
            for descriptor in descriptors:
                os.close(descriptor)


def _home() -> int:
    """A descriptor of this process's namespace of processes; negative where it could not come back to it."""
    with contextlib.suppress(OSError):
        descriptor = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        with contextlib.suppress(OSError):
            linux.enter_namespace(descriptor, linux.CLONE_NEWPID)
            return descriptor
        os.close(descriptor)
    return -1


def _leave() -> bool:
    """The next process forked from here is the first of a namespace; saves a fork. Says whether that was done."""
    try:
        linux.unshare(linux.CLONE_NEWPID)
    except OSError:  # the keeper tries for itself, and knows how without being root
        return False
    return True


def _import_statistics() -> None:
    """What every worker that takes times imports: it takes longer than the times do."""
    with contextlib.suppress(ImportError):
        import scipy.stats  # noqa: F401
    gc.collect()
    gc.freeze()


def _import_ahead() -> None:
    """What a worker would otherwise import, or find out, for itself."""
    import kparity.roofline
    import kparity.stats  # noqa: F401

    in_use()


def _message(control: socket.socket) -> tuple[bytes, list[int]]:
    """One message: its length, its text, and what travels with it; empty at the end."""
    data, descriptors, _, _ = socket.recv_fds(control, 4, 8)
    if len(data) < 4:
        return b"", descriptors
    (length,) = struct.unpack("!I", data)
    payload = b""
    while len(payload) < length:
        chunk = control.recv(length - len(payload))
        if not chunk:
            return b"", descriptors
        payload += chunk
    return payload, descriptors


def _bell() -> tuple[int, int]:
    """A descriptor that becomes readable when a child ends, and the one that makes it so."""
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    return reading, writing


def _drain(bell: int) -> None:
    with contextlib.suppress(BlockingIOError):
        while os.read(bell, 4096):
            pass


def _reap(keepers: dict[int, str]) -> None:
    """Forget keepers that ended; end what lost its keeper, and remove the folder that a keeper did not."""
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if folder := keepers.pop(ended, ""):
                _remove(folder)
    for stray in _children() - keepers.keys():
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(stray, signal.SIGKILL)


def _keeper(birth: Birth, descriptors: list[int], folder: str, started: str, apart: bool) -> NoReturn:
    """Set the worker up and see it to its end.

    Args:
        apart: this is the first process of a namespace already.
    """
    requests, replies, arena, output, leash = descriptors
    os.setsid()
    attempts = Attempts()
    if birth.limits is not None and not apart and separate(attempts):
        inner = os.fork()
        if inner:
            for descriptor in descriptors:
                os.close(descriptor)
            os.waitpid(inner, 0)
            os._exit(0)
        _die_with_parent()
    with contextlib.suppress(OSError):
        linux.become_subreaper()
    bell, ringer = _bell()
    child = os.fork()
    if not child:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for descriptor in (bell, ringer, leash):
            os.close(descriptor)
        _worker(birth, requests, replies, arena, output, folder, attempts, started)
    for descriptor in (requests, replies, arena, output):
        os.close(descriptor)
    status = _watch(child, leash, bell)
    _end_the_rest()
    if folder:
        _remove(folder)
    with contextlib.suppress(OSError):
        os.write(leash, STATUS.pack(status))
    os._exit(0)


def _die_with_parent() -> None:
    with contextlib.suppress(OSError):
        linux.set_parent_death_signal(signal.SIGKILL)


def _watch(child: int, leash: int, bell: int) -> int:
    """Wait until the worker ends, or end it when the leash moves or is let go."""
    watched = [leash, bell]
    while True:
        ready = select.select(watched, [], [])[0]
        if leash in ready:
            watched.remove(leash)
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    end(child, signal.SIGKILL)
        _drain(bell)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
                if ended[0] == child:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(child, signal.SIGKILL)
                    return ended[1]


def _end_the_rest() -> None:
    """End what the worker left behind: all of this namespace, or all that became this process's children."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpid() == 1:
                os.kill(-1, signal.SIGKILL)
            else:
                for process in _children():
                    os.kill(process, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.001)
        except ChildProcessError:
            return


def _children() -> set[int]:
    """Processes whose parent this is, by the system's list of them; empty where that counts from another namespace."""
    me, mine = str(os.getpid()), set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if stat.read_text().rpartition(")")[2].split()[1] == me:
                mine.add(int(stat.parent.name))
    return mine


def _remove(folder: str) -> None:
    for above, _, _ in os.walk(folder):
        with contextlib.suppress(OSError):
            os.chmod(above, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def _worker(
    birth: Birth,
    requests: int,
    replies: int,
    arena: int,
    output: int,
    folder: str,
    attempts: Attempts,
    started: str,
) -> NoReturn:
    """Confine this process and serve; never returns into the zygote's code."""
    status = 1
    try:
        os.setsid()
        _die_with_parent()
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(output)
        os.environ.clear()
        os.environ.update(birth.environment)
        assurance = Assurance("fork" if started == "fork" else "spawn")
        if birth.limits is not None:
            confine(attempts, folder, birth.limits)
            _die_with_parent()  # a change of user took it back
            assurance = attempts.assurance(started)
        worker.serve(requests, replies, arena, assurance)
        status = 0
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status & 0xFF)


if __name__ == "__main__":
    main()
