"""Whose is a kernel that ran on a device? For the policy `hand-written`, by the name under which it was launched.

Device clocks report names as the driver knows them: of C++ functions the mangled ones (Itanium C++ ABI, section 5.1),
such as `_ZN2at6native13reduce_kernelI...`, of everything else a plain identifier.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from kparity.backend import Backend
from kparity.records import CheckResult, Launch

LIBRARY_SHARE = 0.05
"""Share of device time that others' kernels may take under the policy `hand-written`: a cast, a transposition."""

ANONYMOUS = "(anonymous namespace)"

Owner = Literal["own", "library", "chore", "unknown"]

_SPECIALIZED = re.compile(r"_(?:\d+[dce]*)+$")
_LENGTH = re.compile(r"L?([1-9]\d{0,3})")
_RETURN_TYPE = re.compile(r"^(?:static |void )+")


@dataclass(frozen=True)
class Naming:
    """How the kernels of one backend are told apart; see the attributes of `Backend` of the same names.

    Attributes:
        library: patterns of `Backend.library_kernels`.
        chores: patterns of `Backend.chore_kernels`.
        definitions: patterns of `Backend.kernel_definitions`.
    """

    library: tuple[str, ...] = ()
    chores: tuple[str, ...] = ()
    definitions: tuple[str, ...] = ()

    @classmethod
    def of(cls, backend: Backend) -> Naming:
        """That of a backend."""
        return cls(backend.library_kernels, backend.chore_kernels, backend.kernel_definitions)

    def defined(self, source: str) -> frozenset[str]:
        """Names that a candidate's source gives to kernels."""
        return frozenset(found[1] for pattern in self.definitions for found in re.finditer(pattern, source))

    def owner(self, name: str, defined: frozenset[str] | None) -> Owner:
        """Whose kernel this is.

        What a library is known for stays a library's, whatever the source calls its own functions. Of the rest, what
        the source defines is its own; where its definitions are not known, all of it is.

        Args:
            name: under which it was launched.
            defined: names that the source gives to kernels; None where they are not known.
        """
        seen = (name, readable(name))
        if any(re.search(pattern, one) for pattern in self.chores for one in seen):
            return "chore"
        if any(re.search(pattern, one) for pattern in self.library for one in seen):
            return "library"
        if defined is None:
            return "chore" if name in ("copy", "fill") else "own"
        path = qualified(name)
        last = path[-1]
        if ANONYMOUS not in path and (last in defined or _SPECIALIZED.sub("", last) in defined):
            return "own"
        return "chore" if name in ("copy", "fill") else "unknown"


def attribute(launches: Sequence[Launch], naming: Naming, source: str) -> CheckResult | None:
    """What is wrong under the policy `hand-written`; None where nothing is.

    Args:
        launches: what ran, by share of device time.
        naming: of the backend.
        source: the candidate's; empty for a registered implementation, whose kernels are told by patterns alone.
    """
    if not launches:
        message = "hand-written kernels are demanded, but what ran on this device cannot be seen"
        return CheckResult("launches", "inconclusive", message)
    defined = naming.defined(source) if source and naming.definitions else None
    by_owner: dict[Owner, list[Launch]] = {}
    for one in launches:
        by_owner.setdefault(naming.owner(one.name, defined), []).append(one)
    library, unknown = by_owner.get("library", []), by_owner.get("unknown", [])
    share, unclear = (sum(one.share for one in several) for several in (library, unknown))
    if share > LIBRARY_SHARE:
        message = f"{share:.0%} of the device time went to library kernels, most to {_told(library)}"
        return CheckResult("launches", "failed", message)
    if share + unclear > LIBRARY_SHARE and unknown:
        message = (
            f"{unclear:.0%} of the device time went to kernels whose names the source does not define, most to "
            f"{_told(unknown)}; write the name of each kernel out in the source, outside anonymous namespaces"
        )
        return CheckResult("launches", "inconclusive", message)
    if "own" not in by_owner and not unknown:
        message = f"no kernel of its own ran, only {_told(launches)}"
        return CheckResult("launches", "failed", message)
    return None


def qualified(name: str) -> tuple[str, ...]:
    """A kernel's namespaces and its own name, without template arguments and parameters.

    >>> qualified("_ZN2at6native13reduce_kernelILi512EEEvT_")
    ('at', 'native', 'reduce_kernel')
    >>> qualified("void (anonymous namespace)::softmax_warp_forward<float, 10>(float*)")
    ('(anonymous namespace)', 'softmax_warp_forward')
    >>> qualified("_rows")
    ('_rows',)
    """
    if name.startswith("_Z"):
        return _path(name)[0] or (name,)
    plain = _RETURN_TYPE.sub("", name.replace(ANONYMOUS, "\0").replace("<unnamed>", "\0"))
    parts = re.split(r"[<(]", plain, maxsplit=1)[0].split("::")
    return tuple(ANONYMOUS if part == "\0" else part for part in parts)


def readable(name: str) -> str:
    """The name for patterns: `at::native::reduce_kernel`, and after a blank what a mangled name says besides."""
    path, rest = _path(name) if name.startswith("_Z") else ((), "")
    return f"{'::'.join(path)} {rest}" if path else name


def _path(mangled: str) -> tuple[tuple[str, ...], str]:
    """Namespaces and name of a mangled function, and the rest; nothing where it begins otherwise."""
    nested = mangled.startswith("_ZN")
    at, parts = 3 if nested else 2, list[str]()
    while length := _LENGTH.match(mangled, at):
        end = length.end() + int(length[1])
        if end > len(mangled):
            break
        part = mangled[length.end() : end]
        parts.append(ANONYMOUS if part.startswith("_GLOBAL__N_") else part)
        at = end
        if not nested:
            break
    return tuple(parts), mangled[at:]


def _told(launches: Sequence[Launch]) -> str:
    most = max(launches, key=lambda one: one.share)
    return repr("::".join(qualified(most.name))[:120])
