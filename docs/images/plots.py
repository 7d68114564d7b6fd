"""What the plots of the documentation show, as Plotly figures of plain data; `make_plots.py` draws them.

Each function reads committed results below `benchmarks/results` and returns `{"data": ..., "layout": ...}`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
RESULTS = BENCHMARKS / "results"

INK, FAINT, GRID = "#1f2933", "#52606d", "#d9dee3"
BLUE, ORANGE, GREEN, PURPLE, RED, GREY = "#0072b2", "#d55e00", "#008a63", "#9c4f96", "#b3261e", "#7b8794"
LINE_UPS = {
    "triton": (BLUE, "circle"),
    "cuda": (GREEN, "square"),
    "jax:pallas": (PURPLE, "triangle-up"),
    "jax:xla": (ORANGE, "diamond"),
    "torch:eager": (GREY, "x"),
}
DTYPES = ("float32", "float16", "bfloat16")

Figure = dict[str, Any]


def timing() -> Figure:
    """Device, end-to-end and dispatch times over the time that torch's profiler saw, one row for each kernel."""
    path = _newest("timing_truth.json", lambda found: bool(found["truth"]))
    hosts = {(one.task, one.case.key, one.implementation.label): one for one in _timed()}
    rows = [(row, hosts.get((row["task"], row["case"], row["label"]))) for row in reversed(_read(path)["truth"])]
    names = [[row["label"] for row, _ in rows], [row["task"].partition("/")[2] for row, _ in rows]]

    def over(measurand: str) -> list[float | None]:
        times = [one.time(measurand) if one else None for _, one in rows]
        return [
            round(time.median_s * 1e6 / row["independent_us"], 4) if time else None
            for (row, _), time in zip(rows, times, strict=True)
        ]

    series = [
        ("host clock, call returned", over("dispatch"), GREY, "x"),
        ("host clock, result there", over("end_to_end"), ORANGE, "diamond"),
        (
            "kparity's device time",
            [round(row["median_us"] / row["independent_us"], 4) for row, _ in rows],
            BLUE,
            "circle",
        ),
    ]
    data = [_points(label, values, names, colour, symbol) for label, values, colour, symbol in series]
    layout = _layout("Time of one call, over the time that torch's profiler saw the GPU at work", 760, 560)
    layout["xaxis"] = _axis(range=[0, 2.6], dtick=0.5, tickformat=".1f", title=_title("profiler = 1"))
    layout["yaxis"] = _axis(type="multicategory", dividercolor=GRID, showgrid=True)
    layout["margin"]["l"] = 170
    layout["shapes"] = [_line(1)]
    return {"data": data, "layout": layout}


def verifier() -> Figure:
    """For each dtype and judge, the share of honest realizations accepted and of mutants killed."""
    path = _newest("verifier.json", lambda found: bool(found["rows"]))
    found = _read(path)["rows"]
    looks = {
        "allclose 0.01": ("#f0a35e", "circle"),
        "allclose 0.001": (ORANGE, "circle"),
        "allclose 0.0001": ("#8a3b00", "circle"),
        "torch.testing defaults": (PURPLE, "diamond"),
        "NMSE 5e-4": (GREY, "square"),
        "kparity": (BLUE, "star"),
    }
    data: list[dict[str, Any]] = []
    layout = _layout("Each verdict on the same outputs: the upper right corner is right about all of them", 760, 420)
    for number, dtype in enumerate(DTYPES, 1):
        axes = {"xaxis": f"x{number}", "yaxis": f"y{number}"}
        points = {judge: _shares(found, dtype, judge) for judge in looks}
        line = [point for judge, point in points.items() if judge.startswith("allclose")]
        data.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": [x for x, _ in line],
                "y": [y for _, y in line],
                "line": {"color": ORANGE, "width": 1},
                "showlegend": False,
                **axes,
            }
        )
        for judge, (colour, symbol) in looks.items():
            point = _points(judge, [points[judge][0]], [points[judge][1]], colour, symbol)
            point["marker"]["size"] = 16 if judge == "kparity" else 11
            data.append({**point, "showlegend": number == 1, "cliponaxis": False, **axes})
        left = (number - 1) * 0.355
        layout[f"xaxis{number}"] = _axis(
            domain=[left, left + 0.29],
            anchor=f"y{number}",
            range=[35, 102],
            ticksuffix=" %",
            dtick=20,
            title=_title("honest ones accepted"),
        )
        layout[f"yaxis{number}"] = _axis(
            anchor=f"x{number}", range=[88, 100.6], dtick=2, ticksuffix=" %", showticklabels=number == 1
        )
        layout["annotations"].append(
            {
                "text": f"<b>{dtype}</b>",
                "x": left,
                "y": 1.0,
                "xref": "paper",
                "yref": "paper",
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"size": 13, "color": INK},
            }
        )
    layout["yaxis1"]["title"] = _title("mutants killed")
    layout["margin"] = {"l": 75, "r": 20, "t": 80, "b": 115}
    return {"data": data, "layout": layout}


def limits() -> Figure:
    """For each perf case in float32 and bfloat16, the share of the measured limit that each line-up reaches."""
    found = [one for one in _timed() if one.roofline]
    rows = sorted({_row(one) for one in found}, reverse=True)
    names = [[bound for bound, _ in rows], [name for _, name in rows]]
    data = []
    layout = _layout("Share of the device's measured limit that one call reaches (right is faster)", 760, 660)
    for number, dtype in enumerate(("float32", "bfloat16"), 1):
        for label, (colour, symbol) in LINE_UPS.items():
            mine = {
                _row(one): round(100 * one.roofline.fraction, 2)
                for one in found
                if one.roofline and one.implementation.label == label and one.case.dtypes["T"] == dtype
            }
            point = _points(label, [mine.get(row) for row in rows], names, colour, symbol)
            data.append({**point, "showlegend": number == 1, "xaxis": f"x{number}", "yaxis": f"y{number}"})
        left = (number - 1) * 0.53
        layout[f"xaxis{number}"] = _axis(
            domain=[left, left + 0.47],
            anchor=f"y{number}",
            range=[0, 103],
            dtick=20,
            ticksuffix=" %",
            title=_title(dtype),
        )
        layout[f"yaxis{number}"] = _axis(
            anchor=f"x{number}",
            type="multicategory",
            dividercolor=GRID,
            showdividers=number == 1,
            showticklabels=number == 1,
        )
    layout["margin"]["l"] = 200
    return {"data": data, "layout": layout}


PLOTS: dict[str, Callable[[], Figure]] = {"timing": timing, "verifier": verifier, "limits": limits}
"""Each plot by the name of its file."""


def digest(figure: Figure) -> str:
    """Of everything that the figure says."""
    return hashlib.sha256(json.dumps(figure, sort_keys=True).encode()).hexdigest()


def _row(one: Any) -> tuple[str, str]:
    """What bounds the case; the task, and the attributes that the case sets beyond sizes."""
    name = str(one.task).partition("/")[2].replace("scaled_dot_product", "attention")
    shown = {"approximate=tanh": ", tanh", "causal=True": ", causal"}
    return one.roofline.bound, name + "".join(text for part, text in shown.items() if part in one.case.key)


def _shares(rows: Sequence[dict[str, Any]], dtype: str, judge: str) -> tuple[float, float]:
    """Per cent of honest realizations accepted, and of mutants killed."""
    mine = [row for row in rows if (row["dtype"], row["judge"]) == (dtype, judge)]
    accepted, honest, killed, mutants = (sum(row[key] for row in mine) for key in _COUNTS)
    return round(100 * accepted / honest, 3), round(100 * killed / mutants, 3)


_COUNTS = ("accepted", "honest", "killed", "mutants")


def _newest(name: str, wanted: Callable[[Any], bool]) -> Path:
    """The last committed file of that name that holds what is wanted."""
    return [path for path in sorted(RESULTS.glob(f"*/{name}")) if wanted(_read(path))][-1]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _timed() -> Sequence[Any]:
    """The perf cases of the newest committed results, as `benchmarks/performance.py` reads them."""
    script = _load(BENCHMARKS / "performance.py")
    timed: Sequence[Any] = script._timed(script._newest())
    return timed


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _points(name: str, x: Sequence[Any], y: Sequence[Any], colour: str, symbol: str) -> dict[str, Any]:
    marker = {"color": colour, "symbol": symbol, "size": 10, "opacity": 0.9}
    return {"type": "scatter", "mode": "markers", "name": name, "x": list(x), "y": list(y), "marker": marker}


def _line(x: float) -> dict[str, Any]:
    """A vertical line over the whole height, behind the points."""
    ends = {"x0": x, "x1": x, "y0": 0, "y1": 1, "xref": "x", "yref": "paper"}
    return {"type": "line", "layer": "below", "line": {"color": INK, "width": 1.5}, **ends}


def _title(text: str) -> dict[str, Any]:
    return {"text": text, "font": {"size": 13, "color": INK}, "standoff": 8}


def _axis(**more: Any) -> dict[str, Any]:
    return {
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": FAINT,
        "tickfont": {"size": 13, "color": INK},
        **more,
    }


def _layout(title: str, width: int, height: int) -> dict[str, Any]:
    return {
        "width": width,
        "height": height,
        "title": {"text": title, "x": 0.02, "xanchor": "left", "font": {"size": 15, "color": INK}},
        "font": {"family": "Arial, Helvetica, sans-serif", "size": 12, "color": INK},
        "paper_bgcolor": "#ffffff",
        "plot_bgcolor": "#ffffff",
        "margin": {"l": 80, "r": 20, "t": 50, "b": 80},
        "legend": {"orientation": "h", "x": 0, "y": 0, "yref": "container", "yanchor": "bottom", "font": {"size": 13}},
        "annotations": [],
    }
