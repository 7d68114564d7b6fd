"""JSON Schemas of everything that kparity writes for others to read, generated from the structs themselves."""

from __future__ import annotations

import inspect
from typing import Any

import msgspec

from kparity.compare import Compared
from kparity.crossing import Matrix
from kparity.environment import RunInfo
from kparity.errors import UnknownNameError
from kparity.records import Evaluation
from kparity.regress import Regression
from kparity.streaming import Ended, Finished, Started

SCHEMAS: dict[str, tuple[Any, str]] = {
    "run": (RunInfo, "run.json of a run folder"),
    "evaluation": (Evaluation, "a line of evaluations.jsonl of a run folder"),
    "stream": (Started | Finished | Ended, "a line that 'kparity run --json-lines' prints"),
    "matrix": (Matrix, "'matrix' in what 'kparity matrix --json' prints"),
    "regression": (Regression, "'regression' in what 'kparity regress --json' prints"),
    "comparison": (Compared, "an element of what 'kparity compare --json' prints"),
}
"""By name: the type, and where it is written."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of record.

    Raises:
        UnknownNameError: no such record.
    """
    if name not in SCHEMAS:
        raise UnknownNameError("schema", name, SCHEMAS)
    kind, where = SCHEMAS[name]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"kparity {name}: {where}",
        **_cleaned(msgspec.json.schema(kind)),
    }


def _cleaned(part: Any) -> Any:
    """The same with the docstrings' indentation taken off."""
    if isinstance(part, dict):
        return {
            name: inspect.cleandoc(value) if name == "description" and isinstance(value, str) else _cleaned(value)
            for name, value in part.items()
        }
    return [_cleaned(one) for one in part] if isinstance(part, list) else part
