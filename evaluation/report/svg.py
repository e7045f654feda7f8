"""From a plotting library's SVG to one for a page: themed by classes, named for screen readers, without styles.

A page that forbids every style but its own sheet, and that is legible in light and dark, needs colours as classes. So
pictures are drawn in place-holder colours, and each becomes a class here.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.etree import ElementTree as ET

SVG = "http://www.w3.org/2000/svg"

# Place-holder colour to class. The sheet of the page gives each class its colour in light and in dark.
INK, MUTED, LINE, RIGHT, WRONG = "#010101", "#020202", "#030303", "#040404", "#050505"
_CLASSES = {INK: "ink", MUTED: "muted", LINE: "line", RIGHT: "right", WRONG: "wrong"}
_KEPT = frozenset({"font-size", "text-anchor", "stroke-width", "stroke-dasharray", "opacity", "font-weight"})


def themed(svg: str, *, name: str, title: str, description: str, tips: Mapping[str, str]) -> str:
    """Make a drawing fit for a page.

    Parameters
    ----------
    svg : str
        A drawing of our own, in the place-holder colours.
    name : str
        Unique on the page; ids of the title and the description begin with it.
    tips : mapping of str to str
        Text to show over a part of the drawing, by the part's id.
    """
    # What is parsed was written by our own drawing code a moment ago, labels escaped: no hostile XML gets here.
    root = ET.fromstring(svg)  # noqa: S314
    for parent in root.iter():
        for child in list(parent):
            if child.tag in {f"{{{SVG}}}defs", f"{{{SVG}}}metadata"}:
                parent.remove(child)
    for element in root.iter():
        _restyle(element)
        tip = tips.get(element.attrib.pop("id", ""))
        if tip is not None:
            _first_child(element, "title", tip)
    _name(root, name, title, description)
    ET.register_namespace("", SVG)
    return ET.tostring(root, encoding="unicode")


def _restyle(element: ET.Element) -> None:
    """Style attribute to classes and presentation attributes."""
    declarations = [pair.partition(":") for pair in element.attrib.pop("style", "").split(";") if ":" in pair]
    styles = {key.strip(): value.strip() for key, _, value in declarations}
    classes = [f"{key}-{_CLASSES[styles[key]]}" for key in ("fill", "stroke") if styles.get(key) in _CLASSES]
    if styles.get("fill") == "none":
        element.set("fill", "none")
    if classes:
        element.set("class", " ".join(classes))
    for key in _KEPT & set(styles):
        element.set(key, styles[key].removesuffix("px"))


def _name(root: ET.Element, name: str, title: str, description: str) -> None:
    for size in ("width", "height", "version"):
        root.attrib.pop(size, None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-description")
    _first_child(root, "desc", description).set("id", f"{name}-description")
    _first_child(root, "title", title).set("id", f"{name}-title")


def _first_child(element: ET.Element, tag: str, text: str) -> ET.Element:
    child = ET.Element(f"{{{SVG}}}{tag}")
    child.text = text
    element.insert(0, child)
    return child
