"""The sources that nodes need, in one folder: kparity, its plugins, and the modules that implementations stand in."""

from __future__ import annotations

import importlib.util
import re
import shutil
import site
import sysconfig
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

from kparity.errors import UsageError

_IMPORT = re.compile(r"^\s*(?:from|import)\s+([A-Za-z_]\w*)", re.MULTILINE)
_IGNORED = shutil.ignore_patterns("__pycache__", "*.pyc", "*.so")


def gather(targets: Iterable[str], implementations: Iterable[str], folder: Path) -> None:
    """Copy top-level packages and modules into a folder that nodes import from, with what they import of their own.

    Args:
        targets: of plugins; shipped wherever they are installed.
        implementations: targets of implementations; shipped unless they are installed, as frameworks are, which nodes
            bring themselves.
        folder: where to.

    Raises:
        UsageError: a plugin's module is no file.
    """
    always = set(_with_own({"kparity", *map(_top, targets)}))
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


def _with_own(names: set[str]) -> Iterator[str]:
    """These modules, and what they import that came with them rather than with a distribution of its own."""
    providers = metadata.packages_distributions()
    theirs = {distribution for name in names for distribution in providers.get(name, ())}
    found, waiting = set(names), list(names)
    while waiting:
        name = waiting.pop()
        yield name
        for other in _imported(_origin(name)) - found:
            found.add(other)
            origin = _origin(other)
            if origin is None:
                continue
            owners = set(providers.get(other, ())) or _distribution(other)
            if owners & theirs or (not owners and not _installed(origin)):
                waiting.append(other)


def _imported(origin: Path | None) -> set[str]:
    """Top-level names of what the sources import; a few that only look like it do no harm."""
    if origin is None:
        return set()
    sources = origin.rglob("*.py") if origin.is_dir() else [origin]
    return {name for source in sources for name in _IMPORT.findall(source.read_text(encoding="utf-8"))}


def _distribution(name: str) -> set[str]:
    """The distribution of that name, such as a framework that is installed from its sources."""
    try:
        return {metadata.distribution(name).name}
    except metadata.PackageNotFoundError:
        return set()


def _top(target: str) -> str:
    return target.partition(":")[0].partition(".")[0]


def _origin(name: str) -> Path | None:
    """The folder of a package, the file of a module."""
    try:
        found = importlib.util.find_spec(name)
    except ValueError:  # a module without a spec, such as __main__
        return None
    if found is None or not found.origin or not Path(found.origin).is_file():
        return None
    return Path(found.origin).parent if found.submodule_search_locations else Path(found.origin)


def _installed(path: Path) -> bool:
    places = {*site.getsitepackages(), site.getusersitepackages(), sysconfig.get_path("stdlib")}
    return any(path.is_relative_to(place) for place in places)
