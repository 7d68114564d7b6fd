"""Write the table of promises into docs/conformance.md: `python docs/make_promises.py`."""

from __future__ import annotations

import re
from pathlib import Path

from kparity.conformance.suite import PROMISES

PAGE = Path(__file__).with_name("conformance.md")


def inserted(page: str) -> str:
    """The page with the table of promises as the suite has them."""
    rows = "".join(f"| `{promise.name}` | {promise.text} |\n" for promise in PROMISES.values())
    table = f"<!-- promises:begin -->\n\n| promise | |\n| --- | --- |\n{rows}\n<!-- promises:end -->"
    return re.sub(r"<!-- promises:begin -->.*?<!-- promises:end -->", lambda _: table, page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(inserted(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
