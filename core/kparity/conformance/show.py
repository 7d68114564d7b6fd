"""A certificate as text and as markdown."""

from __future__ import annotations

from kparity.conformance.model import Certificate, Finding

_MARKS = {"holds": "✓", "broken": "✗", "not checked": "?", "known": "!", "stale": "✗"}
_BADGES = {
    "holds": "✅ holds",
    "broken": "❌ broken",
    "not checked": "❔ not checked",
    "known": "⚠️ known",
    "stale": "❌ stale",
}


def as_text(certificate: Certificate) -> str:
    """For a terminal: each promise, and under it what broke or why it could not be checked."""
    width = max(len(finding.promise) for finding in certificate.findings)
    lines = [*_head(certificate), ""]
    for finding in certificate.findings:
        lines.append(f"{_MARKS[finding.verdict]} {finding.promise:<{width}}  {finding.text}")
        lines += [f"  {'':<{width}}    {note}" for note in _notes(finding)]
    return "\n".join([*lines, "", summary(certificate)])


def as_markdown(certificate: Certificate) -> str:
    """A heading, the facts, and a table with a badge for each promise."""
    facts = _head(certificate)
    lines = [f"# Conformance of {certificate.backend}", "", *(f"* {fact}" for fact in facts)]
    lines += ["", summary(certificate), "", "| | promise | | |", "| --- | --- | --- | --- |"]
    for finding in certificate.findings:
        note = " ".join(_notes(finding)).replace("|", "\\|").replace("\n", " ")
        lines.append(f"| {_BADGES[finding.verdict]} | `{finding.promise}` | {finding.text} | {note} |")
    return "\n".join(lines)


def summary(certificate: Certificate) -> str:
    """How many promises hold, broke and could not be checked."""
    count = certificate.count
    parts = [f"{count('holds')} hold", f"{count('broken')} broken", f"{count('not checked')} could not be checked"]
    parts += [f"{count('known')} known to be broken"] if count("known") else []
    parts += [f"{count('stale')} listed as broken but hold: take them off the list"] if count("stale") else []
    return ", ".join(parts)


def _head(certificate: Certificate) -> list[str]:
    device = certificate.device
    where = "no device opened" if device is None else f"{device.name} ({device.kind})"
    facts = [f"{certificate.backend} on {where}, from plugin {certificate.plugin}"]
    if device is not None and device.versions:
        facts.append(", ".join(f"{name} {version}" for name, version in device.versions.items()))
    host = certificate.host
    facts.append(f"{host.cpu}, {host.cores} cores, Python {host.python}, {host.system}")
    facts.append(
        f"conformance {certificate.conformance}, kparity {certificate.kparity}, backend API {certificate.api}, "
        f"{certificate.taken_at}"
    )
    return facts


def _notes(finding: Finding) -> list[str]:
    notes = [finding.detail] if finding.detail else []
    if finding.verdict == "stale":
        notes.append(f"listed as broken: {finding.known}")
    elif finding.known:
        notes.append(f"known: {finding.known}")
    return notes
