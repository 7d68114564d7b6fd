"""Puts a candidate's worker out of reach of everything else. Only what took is claimed."""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import stat
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Literal

from kparity.assurance import PROTECTIONS, Assurance
from kparity.sandbox import limits as limiting
from kparity.sandbox import linux
from kparity.sandbox.limits import Limits

_USERS = range(61184, 65520)
"""Users that systemd sets aside for services without an account; root's workers run under one drawn at random."""
_NOBODY = 65534


class Attempts:
    """What was tried so far and what did not take."""

    def __init__(self) -> None:
        self.missing: dict[str, str] = {}

    def attempt(self, protection: str, action: Callable[..., object], *arguments: object) -> bool:
        """Whether `action` went through; if not, the protection is missing, and why."""
        try:
            action(*arguments)
        except OSError as error:
            self.missing[protection] = error.strerror or str(error)
            return False
        return True

    def holds(self, protection: str) -> bool:
        """Whether nothing spoke against that protection so far."""
        return protection not in self.missing

    def assurance(self, started: str) -> Assurance:
        """The record of it, once everything was tried."""
        return confined("fork" if started == "fork" else "spawn", self.missing)


def confined(started: Literal["", "fork", "spawn"], missing: dict[str, str]) -> Assurance:
    """The record of a confinement that lacks what is `missing`."""
    return Assurance(started, False, tuple(name for name in PROTECTIONS if name not in missing), missing)


def judged(assurance: Assurance) -> Assurance:
    """The same with what the judge knows of itself."""
    if assurance.trusted:
        return assurance
    try:
        hidden = not linux.dumpable()
    except OSError:
        hidden = False
    reason = "'kparity verify' hides itself; a program of your own calls kparity.hide_process()"
    others = {name: why for name, why in assurance.missing.items() if name != "judge_memory"}
    return confined(assurance.started, others if hidden else {**others, "judge_memory": reason})


def hide_process() -> bool:
    """Keep processes of the same user from tracing this one and reading its memory; returns whether that was done.

    It also switches off core dumps of this process and attaching a debugger to it, so that the library never does it by
    itself. Programs that judge untrusted candidates call it once, `kparity verify` does.
    """
    try:
        linux.set_dumpable(False)
    except OSError:
        return False
    return True


def separate(attempts: Attempts) -> bool:
    """Give the processes forked from now on a namespace of their own; returns whether that was done.

    Who is not root does it within a user namespace, which holds no privilege over anything outside.
    """
    if os.getuid() != 0:
        attempts.attempt("user", linux.enter_user_namespace)
    return attempts.attempt("process_namespace", linux.unshare, linux.CLONE_NEWPID)


def confine(attempts: Attempts, folder: str, limits: Limits) -> None:
    """Confine this process, for good, to `folder`, an empty one, and to `limits`.

    It must have one thread only, and what it still needs must be open or importable.
    """
    with contextlib.suppress(OSError):  # where memory runs out, the worker goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
    os.umask(0o022)
    attempts.attempt("network", linux.unshare, linux.CLONE_NEWNET)
    attempts.attempt("ipc", linux.unshare, linux.CLONE_NEWIPC)
    root = os.getuid() == 0
    user = _free_user() if root else os.getuid()
    mounts = attempts.attempt("file_system", linux.unshare, linux.CLONE_NEWNS)
    if mounts:
        mounts = attempts.attempt("file_system", _own_mounts, _importable(), folder)
    if root and not attempts.attempt("user", _check_readable, user, in_use(), folder):
        user = 0
    if mounts:
        attempts.attempt("folder_size", _own_folder, folder, limits, user)
        attempts.attempt("file_system", _own_shared_memory)
        if attempts.holds("process_namespace"):
            flags = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
            attempts.attempt("process_view", linux.mount, "proc", "/proc", "proc", flags)
    for dependent in ("folder_size", "process_view"):
        if not mounts:
            attempts.missing[dependent] = "needs a mount namespace"
    if not attempts.holds("process_namespace"):
        attempts.missing["process_view"] = "needs process_namespace"
    limiting.furnish(folder)
    if root:
        _give(folder, user)
    attempts.missing.update(limiting.apply(limits, own_user=attempts.holds("user")))
    if attempts.attempt("no_privileges", linux.set_no_new_privileges):
        attempts.attempt("landlock", linux.landlock, (folder, "/dev/shm"), ("/dev", "/proc"))
    else:
        attempts.missing["landlock"] = "needs no_privileges"
    if user != os.getuid():
        attempts.attempt("user", _become, user)
    attempts.attempt("no_privileges", linux.drop_capabilities)
    with contextlib.suppress(OSError):  # a change of user made /proc/self root's, and drivers read there
        linux.set_dumpable(True)
    os.environ.update(limiting.at_home(folder))
    tempfile.tempdir = None  # the zygote has looked it up already, in an environment of its own
    os.umask(0o077)
    os.chdir(folder)


def _free_user() -> int:
    try:
        mapped = sum(int(line.split()[2]) for line in Path("/proc/self/uid_map").read_text().splitlines())
    except (OSError, ValueError, IndexError):
        mapped = 1 << 32
    return secrets.choice(_USERS) if mapped > _USERS.stop else min(_NOBODY, mapped - 1)


def _importable() -> list[str]:
    """What a worker may import from."""
    places = {sys.prefix, sys.exec_prefix, sys.base_prefix, *sys.path}
    return sorted({os.path.realpath(place) for place in places if place and os.path.exists(place)})


@functools.cache
def in_use() -> tuple[str, ...]:
    """Those of them that modules were imported from; zygotes ask once, before they fork."""
    loaded = [getattr(module, "__file__", None) or "" for module in tuple(sys.modules.values())]
    folders = {os.path.realpath(folder) for folder in {os.path.dirname(file) for file in loaded if file}}
    return tuple(place for place in _importable() if any(f"{folder}/".startswith(f"{place}/") for folder in folders))


def _own_mounts(needed: Iterable[str], folder: str) -> None:
    """Changes of mounts stay here, what is needed can be reached by anybody, and nothing can be written."""
    linux.mount("none", "/", None, linux.MS_REC | linux.MS_PRIVATE)
    readable = [place for place in needed if os.stat(place).st_mode & stat.S_IROTH]
    if os.getuid() == 0:
        _open_the_way([*readable, folder])
    linux.make_read_only("/")


def _open_the_way(needed: Iterable[str]) -> None:
    """Where a folder above is closed to other users, such as root's home, replace it by one with nothing else in it."""
    walls: dict[str, list[Path]] = {}
    for path in map(Path, needed):
        closed = [above for above in reversed(path.parents) if not above.stat().st_mode & stat.S_IXOTH]
        if closed:
            walls.setdefault(str(closed[0]), []).append(path)
    for wall, paths in walls.items():
        inside = [path for path in paths if not any(other in path.parents for other in paths)]
        held = {path: os.open(path, os.O_PATH) for path in inside}
        linux.mount("tmpfs", wall, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=1m")
        for path, descriptor in held.items():
            if stat.S_ISDIR(os.fstat(descriptor).st_mode):
                path.mkdir(mode=0o755, parents=True, exist_ok=True)
            else:
                path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
                path.touch()
            linux.mount(f"/proc/self/fd/{descriptor}", str(path), None, linux.MS_BIND | linux.MS_REC)
            os.close(descriptor)


def _own_folder(folder: str, limits: Limits, user: int) -> None:
    flags = linux.MS_NOSUID | linux.MS_NODEV
    linux.mount("tmpfs", folder, "tmpfs", flags, f"mode=700,uid={user},size={limits.folder_bytes}")


def _own_shared_memory() -> None:
    if os.path.isdir("/dev/shm"):
        linux.mount("tmpfs", "/dev/shm", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=1777,size=64m")


def _give(folder: str, user: int) -> None:
    with contextlib.suppress(OSError):
        os.chown(folder, user, user)
        for above, folders, _ in os.walk(folder):
            for name in folders:
                os.chown(os.path.join(above, name), user, user)


def _check_readable(user: int, needed: Iterable[str], folder: str) -> None:
    """Raise `OSError` where `user` cannot list a folder that it imports from, or not reach its own."""
    groups, group = os.getgroups(), os.getegid()
    try:
        os.setgroups([])
        os.setegid(user)
        os.seteuid(user)
        for path in needed:
            try:
                os.listdir(path) if os.path.isdir(path) else os.close(os.open(path, os.O_RDONLY))
            except OSError as error:
                reason = f"other users than root cannot read {path}: install kparity where they can"
                raise OSError(error.errno, reason) from error
        try:
            os.stat(folder)
        except OSError as error:
            reason = f"other users than root cannot reach {folder}: set TMPDIR to a folder where they can"
            raise OSError(error.errno, reason) from error
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _become(user: int) -> None:
    os.setgroups(_device_groups())
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)


def _device_groups() -> list[int]:
    """Groups, other than root's, that accelerators' device nodes belong to."""
    groups = set()
    for pattern in ("nvidia*", "kfd", "dri/render*", "accel/*", "vfio/*"):
        for node in Path("/dev").glob(pattern):
            with contextlib.suppress(OSError):
                groups.add(node.stat().st_gid)
    return sorted(groups - {0})
