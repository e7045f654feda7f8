"""The pictures of the lead's report, as inline SVG. The one door to matplotlib.

Blue for right and orange for wrong are told apart by every kind of colour vision (Okabe and Ito, 2008), and both lie
translucent on the page, so that the ink on them is legible in light and dark.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import cos, radians, sin
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Rectangle

from evaluation.report.parts import Calibration, CurvePoint
from evaluation.report.svg import INK, LINE, MUTED, RIGHT, WRONG, themed
from evaluation.report.wording import NARROW, clean, interval, percent

MAX_CLASSES = 20
OTHERS = "all others"
_POINTS_AN_INCH = 72
_WIDTH = 560.0
_FONT = 9.0
# Width of a character over its height: wide enough for the system fonts of the day.
_ASPECT = 0.56
_MAX_NAME, _MAX_HEAD = 30, 22
_SLANT = 50.0
_MAX_CELL = 34.0
# The strongest cell still lets the ink on it be read.
_STRONGEST, _FAINTEST = 0.6, 0.14
# Their quarters are round, so that the marks are.
_AXIS_ENDS = (0.08, 0.2, 0.4, 0.6, 0.8, 1.0)


def confusion_svg(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Draw a confusion matrix: rows are labels of tickets, columns guesses; a cell's strength is its share of the row.

    Parameters
    ----------
    labels : sequence of str, length n_classes
    counts : sequence of sequence of int, shape (n_classes, n_classes)

    Notes
    -----
    Of more than 20 classes, those with most errors are drawn and the rest is summed up.
    """
    description = _described(counts)
    labels, counts = _most_confused([clean(label) for label in labels], counts)
    names = [_shortened(label, _MAX_NAME) for label in labels]
    heads = [_shortened(label, _MAX_HEAD) for label in labels]
    left, slanted = _text_width(names) + 12, _text_width(heads)
    top = slanted * sin(radians(_SLANT)) + 14
    right = max(54.0, slanted * cos(radians(_SLANT)) - 4)
    cell = min((_WIDTH - left - right) / len(names), _MAX_CELL)
    figure, axes = _canvas(_WIDTH, top + cell * len(names) + 4)
    tips: dict[str, str] = {}
    for row, line in enumerate(counts):
        x, y = left + cell * row, top + cell * row
        axes.text(left - 6, y + cell / 2, names[row], ha="right", va="center", **_ink())
        axes.text(x + cell * 0.62, top - 5, heads[row], rotation=_SLANT, rotation_mode="anchor", **_ink())
        axes.text(left + cell * len(names) + 5, y + cell / 2, f"of {sum(line):,}", va="center", **_ink(MUTED))
        for column, n in enumerate(line):
            corner = (left + cell * column, y)
            tips |= _draw_cell(axes, corner, cell, n, sum(line), (row, column), labels)
    title = "Confusion matrix of the category"
    return themed(_written(figure), name="confusion", title=title, description=description, tips=tips)


def _described(counts: Sequence[Sequence[int]]) -> str:
    total, right = sum(map(sum, counts)), sum(line[row] for row, line in enumerate(counts))
    return (
        f"{len(counts)} categories; rows are the labels of tickets, columns the model's first guesses. {right} tickets "
        f"lie on the diagonal, {total - right} beside it. The tables of confused pairs and of categories hold the same "
        "figures."
    )


@dataclass(frozen=True, slots=True)
class CurveWords:
    """What a reliability curve is named, and what its axes and points are called; ``name`` is unique on a page."""

    name: str
    title: str
    across: str
    upward: str
    sure: str
    came_true: str


CATEGORY_CURVE = CurveWords(
    name="reliability-category",
    title="Reliability curve of the category",
    across="how sure the model was",
    upward="how often it was right",
    sure="sure",
    came_true="right",
)
SEVERITY_CURVE = replace(CATEGORY_CURVE, name="reliability-severity", title="Reliability curve of the severity")
SEV1_CURVE = CurveWords(
    name="reliability-sev1",
    title="Reliability curve of the Sev1 risk",
    across="predicted risk of a Sev1",
    upward="share that were a Sev1",
    sure="risk of a Sev1",
    came_true="were one",
)


def reliability_svg(calibration: Calibration, words: CurveWords) -> str:
    """Draw how often something came true against how sure the model was of it, with 95 % intervals.

    Both axes end where every point lies within with its interval, so that small risks are told apart.
    """
    size, left, top = 300.0, 58.0, 10.0
    figure, axes = _canvas(left + size + 14, top + size + 46)
    end = _axis_end(calibration.curve)

    def place(confidence: float, accuracy: float) -> tuple[float, float]:
        return left + size * confidence / end, top + size * (1.0 - accuracy / end)

    for quarter in range(5):
        share = end * quarter / 4
        (x, y), (x0, y0), (x1, y1) = place(share, share), place(0, 0), place(end, end)
        axes.plot([x0, x1], [y, y], color=LINE, lw=0.6)
        axes.plot([x, x], [y0, y1], color=LINE, lw=0.6)
        mark = f"{100 * share:g}{NARROW}%"
        axes.text(x0 - 6, y, mark, ha="right", va="center", **_ink())
        axes.text(x, y0 + 15, mark, ha="center", va="baseline", **_ink())
    axes.text(left + size / 2, top + size + 36, words.across, ha="center", va="baseline", **_ink())
    axes.text(12, top + size / 2, words.upward, rotation=90, rotation_mode="anchor", ha="center", **_ink())
    axes.plot(*zip(place(0, 0), place(end, end), strict=True), color=MUTED, lw=1.0, ls="--")
    tips: dict[str, str] = {}
    for number, point in enumerate(calibration.curve):
        x, y = place(point.confidence, point.accuracy)
        ends = [place(point.confidence, bound)[1] for bound in point.accuracy_ci95]
        axes.plot([x, x], ends, color=RIGHT, lw=1.4)
        axes.add_patch(Circle((x, y), 4.5, facecolor=RIGHT, linewidth=0, zorder=3, gid=f"point-{number}"))
        tips[f"point-{number}"] = _told(point, words)
    return themed(
        _written(figure),
        name=words.name,
        title=words.title,
        description="On the dashed line, confidences are true. " + " ".join(_told(p, words) for p in calibration.curve),
        tips=tips,
    )


def _axis_end(points: Sequence[CurvePoint]) -> float:
    furthest = max(max(point.confidence, point.accuracy_ci95[1]) for point in points)
    return next((end for end in _AXIS_ENDS if furthest <= end), 1.0)


def _told(point: CurvePoint, words: CurveWords) -> str:
    return (
        f"{point.n} tickets, {percent(point.confidence)} {words.sure}: {percent(point.accuracy)} {words.came_true} "
        f"(95 % interval {interval(point.accuracy_ci95)})."
    )


def _draw_cell(
    axes: Axes,
    corner: tuple[float, float],
    size: float,
    n: int,
    total: int,
    place: tuple[int, int],
    labels: Sequence[str],
) -> Mapping[str, str]:
    """Draw one cell with its count; gives the text to show over it."""
    axes.add_patch(Rectangle(corner, size, size, facecolor="none", edgecolor=LINE, linewidth=0.5))
    if not n:
        return {}
    row, column = place
    gid = f"cell-{row}-{column}"
    colour, weight = (RIGHT, "normal") if row == column else (WRONG, "bold")
    strength = _FAINTEST + (_STRONGEST - _FAINTEST) * n / total
    middle = (corner[0] + size / 2, corner[1] + size / 2)
    axes.add_patch(Rectangle(corner, size, size, facecolor=colour, alpha=strength, linewidth=0, gid=gid))
    axes.text(*middle, f"{n}", ha="center", va="center", fontweight=weight, **_ink(size=_fitting(n, size)))
    return {gid: f"{labels[row]}, taken for {labels[column]}: {n} of {total}"}


def _most_confused(
    labels: Sequence[str], counts: Sequence[Sequence[int]]
) -> tuple[Sequence[str], Sequence[Sequence[int]]]:
    if len(labels) <= MAX_CLASSES:
        return labels, counts
    size = range(len(labels))
    errors = [sum(counts[i]) + sum(counts[j][i] for j in size) - 2 * counts[i][i] for i in size]
    chosen = sorted(sorted(size, key=lambda i: -errors[i])[: MAX_CLASSES - 1])
    groups = [[i] for i in chosen] + [[i for i in size if i not in set(chosen)]]
    summed = [[sum(counts[i][j] for i in rows for j in columns) for columns in groups] for rows in groups]
    return [*(labels[i] for i in chosen), OTHERS], summed


def _shortened(name: str, n_chars: int) -> str:
    """A name with its middle left out: names that begin alike mostly end apart."""
    if len(name) <= n_chars:
        return name
    end = n_chars // 3
    return f"{name[: n_chars - end - 1].rstrip()}…{name[-end:].lstrip()}"


def _text_width(names: Sequence[str]) -> float:
    return max(len(name) for name in names) * _FONT * _ASPECT


def _fitting(n: int, cell: float) -> float:
    """Size of type at which a number fits its cell."""
    return min(_FONT, 0.92 * cell / (len(str(n)) * _ASPECT))


def _ink(colour: str = INK, size: float = _FONT) -> dict[str, Any]:
    # Names come from the history: a dollar sign in one is no formula.
    return {"fontsize": size, "color": colour, "parse_math": False}


def _canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure without frame whose units are points, with the origin at the upper left."""
    figure = Figure(figsize=(width / _POINTS_AN_INCH, height / _POINTS_AN_INCH), frameon=False)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0, width), ylim=(height, 0), frameon=False)
    axes.set_axis_off()
    return figure, axes


def _written(figure: Figure) -> str:
    for artist in figure.findobj():
        artist.set_clip_on(False)  # clip paths would be told apart by ids, and two pictures share a page
    out = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "precedent"}
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        # Text stays text and the reader's fonts draw it, so it matters nothing that the library's font lacks a glyph.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font", category=UserWarning)
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return out.getvalue()
