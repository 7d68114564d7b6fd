"""Write the table of the bundled tasks into docs/tasks.md: `python docs/make_task_table.py`.

`tests/test_docs.py` fails where the table and the catalogue disagree.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import kparity_tasks.plugin
from kparity import KernelSpec, Session

PAGE = Path(__file__).with_name("tasks.md")
BEGIN, END = "<!-- tasks:begin -->", "<!-- tasks:end -->"


def table() -> str:
    """The bundled tasks as a Markdown table."""
    catalogue = Session(extra=[kparity_tasks.plugin], discover=False).catalogue
    lines = ["| task | signature | dtypes | cases: edge, typical, perf |", "| --- | --- | --- | --- |"]
    lines.extend(_row(spec) for spec in catalogue.tasks.values())
    return "\n".join(lines)


def inserted(page: str) -> str:
    """The page with the table between its two markers brought up to date."""
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", page, flags=re.DOTALL)


def _row(spec: KernelSpec) -> str:
    roles = Counter(case.role for case in spec.cases())
    counts = ", ".join(str(roles[role]) for role in ("edge", "typical", "perf"))
    dtypes = " ".join(dict.fromkeys(name for choices in spec.dtypes.values() for name in choices))
    return f"| `{spec.name}` | `{spec.signature}` | {dtypes} | {counts} |"


if __name__ == "__main__":
    PAGE.write_text(inserted(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
