"""Finding plugins and asking them what they register. With `catalogue`, the only module that knows pluggy.

A plugin that fails is named with its distribution and its fault; everything else goes on.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar, cast

import pluggy

from kparity import hookspecs
from kparity.errors import KparityError, PluginError
from kparity.version import api_fault

T = TypeVar("T")


@dataclass
class Plugins:
    """The registered plugins.

    Attributes:
        faults: what went wrong, one for each plugin and hook that broke its contract.
        versions: version of each distribution that was loaded through an entry point.
        files: a source file of each of these distributions.
        targets: the entry points that were loaded, as `package.module` or `package.module:attribute`.
    """

    faults: list[PluginError] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)
    files: dict[str, Path] = field(default_factory=dict)
    targets: list[str] = field(default_factory=list)
    _manager: pluggy.PluginManager = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.GROUP)
        self._manager.add_hookspecs(hookspecs)

    @classmethod
    def load(cls, *, discover: bool = True, extra: Iterable[object] = ()) -> Plugins:
        """Register the installed plugins, if asked to, then the extra ones.

        Args:
            discover: load every entry point of the group `kparity`.
            extra: plugin objects or modules, in order.
        """
        plugins = cls()
        if discover:
            for point in sorted(metadata.entry_points(group=hookspecs.GROUP), key=_distribution):
                plugins._load(point)
        for plugin in extra:
            plugins.register(plugin, getattr(plugin, "__name__", type(plugin).__name__))
        return plugins

    def register(self, plugin: object, owner: str) -> None:
        """Register one plugin under its owner's name; a fault is recorded, not raised.

        One whose `requires_api` asks for another backend API is left out.
        """
        if fault := api_fault(getattr(plugin, "requires_api", "")):
            self.faults.append(PluginError(self._versioned(owner), fault))
            return
        name, number = owner, 1
        while self._manager.has_plugin(name):
            number += 1
            name = f"{owner}#{number}"
        try:
            if self._manager.register(plugin, name=name) is None:
                return  # blocked by the user
        except Exception as error:
            self.faults.append(PluginError(owner, f"cannot be registered: {error}"))
            return
        for caller in self._manager.get_hookcallers(plugin) or []:
            if not caller.has_spec():
                near = difflib.get_close_matches(caller.name, _hook_names(), n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"hooks: {', '.join(_hook_names())}"
                self.faults.append(PluginError(owner, f"implements unknown hook {caller.name!r}; {hint}"))

    def _versioned(self, owner: str) -> str:
        return f"{owner} {self.versions[owner]}" if owner in self.versions else owner

    def contributions(self, hook: str, expected: Callable[..., T]) -> Iterator[tuple[str, T]]:
        """Ask every plugin for what it registers through `hook`; yields (owner, object).

        Args:
            hook: name of the hook.
            expected: the class, abstract or not, that every object must be an instance of.

        A plugin whose hook raises, or gives something else than objects of type `expected`, is recorded as a fault.
        """
        caller = getattr(self._manager.hook, hook)
        for implementation in caller.get_hookimpls():
            owner = implementation.plugin_name
            try:
                produced = implementation.function()
                for item in () if produced is None else produced:
                    if isinstance(item, cast("type[object]", expected)):
                        yield owner, cast("T", item)
                    else:
                        fault = f"{hook} gave {item!r}, which is no {expected.__name__}"
                        self.faults.append(PluginError(owner, fault))
            except KparityError as error:
                self.faults.append(PluginError(owner, f"{hook}: {error}"))
            except Exception as error:
                self.faults.append(PluginError(owner, f"{hook} raised {type(error).__name__}: {error}"))

    def notify(self, hook: str, **arguments: Any) -> None:
        """Call an observer hook of every plugin; one that raises is recorded as a fault and the others go on."""
        for implementation in getattr(self._manager.hook, hook).get_hookimpls():
            owner = implementation.plugin_name
            try:
                implementation.function(*(arguments[name] for name in implementation.argnames))
            except Exception as error:
                fault = f"{hook} raised {type(error).__name__}: {error}"
                if not any(known.plugin == owner and known.fault == fault for known in self.faults):
                    self.faults.append(PluginError(owner, fault))

    def _load(self, point: metadata.EntryPoint) -> None:
        owner = _distribution(point)
        try:
            plugin = point.load()
        except (Exception, SystemExit) as error:
            fault = f"entry point {point.name!r} ({point.value}) cannot be imported: {type(error).__name__}: {error}"
            self.faults.append(PluginError(owner, fault))
            return
        self.targets.append(point.value)
        if point.dist is not None:
            self.versions[owner] = point.dist.version or "unknown"
            if isinstance(getattr(plugin, "__file__", None), str):
                self.files.setdefault(owner, Path(plugin.__file__))
        self.register(plugin, owner if owner != "kparity" else f"kparity/{point.name}")


def _hook_names() -> list[str]:
    return [name for name, value in vars(hookspecs).items() if callable(value) and hasattr(value, "kparity_spec")]


def _distribution(point: metadata.EntryPoint) -> str:
    """The distribution's name, or the entry point's target where the metadata has none."""
    return (point.dist.name if point.dist is not None else "") or point.value
