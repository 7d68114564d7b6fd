"""Conformance as a test class: one empty subclass, one test for each promise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from kparity.backend import Backend
from kparity.catalogue import Catalogue
from kparity.conformance.certify import TIMEOUT_S, Examination, examples_of
from kparity.conformance.model import read_known
from kparity.conformance.suite import PROMISES
from kparity.errors import KparityError, Unavailable, UsageError
from kparity.plugins import Plugins


class BackendConformance:
    """Examines one backend, a test for each promise. What cannot be checked is skipped, with the reason.

        class TestMine(kparity.testing.BackendConformance):
            backend = MyBackend

    Attributes:
        backend: the class, or the name of an installed backend.
        plugins: plugin modules whose implementations serve as examples although they are not installed.
        index: of the device.
        known: reasons for which promises are known to be broken, or a JSON file that lists them; a listed promise that
            holds fails its test.
        timeout_s: for one promise.
    """

    backend: ClassVar[type[Backend] | str]
    plugins: ClassVar[Sequence[object]] = ()
    index: ClassVar[int] = 0
    known: ClassVar[Mapping[str, str] | Path] = {}
    timeout_s: ClassVar[float] = TIMEOUT_S
    _examination: ClassVar[Examination | None] = None

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each promise."""
        metafunc.parametrize("promise", list(PROMISES))

    def test_promise(self, promise: str) -> None:
        """Fails where the promise is broken, or holds although it is listed as known to be broken."""
        import pytest

        known = _reasons(self.known).get(promise, "")
        try:
            finding = msgspec.structs.replace(self._examining().finding(promise), known=known)
        except Unavailable as error:
            pytest.skip(str(error))
        if finding.verdict == "not checked":
            pytest.skip(f"not checked: {finding.detail}")
        if finding.verdict == "known":
            pytest.xfail(f"{known}: {finding.detail}")
        if finding.verdict == "stale":
            pytest.fail(f"{promise} holds, but is listed as broken: {known}", pytrace=False)
        if finding.verdict == "broken":
            pytest.fail(f"{finding.text}\n\n{finding.detail}", pytrace=False)

    @classmethod
    def teardown_class(cls) -> None:
        """End the worker."""
        examination, cls._examination = cls._examination, None
        if examination is not None:
            examination.close()

    @classmethod
    def _examining(cls) -> Examination:
        if cls._examination is None:
            kind = getattr(cls, "backend", None)
            if kind is None:
                raise UsageError(f"{cls.__name__} names no backend; give it 'backend = MyBackend'")
            catalogue = Catalogue(Plugins.load(extra=cls.plugins))
            backend = type(catalogue.backend(kind)) if isinstance(kind, str) else kind
            examples = examples_of(catalogue, backend.name)
            cls._examination = Examination(backend, examples, index=cls.index, timeout_s=cls.timeout_s)
        return cls._examination


def _reasons(known: Mapping[str, str] | Path) -> Mapping[str, str]:
    if isinstance(known, Path):
        return read_known(known, PROMISES)
    unknown = sorted(set(known) - set(PROMISES))
    if unknown:
        raise KparityError(f"known: {unknown[0]!r} is no promise; promises: {', '.join(PROMISES)}")
    return known
