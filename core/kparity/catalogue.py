"""The catalogue: every task, backend, implementation, check and reporter that the plugins registered, by name."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from kparity.backend import Backend
from kparity.case import ROLES, Role
from kparity.dtypes import NAMES
from kparity.errors import PluginError, SpecError, UnknownNameError
from kparity.gradients import check_gradient
from kparity.loading import Implementation
from kparity.oracle import check_reference
from kparity.plugins import Plugins
from kparity.report import Reporter
from kparity.sampling import check_independence
from kparity.spec import KernelSpec
from kparity.verify import Check
from kparity.version import api_fault

T = TypeVar("T")
REFERENCE = "numpy"
"""Name of the implementations that are a task's own reference; see `Backend.realizes_references`."""


class Catalogue:
    """What is registered. A name that is taken twice stays with its first owner; the second is a fault naming both."""

    def __init__(self, plugins: Plugins) -> None:
        self._plugins = plugins
        self._owners: dict[str, dict[str, str]] = {}
        self.tasks = self._collect("register_tasks", KernelSpec, "task", lambda spec: spec.name)
        for name, owner in list(self._owners["task"].items()):
            try:
                check_reference(self.tasks[name])
                check_independence(self.tasks[name])
                check_gradient(self.tasks[name])
            except SpecError as error:
                self._fault(owner, str(error))
                del self.tasks[name]
        self.backends = self._collect("register_backends", Backend, "backend", lambda backend: backend.name)
        for name, backend in list(self.backends.items()):
            if fault := api_fault(backend.requires_api):
                self._fault(self._owners["backend"][name], f"backend {name!r} {fault}")
                del self.backends[name]
        declared = self._collect("register_implementations", Implementation, "implementation", _identity)
        self.checks = self._collect("register_checks", Check, "check", lambda check: check.name)
        self.reporters = self._collect("register_reporters", Reporter, "reporter", lambda reporter: reporter.name)
        self._implementations = self._link(declared.values())

    @property
    def faults(self) -> Sequence[PluginError]:
        """Every contract that a plugin broke, in the order found."""
        return tuple(self._plugins.faults)

    @property
    def plugins(self) -> dict[str, str]:
        """Version of each distribution that was loaded."""
        return dict(self._plugins.versions)

    @property
    def files(self) -> dict[str, Path]:
        """A source file of each distribution that registered something."""
        return dict(self._plugins.files)

    @property
    def plugin_targets(self) -> list[str]:
        """The entry points of the plugins that were found, as `package.module` or `package.module:attribute`."""
        return list(self._plugins.targets)

    def task(self, name: str) -> KernelSpec:
        """The spec called `name`.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return _lookup("task", name, self.tasks)

    def backend(self, name: str) -> Backend:
        """The backend called `name`, as registered.

        Raises:
            UnknownNameError: with the nearest names.
        """
        return _lookup("backend", name, self.backends)

    def owner(self, kind: str, name: str) -> str:
        """Which plugin registered `name`."""
        return self._owners[kind][name]

    def select_tasks(self, patterns: Iterable[str] = ()) -> list[KernelSpec]:
        """Specs whose names match any of the globs, in catalogue order; all of them without a pattern.

        Raises:
            UnknownNameError: a pattern matches nothing.
        """
        return [self.tasks[name] for name in _select("task", patterns, self.tasks)]

    def select_backends(self, patterns: Iterable[str] = ()) -> list[str]:
        """Names of backends that match any of the globs; all of them without a pattern.

        Raises:
            UnknownNameError: a pattern matches nothing.
        """
        return _select("backend", patterns, self.backends)

    def implementations(self, task: str, backend: str) -> list[Implementation]:
        """Every implementation of that task on that backend, in the order of registration."""
        return [one for one in self._implementations if one.task == task and one.backend == backend]

    def notify(self, hook: str, **arguments: object) -> None:
        """Call an observer hook of every plugin."""
        self._plugins.notify(hook, **arguments)

    def _collect(self, hook: str, kind: Callable[..., T], what: str, key: Callable[[T], str]) -> dict[str, T]:
        owners = self._owners.setdefault(what, {})
        found: dict[str, T] = {}
        for owner, item in self._plugins.contributions(hook, kind):
            name = key(item)
            if name in found:
                self._fault(owner, f"{what} {name!r} is already registered by {owners[name]!r}; this one is ignored")
                continue
            owners[name] = owner
            found[name] = item
        return found

    def _link(self, declared: Iterable[Implementation]) -> list[Implementation]:
        """Drop implementations of unknown tasks or backends, add the references, fill the owners in."""
        linked = [
            Implementation(spec.name, backend.name, spec.target, REFERENCE, self.owner("backend", backend.name))
            for backend in self.backends.values()
            if backend.realizes_references
            for spec in self.tasks.values()
        ]
        references = {_identity(one): one.owner for one in linked}
        for one in declared:
            name = _identity(one)
            owner = self._owners["implementation"][name]
            if name in references:
                first = references[name]
                self._fault(owner, f"implementation {name!r} is already registered by {first!r}; this one is ignored")
                continue
            known_task, known_backend = one.task in self.tasks, one.backend in self.backends
            if known_task and known_backend:
                linked.append(msgspec.structs.replace(one, owner=owner))
            elif not known_task:
                self._fault(owner, f"implements {UnknownNameError('task', one.task, self.tasks)}")
            else:
                self._fault(owner, f"implements {UnknownNameError('backend', one.backend, self.backends)}")
        return linked

    def _fault(self, owner: str, fault: str) -> None:
        self._plugins.faults.append(PluginError(owner, fault))


def check_dtypes(names: Iterable[str]) -> list[str]:
    """Validate dtype names given by a user.

    Raises:
        UnknownNameError: with the nearest names.
    """
    return [_lookup("dtype", name, {known: known for known in NAMES}) for name in names]


def check_roles(names: Iterable[str]) -> list[Role]:
    """Validate case roles given by a user.

    Raises:
        UnknownNameError: with the nearest names.
    """
    roles: dict[str, Role] = {role: role for role in ROLES}
    return [_lookup("role", name, roles) for name in names]


def _lookup(kind: str, name: str, known: dict[str, T]) -> T:
    try:
        return known[name]
    except KeyError:
        raise UnknownNameError(kind, name, known) from None


def _select(kind: str, patterns: Iterable[str], known: Iterable[str]) -> list[str]:
    names, wanted = list(known), list(patterns)
    for pattern in wanted:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
            raise UnknownNameError(kind, pattern, names)
    return [name for name in names if not wanted or any(fnmatch.fnmatchcase(name, pattern) for pattern in wanted)]


def _identity(one: Implementation) -> str:
    return f"{one.task}, {one.backend}, {one.name}"
