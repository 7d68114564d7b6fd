"""Results of benchmarks, read back."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def earlier(folder: Path | None, name: str, keep: bool) -> dict[str, Any]:
    """What stands in a file that is to be added to; nothing where it is to be written anew, or is not there."""
    path = folder / name if folder is not None and keep else None
    return read(path, name) if path is not None and path.exists() else {}


def read(source: str | Path, name: str) -> dict[str, Any]:
    """The results in `name`, such as `redteam.json`.

    Args:
        source: a folder that holds it, the file itself, or `auto` for the newest committed ones: the last by name of
            the folders below `benchmarks/results`, which begin with a date. A clone keeps no times of files.
    """
    if str(source) == "auto":
        found = sorted(RESULTS.glob(f"*/{name}"))
        if not found:
            sys.exit(f"no {name} below {RESULTS}")
        path = found[-1]
    else:
        path = Path(source) / name if Path(source).is_dir() else Path(source)
    try:
        results: dict[str, Any] = json.loads(path.read_text())
    except OSError as error:
        sys.exit(f"{str(path)!r} cannot be read ({error.strerror}); expected such a file, its folder, or 'auto'")
    return results
