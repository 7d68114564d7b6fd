"""A regression check for people and for CI: console, markdown for a pull request, JUnit XML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from kparity.regress import Change, Finding, Regression
from kparity.report import escape, format_seconds, table

if TYPE_CHECKING:
    from rich.console import RenderableType

_STYLES: dict[Finding, str] = {
    "regressed": "red",
    "improved": "green",
    "unchanged": "dim",
    "inconclusive": "yellow",
    "missing": "yellow",
    "new": "dim",
}
_SHOWN = 50


def regress_view(found: Regression) -> list[RenderableType]:
    """What `kparity regress` prints: whatever is not unchanged, then the counts."""
    told = [one for one in found.changes if one.finding in ("regressed", "missing", "improved")]
    rows = [
        [
            f"[{_STYLES[one.finding]}]{one.finding}[/]",
            one.label,
            one.task,
            f"[dim]{escape(one.case)}[/]",
            _times(one),
            escape(_shortened(one.message)),
        ]
        for one in told[:_SHOWN]
    ]
    parts: list[RenderableType] = []
    if rows:
        grid = table("finding", "line-up", "task", "case", "median", "why")
        for row in rows:
            grid.add_row(*row)
        parts.append(grid)
    if len(told) > _SHOWN:
        parts.append(f"... and {len(told) - _SHOWN} more; --json lists all")
    parts.extend(f"[yellow]{escape(note)}[/]" for note in found.notes)
    return [*parts, _summary(found)]


def regress_markdown(found: Regression) -> str:
    """A summary for a pull request: the verdict, the counts, a table of what changed."""
    head = "regressions" if found.regressed else "no regression"
    lines = [f"### kparity: {head}", "", _summary(found), ""]
    told = [one for one in found.changes if one.finding in ("regressed", "missing", "improved")]
    if told:
        lines += ["| | line-up | task | case | device | median | why |", "| --- | --- | --- | --- | --- | --- | --- |"]
        for one in told[:_SHOWN]:
            why = _shortened(one.message).replace("|", "\\|")
            cells = (one.finding, one.label, one.task, f"`{one.case}`", one.device, _times(one), why)
            lines.append(f"| {' | '.join(cells)} |")
        if len(told) > _SHOWN:
            lines.append(f"\n... and {len(told) - _SHOWN} more")
    lines += [f"\n> {note}" for note in found.notes]
    return "\n".join(lines).rstrip() + "\n"


def regress_junit(found: Regression) -> str:
    """JUnit XML: one test case for each evaluation; regressions fail, what could not be told is skipped."""
    judged = [one for one in found.changes if one.finding != "new"]
    undecided = [one for one in judged if one.finding in ("inconclusive", "missing")]
    suite = ElementTree.Element(
        "testsuite",
        name="kparity regress",
        tests=str(len(judged)),
        failures=str(found.counts()["regressed"]),
        errors="0",
        skipped=str(len(undecided)),
    )
    for one in judged:
        case = ElementTree.SubElement(
            suite, "testcase", classname=f"{one.label}.{one.device}", name=f"{one.task} {one.case}"
        )
        if one.finding == "regressed":
            ElementTree.SubElement(case, "failure", message=_xml(one.message), type="regression").text = _times(one)
        elif one in undecided:
            ElementTree.SubElement(case, "skipped", message=_xml(f"{one.finding}: {one.message}"))
    ElementTree.indent(suite)
    return ElementTree.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _summary(found: Regression) -> str:
    counts = ", ".join(f"{count} {finding}" for finding, count in found.counts().items() if count)
    return (
        f"{counts}. {found.compared} pairs of times compared at {found.confidence:.0%} confidence for all together, "
        f"{found.drift:.1%} put down to the machine."
    )


def _times(change: Change) -> str:
    if change.before_s is None or change.after_s is None:
        return ""
    return f"{format_seconds(change.before_s)} -> {format_seconds(change.after_s)}"


def _shortened(text: str, most: int = 160) -> str:
    line: Sequence[str] = text.split()
    joined = " ".join(line)
    return joined if len(joined) <= most else f"{joined[:most]}..."


def _xml(text: str) -> str:
    """Text without the control characters that XML has no place for."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "?" for sign in text)
