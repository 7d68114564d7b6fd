"""Settles, before PyOpenCL is imported, where it finds a driver and that it leaves no files.

A driver of the system's own needs nothing of this.

The wheel `intel-opencl-rt` puts its libraries into `sys.prefix/lib`, where neither the dynamic linker nor the ICD
loader looks: so they are loaded by path, and the loader is told the driver's name.
"""

from __future__ import annotations

import ctypes
import os
from importlib import metadata
from pathlib import Path

_DRIVER = "libintelocl.so"
_LIBRARIES = (
    "libhwloc.so.15",
    "libtcm.so.1",
    "libtbb.so.12",
    "libintlc.so.5",
    "libimf.so",
    "libsvml.so",
    "libirng.so",
    _DRIVER,
)


def prepare() -> None:
    """Offer the CPU runtime that pip installed to the ICD loader, where there is one; switch PyOpenCL's caches off.

    It has to happen before `pyopencl` is imported. Another choice in `OCL_ICD_FILENAMES` is left alone.
    """
    os.environ.setdefault("PYOPENCL_NO_CACHE", "1")  # a candidate's program is nobody else's, and its disk read-only
    driver = _installed()
    if driver is None or os.environ.setdefault("OCL_ICD_FILENAMES", str(driver)) != str(driver):
        return
    for name in _LIBRARIES:
        try:
            ctypes.CDLL(str(driver.parent / name), mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue  # a release without it; where it was needed, there is no platform, and `open` says so


def _installed() -> Path | None:
    try:
        files = metadata.files("intel-opencl-rt") or []
    except metadata.PackageNotFoundError:
        return None
    return next((Path(file.locate()).resolve() for file in files if file.name == _DRIVER), None)
