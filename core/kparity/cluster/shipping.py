"""The sources that nodes need, in one folder: kparity, its plugins, and the modules that implementations stand in."""

from __future__ import annotations

import importlib.util
import shutil
import site
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from kparity.errors import UsageError

_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")


def gather(targets: Iterable[str], implementations: Iterable[str], folder: Path) -> None:
    """Copy top-level packages and modules into a folder that nodes import from.

    Args:
        targets: of plugins; shipped wherever they are installed.
        implementations: targets of implementations; shipped unless they are installed, as frameworks are, which nodes
            bring themselves.
        folder: where to.

    Raises:
        UsageError: a plugin's module is no file.
    """
    always = {"kparity", *map(_top, targets)}
    for name in sorted(always | set(map(_top, implementations))):
        origin = _origin(name)
        if origin is None:
            if name in always:
                raise UsageError(f"plugin module {name!r} cannot be shipped: it is no file")
        elif name in always or not _installed(origin):
            if origin.is_dir():
                shutil.copytree(origin, folder / name, ignore=_IGNORED)
            else:
                shutil.copy2(origin, folder)


def _top(target: str) -> str:
    return target.partition(":")[0].partition(".")[0]


def _origin(name: str) -> Path | None:
    """The folder of a package, the file of a module."""
    found = importlib.util.find_spec(name)
    if found is None or not found.origin or not Path(found.origin).is_file():
        return None
    return Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)


def _installed(path: Path) -> bool:
    places = {*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib")}
    return any(path.is_relative_to(place) for place in places)
