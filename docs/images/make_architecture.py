"""Draw how the data flows, for docs/architecture.md: `python docs/images/make_architecture.py`.

The picture is an SVG of boxes, frames and arrows at the places given here; it needs nothing but Python.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import NamedTuple

FILE = Path(__file__).with_name("architecture.svg")
WIDTH, HEIGHT = 1040, 455
INK, FAINT, EDGE = "#1f2933", "#52606d", "#7b8794"


class Box(NamedTuple):
    """A heading and lines below it, in a rectangle."""

    x: int
    y: int
    width: int
    height: int
    heading: str
    lines: tuple[str, ...] = ()


FRAMES = (
    (Box(225, 15, 600, 185, "judge: this process"), "#e8f1f8"),
    (Box(225, 285, 600, 155, "worker: its own process"), "#fdeee3"),
)
CHECKS = ("signature, inputs", "unchanged, non-finite,", "bound, determinism,", "extra checks")
BOXES = (
    Box(15, 35, 180, 88, "plugins", ("entry-point group", "kparity")),
    Box(15, 155, 180, 88, "catalogue", ("tasks, backends,", "implementations")),
    Box(15, 275, 180, 88, "plan", ("selection into", "line-ups by cases")),
    Box(240, 55, 140, 130, "lanes", ("one worker for", "each line-up")),
    Box(415, 55, 160, 130, "problem", ("seed → inputs", "→ oracle", "→ bounds")),
    Box(
        610,
        55,
        200,
        130,
        "verdict",
        CHECKS,
    ),
    Box(860, 55, 165, 70, "evaluation", ("a frozen record",)),
    Box(860, 165, 165, 88, "run folder", ("run.json,", "evaluations.jsonl")),
    Box(860, 293, 165, 42, "reports"),
    Box(415, 325, 245, 105, "engine", ("load, compile, call, time;", "it holds no seed,", "no oracle, no bound")),
    Box(695, 325, 115, 105, "backend", ("put, get,", "wait, clock")),
    Box(860, 375, 165, 42, "device"),
)
ARROWS = (
    "M105 123 V153",
    "M105 243 V273",
    "M195 319 H210 V120 H238",
    "M380 120 H413",
    "M575 120 H608",
    "M810 90 H858",
    "M942 125 V163",
    "M942 253 V291",
    "M470 185 V323",
    "M635 325 V187",
    "M660 377 H693",
    "M810 396 H858",
)
LABELS = (
    (480, 240, "input bytes"),
    (480, 260, "(shared memory)"),
    (645, 240, "output bytes,"),
    (645, 260, "raw times"),
)


def draw() -> str:
    """The picture as SVG text."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"',
        ' font-family="Arial, Helvetica, sans-serif" role="img">',
        "<title>How the data flows through kparity</title>",
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
        f'<path d="M0 0 L8 4 L0 8 Z" fill="{INK}"/></marker></defs>',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *(_rectangle(frame, fill) for frame, fill in FRAMES),
        *(_text(frame.x + 12, frame.y + 26, frame.heading, FAINT, 16) for frame, _ in FRAMES),
        *(_box(box) for box in BOXES),
        *(
            f'<path d="{path}" fill="none" stroke="{INK}" stroke-width="1.5" marker-end="url(#tip)"/>'
            for path in ARROWS
        ),
        *(_text(x, y, text, FAINT, 16) for x, y, text in LABELS),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _box(box: Box) -> str:
    lines = [_text(box.x + 12, box.y + 50 + 20 * number, line, FAINT, 16) for number, line in enumerate(box.lines)]
    heading = _text(box.x + 12, box.y + 27, box.heading, INK, 19, bold=True)
    return "\n".join([_rectangle(box, "#ffffff"), heading, *lines])


def _rectangle(box: Box, fill: str) -> str:
    size = f'x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}"'
    return f'<rect {size} rx="6" fill="{fill}" stroke="{EDGE}"/>'


def _text(x: int, y: int, text: str, colour: str, size: int, *, bold: bool = False) -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" font-size="{size}"{weight} fill="{colour}">{escape(text)}</text>'


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
