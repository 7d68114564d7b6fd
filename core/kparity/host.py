"""What machine this is."""

from __future__ import annotations

import functools
import hashlib
import os
import platform

from kparity.environment import HostInfo


def memory_bytes() -> int:
    """Main memory of this machine; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return 8 << 30


def is_busy() -> bool:
    """Whether more than half of this machine's cores had work over the last minute."""
    try:
        return os.getloadavg()[0] > 0.5 * (os.cpu_count() or 1)
    except OSError:
        return False


def host_info() -> HostInfo:
    """This machine."""
    return HostInfo(platform.platform(), cpu_name(), os.cpu_count() or 1, platform.python_version(), _machine())


@functools.cache
def cpu_name() -> str:
    """The processor's name as people know it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _machine() -> str:
    """Sixteen hexadecimal digits of a digest: the machine's id and its name stay private."""
    try:
        with open("/etc/machine-id", encoding="utf-8") as file:
            identity = file.read().strip()
    except OSError:
        identity = ""
    return hashlib.sha256(f"kparity {identity} {platform.node()}".encode()).hexdigest()[:16]
