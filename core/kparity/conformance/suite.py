"""Every promise, in the order in which they are examined."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kparity.conformance import abilities, calls, forking, judged, transfers
from kparity.conformance.model import Finding, Outcome
from kparity.conformance.workbench import NotChecked, Promise, Workbench

PROMISES: Mapping[str, Promise] = {
    promise.name: promise
    for promise in (*transfers.PROMISES, *forking.PROMISES, *calls.PROMISES, *abilities.PROMISES, *judged.PROMISES)
}

_SHOWN = 3


def examine(promise: Promise, bench: Workbench) -> Finding:
    """Examine one promise; whatever it raises is a finding."""
    start = time.perf_counter()
    outcome: Outcome
    try:
        breaches = list(promise.examine(bench))
        outcome, detail = ("broken", _told(breaches)) if breaches else ("holds", "")
    except NotChecked as error:
        outcome, detail = "not checked", str(error)
    except Exception as error:
        outcome, detail = "broken", f"raised {type(error).__name__}: {error}"
    return Finding(promise.name, promise.text, outcome, detail, seconds=round(time.perf_counter() - start, 3))


def _told(breaches: list[str]) -> str:
    rest = len(breaches) - _SHOWN
    return "; ".join(breaches[:_SHOWN]) + (f"; and {rest} more" if rest > 0 else "")
