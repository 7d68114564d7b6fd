"""Write docs/schema/*.json again: `python docs/make_schemas.py`."""

from __future__ import annotations

from pathlib import Path

from kparity.report import json_text
from kparity.schemas import SCHEMAS, schema

FOLDER = Path(__file__).with_name("schema")


def texts() -> dict[str, str]:
    """What each file should hold, by name."""
    return {f"{name}.json": json_text(schema(name)) + "\n" for name in SCHEMAS}


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
