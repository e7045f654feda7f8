"""The picture of recall against the time of a search: an SVG that stands alone, legible in light and dark.

Colours are those of Okabe and Ito (2008), told apart by every kind of colour vision; marks differ in shape as well.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import log10
from typing import Any
from xml.sax.saxutils import escape

_WIDTH, _LEFT, _TOP, _PLOT_WIDTH, _PLOT_HEIGHT = 720, 64, 34, 632, 330
# The upper end is where it matters, so the axis is logarithmic in what is missed, from a fifth to one in two thousand.
_RECALLS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995)
_LEAST_RECALL, _MOST_RECALL = _RECALLS[0], _RECALLS[-1]
_TIMES = tuple(digit * 10.0**decade for decade in range(-3, 5) for digit in (1, 2, 5))
_COLOURS = ("#0072B2", "#009E73", "#D55E00", "#E69F00", "#CC79A7")
_LINE_HEIGHT = 20
_STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#222}.grid{stroke:#ccc}.page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.grid{stroke:#444}.page{fill:#111}}"
)


def recall_latency_svg(figures: Mapping[str, Any]) -> str:
    """Draw what :func:`evaluation.benchmarks.recall_latency.recall_latency_figures` measured.

    A point is a number of probes or a length of the list of candidates; what ships has a ring. Points of a recall under
    0.8 are left out; those above 0.9995 lie on the upper edge.
    """
    methods = figures["methods"]
    points = [point for method in methods for point in _shown(method)]
    times = _time_marks([point["cpu_p50_ms"] for point in points])

    def place(point: Mapping[str, float]) -> tuple[float, float]:
        across = log10(point["cpu_p50_ms"] / times[0]) / log10(times[-1] / times[0])
        missed = 1.0 - min(point["recall@10"], _MOST_RECALL)
        upward = log10(missed / (1.0 - _LEAST_RECALL)) / log10((1.0 - _MOST_RECALL) / (1.0 - _LEAST_RECALL))
        return round(_LEFT + _PLOT_WIDTH * across, 1), round(_TOP + _PLOT_HEIGHT * (1.0 - upward), 1)

    bottom = _TOP + _PLOT_HEIGHT + 66
    height = bottom + _LINE_HEIGHT * len(methods)
    title = f"Recall at 10 against the time of a search, {figures['n']:,} vectors"
    parts = [_text(_LEFT, 20, title, weight="600"), *_axes(times, place)]
    for number, method in enumerate(methods):
        is_ours, colour = "shipped" in method, _COLOURS[number % len(_COLOURS)]
        parts += _curve([place(point) for point in _shown(method)], colour, is_ours=is_ours)
        if is_ours and method["shipped"]["recall@10"] >= _LEAST_RECALL:
            x, y = place(method["shipped"])
            parts.append(f'<circle cx="{x}" cy="{y}" r="8" fill="none" stroke="{colour}" stroke-width="2"/>')
        line = bottom + _LINE_HEIGHT * number
        parts += [_mark(_LEFT + 6, line - 4, colour, is_ours=is_ours), _text(_LEFT + 20, line, _legend(method))]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="t">'
        f'<title id="t">{escape(title)}</title><style>{_STYLE}</style>'
        f'<rect class="page" width="{_WIDTH}" height="{height}"/>{"".join(parts)}</svg>\n'
    )


def _shown(method: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [point for point in method["points"] if point["recall@10"] >= _LEAST_RECALL]


def _time_marks(times: Sequence[float]) -> list[float]:
    """Round times, from the last below all that were measured to the first above them.

    Examples
    --------
    >>> _time_marks([0.3, 3.0])
    [0.2, 0.5, 1.0, 2.0, 5.0]
    """
    below = [mark for mark in _TIMES if mark < min(times, default=1.0)][-1]
    above = next(mark for mark in _TIMES if mark > max(times, default=1.0))
    return [mark for mark in _TIMES if below <= mark <= above]


def _axes(times: Sequence[float], place: Callable[[Mapping[str, float]], tuple[float, float]]) -> list[str]:
    right, foot = _LEFT + _PLOT_WIDTH, _TOP + _PLOT_HEIGHT
    parts = []
    for recall in _RECALLS:
        _, y = place({"cpu_p50_ms": times[0], "recall@10": recall})
        parts.append(f'<path class="grid" d="M{_LEFT} {y}H{right}"/>')
        parts.append(_text(_LEFT - 8, y + 4, f"{recall:g}", anchor="end"))
    for time in times:
        x, _ = place({"cpu_p50_ms": time, "recall@10": _LEAST_RECALL})
        parts.append(f'<path class="grid" d="M{x} {_TOP}V{foot}"/>')
        parts.append(_text(x, foot + 18, f"{time:g}", anchor="middle"))
    middle = _LEFT + _PLOT_WIDTH / 2
    parts.append(_text(middle, foot + 38, "median processor time of a search, ms, one thread", anchor="middle"))
    parts.append(
        f'<g transform="rotate(-90)">{_text(-(_TOP + _PLOT_HEIGHT / 2), 16, "recall@10", anchor="middle")}</g>'
    )
    return parts


def _curve(places: Sequence[tuple[float, float]], colour: str, *, is_ours: bool) -> list[str]:
    line = " ".join(f"{x},{y}" for x, y in places)
    dashes = "" if is_ours else ' stroke-dasharray="5 3"'
    drawn = f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
    return [drawn, *(_mark(x, y, colour, is_ours=is_ours) for x, y in places)]


def _mark(x: float, y: float, colour: str, *, is_ours: bool) -> str:
    if is_ours:
        return f'<circle cx="{x}" cy="{y}" r="4" fill="{colour}"/>'
    return f'<rect x="{round(x - 3.5, 1)}" y="{round(y - 3.5, 1)}" width="7" height="7" fill="{colour}"/>'


def _legend(method: Mapping[str, Any]) -> str:
    taken = method["bytes_a_vector"]
    mapped = f", {taken['mapped']:,.0f} on disk, mapped" if taken["mapped"] else ""
    ring = " (ring: as it ships)" if "shipped" in method else ""
    return f"{method['name']}{ring}: {taken['process']:,.0f} bytes of memory a vector{mapped}"


def _text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "400") -> str:
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" font-weight="{weight}">{escape(words)}</text>'
