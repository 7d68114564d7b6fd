"""The Linux calls that Python 3.11 lacks, through libc: namespaces, mounts, capabilities, Landlock, process controls.

Every function raises `OSError` where the kernel, the container or the platform refuses; nobody here decides what a
refusal means.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable

CLONE_NEWNS = 0x00020000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x2, 0x4, 0x8
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000

_PR_SET_PDEATHSIG = 1
_PR_GET_DUMPABLE = 3
_PR_SET_DUMPABLE = 4
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47

# These numbers are the same on every architecture: they were given out after the tables were unified.
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_ADD_RULE = 445
_SYS_LANDLOCK_RESTRICT_SELF = 446
_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_MOUNT_ATTR_RDONLY = 0x1

# Landlock's access rights, from linux/landlock.h.
_READING = 0b1 | 1 << 2 | 1 << 3  # execute, read a file, read a folder
_WRITE_FILE = 1 << 1
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_NETWORK_TCP = 0b11
_SCOPE_SOCKETS_AND_SIGNALS = 0b11

_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def unshare(flags: int) -> None:
    """Leave namespaces; see unshare(2)."""
    _done(_lib().unshare(flags))


def enter_namespace(descriptor: int, flags: int) -> None:
    """Join the namespace that a descriptor of `/proc/self/ns` stands for; see setns(2)."""
    _done(_lib().setns(descriptor, flags))


def mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """See mount(2)."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind, options)]
    _done(_lib().mount(encoded[0], encoded[1], encoded[2], ctypes.c_ulong(flags), encoded[3]))


def make_read_only(path: str) -> None:
    """Make the mount at `path` and all below it read-only (Linux 5.12); devices stay usable."""
    attributes = struct.pack("=QQQQ", _MOUNT_ATTR_RDONLY, 0, 0, 0)
    size = ctypes.c_size_t(len(attributes))
    _done(_lib().syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, path.encode(), _AT_RECURSIVE, attributes, size))


def enter_user_namespace() -> None:
    """A fresh user namespace with the same identity as outside, and no other; every privilege in it ends there."""
    uid, gid = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    for capability in range(64):
        try:
            prctl(_PR_CAPBSET_DROP, capability)
        except OSError as error:
            if error.errno == errno.EINVAL:  # beyond the last one
                break
            if error.errno != errno.EPERM:
                raise
    prctl(_PR_CAP_AMBIENT, 4)
    header = ctypes.create_string_buffer(struct.pack("=Ii", 0x20080522, 0))
    _done(_lib().capset(header, ctypes.create_string_buffer(24)))


def set_no_new_privileges() -> None:
    """No program started from here gains privileges."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def set_dumpable(dumpable: bool) -> None:
    """Whether processes of the same user may trace this one and read its memory."""
    prctl(_PR_SET_DUMPABLE, int(dumpable))


def dumpable() -> bool:
    """Whether they may."""
    zero = ctypes.c_ulong(0)
    return _done(_lib().prctl(_PR_GET_DUMPABLE, zero, zero, zero, zero)) == 1


def set_parent_death_signal(number: int) -> None:
    """The signal that this process gets when its parent dies; 0 is none."""
    prctl(_PR_SET_PDEATHSIG, number)


def become_subreaper() -> None:
    """Orphans below this process become its children."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def prctl(option: int, argument: int) -> None:
    """See prctl(2)."""
    zero = ctypes.c_ulong(0)
    _done(_lib().prctl(option, ctypes.c_ulong(argument), zero, zero, zero))


def landlock_version() -> int:
    """The kernel's Landlock version; 0 where there is none."""
    try:
        return int(_done(_lib().syscall(_SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), 1)))
    except OSError:
        return 0


def landlock(writable: Iterable[str], devices: Iterable[str]) -> None:
    """From now on this process and its children write below `writable` only, and open what exists below `devices`.

    Also, as far as the kernel's version goes: no TCP, no abstract sockets and no signals to the outside.

    Raises:
        OSError: the kernel has no Landlock, or it is switched off.
    """
    version = landlock_version()
    if not version:
        raise OSError(errno.EOPNOTSUPP, "this kernel has no Landlock")
    known = (1 << 13) - 1
    for first, right in ((2, 1 << 13), (3, _TRUNCATE), (5, _IOCTL_DEV)):
        known |= right if version >= first else 0
    handled = known & ~_READING
    attributes = [handled]
    if version >= 4:
        attributes.append(_NETWORK_TCP)
    if version >= 6:
        attributes.append(_SCOPE_SOCKETS_AND_SIGNALS)
    packed = struct.pack(f"={len(attributes)}Q", *attributes)
    ruleset = _done(
        _lib().syscall(
            _SYS_LANDLOCK_CREATE_RULESET, ctypes.create_string_buffer(packed), ctypes.c_size_t(len(packed)), 0
        )
    )
    try:
        for path in writable:
            _allow(ruleset, path, handled)
        for path in devices:
            _allow(ruleset, path, handled & (_WRITE_FILE | _TRUNCATE | _IOCTL_DEV))
        _done(_lib().syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        rule = ctypes.create_string_buffer(struct.pack("=Qi", rights, parent))
        _done(_lib().syscall(_SYS_LANDLOCK_ADD_RULE, ruleset, 1, rule, 0))
    finally:
        os.close(parent)


def _lib() -> ctypes.CDLL:
    if _libc is None:
        raise OSError(errno.ENOSYS, "needs Linux")
    return _libc


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
