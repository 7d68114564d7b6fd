"""The page: templates, data, figures and plotly's script in one file that asks the network for nothing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from kparity.html.figures import figures
from kparity.html.payload import payload
from kparity.reporting import Combined, CombiningReporter, needed

_TEMPLATES = Path(__file__).with_name("templates")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:; script-src "
_SCRIPTS = ("state.js", "matrix.js", "charts.js", "list.js", "detail.js", "start.js")


class HtmlReporter(CombiningReporter):
    """One self-contained file: matrix, speeds, rooflines, errors, and every evaluation behind filters.

    Records hold texts of strangers: what a candidate printed, names of tasks. They reach the page as data that its
    script puts into text nodes, and the page's own policy runs no script but those that it came with.

    Args:
        sources: source text by an implementation's target, shown where records name that target.
    """

    name = "html"
    suffix = ".html"

    def __init__(self, sources: Mapping[str, str] | None = None) -> None:
        self._sources = dict(sources or {})

    def combine(self, combined: Combined) -> bytes:
        jinja2 = needed("jinja2", "the HTML report")
        offline = needed("plotly.offline", "the HTML report")
        data = payload(combined)
        data["sources"] = {target: self._sources[target] for target in data["targets"] if target in self._sources}
        data["figures"] = figures(combined, data)
        plotly = _inline(offline.get_plotlyjs())
        page = _inline("\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in _SCRIPTS))
        safe = jinja2.Environment(loader=jinja2.FileSystemLoader(_TEMPLATES), autoescape=True, trim_blocks=True)
        markup = needed("markupsafe", "the HTML report").Markup
        text = safe.get_template("report.html.j2").render(
            title=_title(data),
            kparity=data["kparity"],
            counts=_counts(data),
            notes=data["notes"],
            devices=[one["device"] for one in data["devices"]],
            timed=data["devices"],
            baselines=data["baselines"],
            rooflines=list(data["figures"]["roofline"]),
            speeds=[device for device in data["figures"]["speed"] if _timed(data, device)],
            errors=any("accuracy" in detail for detail in data["details"]),
            runs=data["runs"],
            policy=_POLICY + _hashes(plotly, page),
            style=markup((_TEMPLATES / "report.css").read_text(encoding="utf-8")),
            data=markup(embedded(data)),
            plotly=markup(plotly),
            script=markup(page),
        )
        return str(text).encode()


def embedded(data: Any) -> str:
    """JSON that may stand inside a `script` element: nothing in it can end the element or begin another."""
    text = msgspec.json.encode(data).decode()
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _inline(script: str) -> str:
    """Script text that an HTML parser leaves whole, with the line ends that it would see."""
    script = re.sub(r"</(?=script)", r"<\\/", script, flags=re.IGNORECASE).replace("<!--", "<\\!--")
    return script.replace("\r\n", "\n").replace("\r", "\n")


def _hashes(*scripts: str) -> str:
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def _title(data: Mapping[str, Any]) -> str:
    devices = [one["device"] for one in data["devices"]]
    return "kparity: " + (", ".join(devices) if len(devices) <= 3 else f"{len(devices)} devices")


def _counts(data: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    """Status, its sign, and how many evaluations have it; those that none has are left out."""
    found = [one[5] for one in data["evaluations"]]
    return [(status, mark, found.count(at)) for at, (status, mark) in enumerate(data["statuses"]) if at in found]


def _timed(data: Mapping[str, Any], device: str) -> bool:
    """Whether anything on that device has a speed over a baseline."""
    return any(
        data["columns"][one[1]]["device"] == device and data["entries"][one[7]][0] is not None
        for one in data["evaluations"]
    )
