"""A run split over several machines: which part evaluates what."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

import msgspec

from kparity.case import Case
from kparity.environment import OptionValue

Planned = tuple[str, Case]
"""Label of a line-up, and a case that it is to evaluate."""


def assign(planned: Iterable[Planned], count: int) -> dict[tuple[str, str], int]:
    """The part, from 1, that evaluates each (task, case key).

    All line-ups of a case go to the same part, so that what is compared is timed on the same device. Cases are dealt
    out role by role, large ones first, each to the part with the fewest evaluations so far; the result depends on
    nothing but the plan.
    """
    cases: dict[tuple[str, str], Case] = {}
    weight: dict[tuple[str, str], int] = defaultdict(int)
    for _, case in planned:
        cases[case.task, case.key] = case
        weight[case.task, case.key] += 1
    order = sorted(cases.values(), key=lambda case: (case.role, -case.elements, case.task, case.key))
    of_role: dict[tuple[str, int], int] = defaultdict(int)
    in_all = [0] * (count + 1)
    parts: dict[tuple[str, str], int] = {}
    for case in order:
        part = min(range(1, count + 1), key=lambda part: (of_role[case.role, part], in_all[part], part))
        parts[case.task, case.key] = part
        of_role[case.role, part] += weight[case.task, case.key]
        in_all[part] += weight[case.task, case.key]
    return parts


def plan_digest(planned: Iterable[Planned], seed: int, options: dict[str, OptionValue]) -> str:
    """Digest of what a whole run evaluates and how, the same for each of its shards."""
    listed = sorted((label, case.task, case.key) for label, case in planned)
    text = msgspec.json.encode((seed, sorted(options.items(), key=lambda item: item[0]), listed))
    return hashlib.sha256(text).hexdigest()[:16]
