"""The figures of the HTML report, as plotly makes them: traces, axes and hover texts.

The page fills in what the filters leave over, and the theme's colours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from kparity.records import Ceilings, DeviceRef, Evaluation
from kparity.reporting import Combined, needed
from kparity.roofline import best_ceilings, ceiling_dtype
from kparity.rows import device_label

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C6BB1", "#7F7F7F")
"""The palette of Okabe and Ito, without its yellow and black, which one of the two themes would swallow."""

SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "cross", "star", "hexagon")
_DASHES = ("solid", "dash", "dot", "dashdot")


def figures(combined: Combined, data: Mapping[str, Any]) -> dict[str, Any]:
    """The figures as plain data: `speed` and `roofline` for each device, `errors`, and `samples` of one evaluation."""
    labels = list(dict.fromkeys(column["label"] for column in data["columns"]))
    style = {label: (COLOURS[at % len(COLOURS)], SYMBOLS[at % len(SYMBOLS)]) for at, label in enumerate(labels)}
    return {
        "speed": {device: _plain(_speed(columns, style)) for device, columns in _by_device(data).items()},
        "roofline": _rooflines(combined, style),
        "errors": _plain(_errors(data["columns"], data["bins"], style)),
        "samples": _plain(_samples()),
    }


def _by_device(data: Mapping[str, Any]) -> dict[str, list[tuple[int, str]]]:
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for place, column in enumerate(data["columns"]):
        found[column["device"]].append((place, column["label"]))
    return found


def _speed(columns: Sequence[tuple[int, str]], style: Mapping[str, tuple[str, str]]) -> Any:
    """Bars from 1x to the left and right: the axis holds binary logarithms, so that 2x and 0.5x are equally long."""
    go = needed("plotly.graph_objects", "the HTML report")
    figure = go.Figure()
    for place, label in columns:
        figure.add_bar(
            name=escape(label),
            orientation="h",
            x=[],
            y=[],
            marker={"color": style[label][0]},
            error_x={"type": "data", "symmetric": False, "array": [], "arrayminus": [], "thickness": 1.2, "width": 2},
            meta={"column": place},
            hovertemplate="%{y}<br>%{text}<extra>%{fullData.name}</extra>",
            textposition="none",
        )
    powers = range(-6, 11)
    figure.update_layout(
        barmode="group",
        bargap=0.25,
        xaxis={
            "title": {"text": "speed over the baseline, logarithmic"},
            "tickvals": list(powers),
            "ticktext": [f"{2**power}x" if power >= 0 else f"1/{2**-power}x" for power in powers],
            "zeroline": True,
            "zerolinewidth": 2,
        },
        yaxis={"autorange": "reversed", "automargin": True},
        **_COMMON,
    )
    return figure


def _rooflines(combined: Combined, style: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    """A figure for each device with known ceilings and at least one point."""
    ceilings = _ceilings(combined)
    points: dict[str, dict[str, list[tuple[int, Evaluation]]]] = defaultdict(lambda: defaultdict(list))
    for place, (run, one) in enumerate(combined):
        if one.roofline is not None and one.roofline.flops_per_s > 0 and one.roofline.bytes_per_s > 0:
            label, digest = one.implementation.label, one.implementation.source_digest
            column = f"{label}@{digest[:8]}" if digest else label
            points[device_label(one.device, combined.infos[run])][column].append((place, one))
    return {
        device: _plain(_roofline(by_label, ceilings[device], style))
        for device, by_label in points.items()
        if device in ceilings
    }


def _ceilings(combined: Combined) -> dict[str, Ceilings]:
    """The best that any line-up of any run reached, by device."""
    found: dict[str, list[Ceilings]] = defaultdict(list)
    for info in combined.infos.values():
        devices = {device.backend: device for device in info.devices}
        for label, measured in info.ceilings.items():
            device = devices.get(label.partition(":")[0])
            if device is not None and measured.bytes_per_s:
                found[device_label(DeviceRef.of(device), info)].append(measured)
    return {device: best for device, all_ in found.items() if (best := best_ceilings(None, all_)) is not None}


def _roofline(
    points: Mapping[str, Sequence[tuple[int, Evaluation]]], ceilings: Ceilings, style: Mapping[str, tuple[str, str]]
) -> Any:
    go = needed("plotly.graph_objects", "the HTML report")
    figure = go.Figure()
    every = [_intensity(one) for ones in points.values() for _, one in ones]
    ridges = [peak / ceilings.bytes_per_s for peak in ceilings.flops_per_s.values() if peak]
    low, high = min([*every, *ridges]) / 2, max([*every, *ridges]) * 2
    for at, (dtype, peak) in enumerate(ceilings.flops_per_s.items()):
        if peak:
            ridge = peak / ceilings.bytes_per_s
            figure.add_scatter(
                name=f"limit, {escape(dtype)}",
                mode="lines",
                x=[low, ridge, high],
                y=[low * ceilings.bytes_per_s, peak, peak],
                line={"dash": _DASHES[at % len(_DASHES)], "width": 1.5},
                meta={"ceiling": True},
                hovertemplate=f"{peak / 1e12:.3g} TFLOP/s in {escape(dtype)}<extra></extra>",
            )
    if not any(ceilings.flops_per_s.values()):
        figure.add_scatter(
            name="limit, memory",
            mode="lines",
            x=[low, high],
            y=[low * ceilings.bytes_per_s, high * ceilings.bytes_per_s],
            meta={"ceiling": True},
            hovertemplate=f"{ceilings.bytes_per_s / 1e9:.4g} GB/s<extra></extra>",
        )
    for label, ones in points.items():
        colour, symbol = style[label]
        figure.add_scatter(
            name=escape(label),
            mode="markers",
            x=[_intensity(one) for _, one in ones],
            y=[one.roofline.flops_per_s for _, one in ones if one.roofline is not None],
            customdata=[place for place, _ in ones],
            text=[_point(one) for _, one in ones],
            marker={"color": colour, "symbol": symbol, "size": 9, "line": {"width": 0.5}},
            meta={"points": True},
            hovertemplate="%{text}<extra>%{fullData.name}</extra>",
        )
    axis = {"type": "log", "exponentformat": "power", "dtick": 1}
    figure.update_layout(
        xaxis={**axis, "title": {"text": "operations for each byte of compulsory traffic"}},
        yaxis={**axis, "title": {"text": "operations per second"}, "automargin": True},
        **_COMMON,
    )
    return figure


def _intensity(one: Evaluation) -> float:
    assert one.roofline is not None
    return one.roofline.flops_per_s / one.roofline.bytes_per_s


def _point(one: Evaluation) -> str:
    roofline = one.roofline
    assert roofline is not None
    return (
        f"{escape(one.task)}<br>{escape(one.case.key)}<br>{roofline.fraction:.0%} of the {roofline.bound} limit, "
        f"{roofline.flops_per_s / 1e12:.3g} TFLOP/s, {roofline.bytes_per_s / 1e9:.4g} GB/s, "
        f"{escape(ceiling_dtype(one.case))}"
    )


def _errors(columns: Sequence[Mapping[str, Any]], bins: Sequence[float], style: Mapping[str, tuple[str, str]]) -> Any:
    """Shares of elements by the size of their error, on a logarithmic axis: a few elements far off are what matters."""
    go = needed("plotly.graph_objects", "the HTML report")
    names = [f"≤ {limit:g}" for limit in bins] + [f"> {bins[-1]:g}"]
    devices = list(dict.fromkeys(column["device"] for column in columns))
    figure = go.Figure()
    for place, column in enumerate(columns):
        at = devices.index(column["device"])
        name = column["label"] if len(devices) == 1 else f"{column['label']} #{at + 1}"
        figure.add_bar(
            name=escape(name),
            x=names,
            y=[],
            marker={
                "color": style[column["label"]][0],
                "pattern": {"shape": ("", "/", "x", ".")[at % 4], "fillmode": "overlay", "fgopacity": 0.5},
            },
            meta={"column": place},
            hovertemplate="%{y:.3%} of all elements %{x} ulp<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        barmode="group",
        xaxis={"title": {"text": "error in units in the last place"}, "type": "category"},
        yaxis={"title": {"text": "share of elements"}, "type": "log", "tickformat": "~%", "automargin": True},
        **_COMMON,
    )
    return figure


def _samples() -> Any:
    go = needed("plotly.graph_objects", "the HTML report")
    figure = go.Figure()
    for at, measurand in enumerate(("device", "end_to_end", "dispatch")):
        figure.add_scatter(
            name=measurand.replace("_", " "),
            mode="lines+markers",
            x=[],
            y=[],
            marker={"color": COLOURS[at], "symbol": SYMBOLS[at], "size": 5},
            line={"width": 1},
            meta={"measurand": measurand},
            hovertemplate="sample %{x}: %{y:.4s}s<extra>%{fullData.name}</extra>",
        )
    figure.update_layout(
        height=260,
        xaxis={"title": {"text": "sample, in the order taken"}},
        yaxis={"title": {"text": "seconds for one call"}, "type": "log", "exponentformat": "SI", "automargin": True},
        **_COMMON,
    )
    return figure


def _plain(figure: Any) -> dict[str, Any]:
    """Traces and layout as JSON-compatible data, without plotly's template: the page's theme takes its place."""
    plain = figure.to_plotly_json()
    plain["layout"].pop("template", None)
    return {"data": plain["data"], "layout": plain["layout"]}


_COMMON: dict[str, Any] = {
    "template": None,
    "margin": {"l": 60, "r": 44, "t": 8, "b": 48},  # on the right stand plotly's buttons
    "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.01, "x": 0},
    "hoverlabel": {"align": "left"},
}
