"""The pictures of the lead's report: named, themed, and safe with whatever a category is called."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pytest

from evaluation.report.curves import calibration
from evaluation.report.figures import (
    CATEGORY_CURVE,
    MAX_CLASSES,
    OTHERS,
    SEV1_CURVE,
    confusion_svg,
    reliability_svg,
)
from evaluation.report.svg import SVG

LONG_NAMES = [f"Integration {letter} of customers' data warehouses and lakes" for letter in "ABCDEFGHIJKLMNO"]


def parsed(svg: str) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{{{SVG}}}text")]


def tips(svg: str) -> list[str]:
    return [element.text or "" for element in parsed(svg).iter(f"{{{SVG}}}title")]


def diagonal(n: int, right: int = 10, wrong: int = 0) -> list[list[int]]:
    return [[right if i == j else wrong for j in range(n)] for i in range(n)]


def test_matrix_shows_every_count_and_tells_what_it_means() -> None:
    svg = confusion_svg(["Billing", "Login"], [[7, 3], [0, 5]])
    assert {"7", "3", "5", "of 10", "of 5"} <= set(texts(svg))
    assert "0" not in texts(svg)
    assert "Billing, taken for Login: 3 of 10" in tips(svg)


@pytest.mark.parametrize("drawing", ["matrix", "curve"])
def test_a_picture_is_named_for_a_screen_reader_and_carries_no_style(drawing: str) -> None:
    confidence = np.linspace(0.2, 0.9, 80)
    svg = (
        confusion_svg(LONG_NAMES, diagonal(15, 10, 1))
        if drawing == "matrix"
        else reliability_svg(calibration(confidence, confidence > 0.5), CATEGORY_CURVE)
    )
    root = parsed(svg)
    assert root.get("role") == "img"
    named = {element.get("id"): element.text for element in root.iter() if element.get("id")}
    assert set(str(root.get("aria-labelledby")).split()) == set(named)
    assert all(named.values())
    assert not [element for element in root.iter() if "style" in element.attrib or element.tag.endswith("}style")]


def test_colours_are_classes_so_that_dark_and_light_can_differ() -> None:
    svg = confusion_svg(["Billing", "Login"], [[7, 3], [0, 5]])
    classes = {name for element in parsed(svg).iter() for name in str(element.get("class", "")).split()}
    assert {"fill-ink", "fill-right", "fill-wrong", "fill-muted", "stroke-line"} <= classes
    assert "#0" not in svg


def test_fifteen_long_names_lie_within_the_picture() -> None:
    svg = confusion_svg(LONG_NAMES, diagonal(15, 10, 1))
    names = [text for text in texts(svg) if "…" in text]
    assert len(names) == 30
    assert max(map(len, names)) <= 30
    assert "Integration A of customers' data warehouses and lakes" in " ".join(tips(svg))


def test_many_classes_are_summed_up_and_none_is_lost() -> None:
    n = MAX_CLASSES + 20
    counts = diagonal(n, 10)
    counts[3][5] = 4
    svg = confusion_svg([f"class {i}" for i in range(n)], counts)
    assert OTHERS in texts(svg)
    assert {"class 3", "class 5"} <= set(texts(svg))
    assert f"{n} categories" in svg
    shown = sum(int(text) for text in texts(svg) if text.isdigit())
    assert shown == sum(map(sum, counts))


@pytest.mark.parametrize(
    "name", ["$\\frac{1}{0}$", "<script>alert(1)</script>", "無効", "a\x00b\x1bc", "x" * 10_000, "😀"]
)
def test_any_name_is_drawn_as_text(name: str) -> None:
    svg = confusion_svg([name, "Login"], [[7, 3], [0, 5]])
    assert "<script" not in svg
    assert len(texts(svg)) == 9
    assert len(texts(svg)[0]) <= 30


def test_pictures_are_the_same_every_time() -> None:
    assert confusion_svg(LONG_NAMES, diagonal(15)) == confusion_svg(LONG_NAMES, diagonal(15))


def test_curve_tells_each_point_with_its_tickets_and_interval() -> None:
    confidence = np.linspace(0.2, 0.9, 80)
    found = calibration(confidence, confidence > 0.5)
    assert [point.n for point in found.curve] == [27, 27, 26]
    svg = reliability_svg(found, CATEGORY_CURVE)
    assert "27 tickets" in svg
    assert found.curve[0].accuracy_ci95[0] == 0.0


def test_small_risks_have_axes_of_their_own() -> None:
    risk = np.linspace(0.001, 0.04, 400)
    svg = reliability_svg(calibration(risk, np.arange(400) % 100 == 99), SEV1_CURVE)
    marks = [text for text in texts(svg) if text.endswith("%")]
    assert marks[-1] == marks[-2] == "20\N{NARROW NO-BREAK SPACE}%", "one of 27 may be 19 % by its interval"
    assert "predicted risk of a Sev1" in texts(svg)
    sure = reliability_svg(calibration(np.linspace(0.2, 0.9, 80), np.full(80, True)), CATEGORY_CURVE)
    assert "100\N{NARROW NO-BREAK SPACE}%" in texts(sure)
