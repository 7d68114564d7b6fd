"""Reports of any number of runs at once: what such a reporter is given, and what it hands back."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from importlib import import_module
from types import ModuleType
from typing import ClassVar

from kparity.crossing import BASELINES, Matrix, cross
from kparity.environment import RunInfo
from kparity.errors import UsageError
from kparity.records import Evaluation
from kparity.report import Reporter
from kparity.rows import Row
from kparity.store import Runs


class Combined:
    """Evaluations of several runs, to be rendered together.

    Attributes:
        infos: what stands in each `run.json`, by the name of the run's folder.
        notes: what was found on combining the runs.
        baselines: labels, or globs over labels, that speeds are taken over, in order of preference.
    """

    def __init__(
        self,
        infos: Mapping[str, RunInfo],
        evaluations: Iterable[tuple[str, Evaluation]],
        notes: Sequence[str] = (),
        baselines: Sequence[str] = BASELINES,
    ) -> None:
        self.infos = dict(infos)
        self.notes = tuple(notes)
        self.baselines = tuple(baselines)
        self._evaluations = evaluations

    @classmethod
    def of(
        cls, runs: Runs, baselines: Sequence[str] = BASELINES, cases: Container[tuple[str, str]] | None = None
    ) -> Combined:
        """From run folders; each pass over it reads them again.

        Args:
            runs: what is combined.
            baselines: see the attribute.
            cases: task and key of the cases that are kept; None keeps all.
        """
        infos = {str(run.path): run.info for run in runs.runs}
        return cls(infos, _Streamed(runs, cases), [note.message for note in runs.notes], baselines)

    def __iter__(self) -> Iterator[tuple[str, Evaluation]]:
        return iter(self._evaluations)

    def rows(self) -> list[Row]:
        """Every evaluation as a row."""
        return [Row.of(evaluation, self.infos[run], run) for run, evaluation in self]

    def matrix(self, rows: Iterable[Row] | None = None) -> Matrix:
        """The matrix of all rows."""
        return cross(self.rows() if rows is None else rows, self.baselines, self.notes)


class _Streamed:
    def __init__(self, runs: Runs, cases: Container[tuple[str, str]] | None) -> None:
        self._runs = runs
        self._cases = cases

    def __iter__(self) -> Iterator[tuple[str, Evaluation]]:
        for reader, one in self._runs:
            if self._cases is None or (one.task, one.case.key) in self._cases:
                yield str(reader.path), one


class CombiningReporter(Reporter):
    """A renderer of several runs.

    Attributes:
        suffix: of the files that it writes, e.g. `.csv`: `kparity report -o` chooses by it.
        binary: what it gives is no text.
    """

    suffix: ClassVar[str]
    binary: ClassVar[bool] = False

    @abstractmethod
    def combine(self, combined: Combined) -> bytes:
        """The whole report, UTF-8 unless it is binary."""

    def render(self, info: RunInfo, evaluations: Sequence[Evaluation]) -> str:
        """The report of one run.

        Raises:
            UsageError: the reporter gives no text.
        """
        if self.binary:
            raise UsageError(f"{self.name} is no text: write it to a file, 'kparity report RUN -o report{self.suffix}'")
        return self.combine(Combined({"": info}, [("", one) for one in evaluations])).decode()


def needed(module: str, what: str) -> ModuleType:
    """A module of the extra `report`.

    Raises:
        UsageError: it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UsageError(f"{what} needs {package}, which is not installed: pip install 'kparity[report]'") from error
