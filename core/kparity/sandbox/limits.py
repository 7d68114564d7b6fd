"""What a candidate's worker may use: memory, files, processes, and an environment and folders of its own."""

from __future__ import annotations

import contextlib
import os
import resource
from collections.abc import Iterable, Mapping

import msgspec

from kparity.host import memory_bytes

_KEPT = {"PATH", "LANG", "LANGUAGE", "TZ", "CC", "CXX", "LD_LIBRARY_PATH", "HOME", "TMPDIR", "USER"}
_KEPT_PREFIXES = (
    "LC_",
    "CUDA_",
    "NVIDIA_",
    "HIP_",
    "HSA_",
    "ROCM_",
    "ROCR_",
    "TPU_",
    "XLA_",
    "JAX_",
    "TF_CPP_",
    "TORCH",
    "TRITON_",
    "PYTORCH_",
    "CUPY_",
    "NUMBA_",
    "OMP_",
    "MKL_",
    "OPENBLAS_",
    "KMP_",
    "TBB_",
    "LLVM_",
)
_CACHES = {
    "XDG_CACHE_HOME": "cache",
    "TRITON_CACHE_DIR": "cache/triton",
    "TRITON_HOME": "cache",
    "TORCHINDUCTOR_CACHE_DIR": "cache/inductor",
    "JAX_COMPILATION_CACHE_DIR": "cache/jax",
    "CUPY_CACHE_DIR": "cache/cupy",
    "CUDA_CACHE_PATH": "cache/cuda",
    "NUMBA_CACHE_DIR": "cache/numba",
}


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds for the worker of a candidate; registered implementations have none.

    Attributes:
        memory_bytes: of private writable memory (`RLIMIT_DATA`: address space that drivers merely reserve does not
            count); 0 is half of main memory.
        file_bytes: size of any file that it writes.
        folder_bytes: of all files in its private folders, where these can be a file system of their own.
        processes: processes and threads together; 0 is 128 and 16 more for each core.
        open_files: descriptors of a process.
        environment: names of environment variables to pass on beside the ones that frameworks and drivers need.
    """

    memory_bytes: int = 0
    file_bytes: int = 256 << 20
    folder_bytes: int = 512 << 20
    processes: int = 0
    open_files: int = 1024
    environment: tuple[str, ...] = ()


def apply(limits: Limits, *, own_user: bool) -> dict[str, str]:
    """Lower this process's resource limits for good; returns those that do not hold, with the reason.

    Args:
        own_user: no other process runs under this process's user, so that its processes can be counted.
    """
    processes = limits.processes or 128 + 16 * (os.cpu_count() or 1)
    wanted = {
        "memory": (resource.RLIMIT_DATA, limits.memory_bytes or memory_bytes() // 2),
        "file_size": (resource.RLIMIT_FSIZE, limits.file_bytes),
        "open_files": (resource.RLIMIT_NOFILE, limits.open_files),
        "core_dumps": (resource.RLIMIT_CORE, 0),
        "processes": (resource.RLIMIT_NPROC, processes if own_user else processes + _threads_of(os.getuid())),
    }
    missing = {}
    for name, (which, value) in wanted.items():
        _, hard = resource.getrlimit(which)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(which, (value, value))
        except (OSError, ValueError) as error:
            missing[name] = str(error)
    if not own_user and os.getuid() == 0:
        missing["processes"] = "root is not counted"
    return missing


def _threads_of(uid: int) -> int:
    """Threads that run under a user now."""
    count = 0
    with contextlib.suppress(OSError):
        for entry in os.scandir("/proc"):
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == uid:
                    count += len(os.listdir(f"/proc/{entry.name}/task"))
    return count


def scrubbed(environment: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """The variables that frameworks and drivers read, by an allow-list; no secret of the judge's is among them."""
    extra = set(more)
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES) or name in extra
    }


def at_home(folder: str) -> dict[str, str]:
    """Variables that put home, temporary and cache folders below `folder`."""
    own = {"HOME": folder, "TMPDIR": f"{folder}/tmp", "USER": "kparity", "LOGNAME": "kparity"}
    return {**own, **{name: f"{folder}/{place}" for name, place in _CACHES.items()}}


def furnish(folder: str) -> None:
    """Make the folders that `at_home` names; those below the cache folder are for the frameworks to make."""
    for place in ("tmp", "cache"):
        os.mkdir(os.path.join(folder, place))
