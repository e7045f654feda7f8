"""Atlassian Document Format (Jira Cloud, REST v3) to plain text.

https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from features.sources.values import RowFault

# Far above what an editor can make; a document of hostile depth must not end in a RecursionError.
_MAX_DEPTH = 60
_BLOCKS = frozenset(
    {"paragraph", "heading", "codeBlock", "blockquote", "panel", "rule", "table", "tableRow", "listItem", "taskItem"}
    | {"decisionItem", "expand", "nestedExpand", "mediaSingle", "mediaGroup", "blockCard", "embedCard"}
)
_BULLETS = {"bulletList": "- ", "taskList": "- ", "decisionList": "- "}
_LISTS = frozenset({*_BULLETS, "orderedList"})


def adf_text(field: str, document: Mapping[str, Any]) -> str:
    """Write a document as plain text.

    Blocks end with a line end, list items begin with ``-`` or their number, cells of a table are cut by ``|``; a
    link's address follows its text; pictures and attachments leave their alternative text.

    Raises
    ------
    RowFault
        If the document is nested more than 60 levels deep.

    Examples
    --------
    >>> adf_text("description", {"type": "doc", "content": [
    ...     {"type": "paragraph", "content": [{"type": "text", "text": "See"}, {"type": "hardBreak"},
    ...                                       {"type": "mention", "attrs": {"text": "@Ana"}}]}]})
    'See\\n@Ana'
    """
    lines = (line.rstrip() for line in "".join(_node(field, document, 0)).split("\n"))
    return "\n".join(lines).strip("\n")


def _node(field: str, node: Any, depth: int) -> Iterator[str]:
    if depth > _MAX_DEPTH:
        raise RowFault(field, f"The {field} is a document nested more than {_MAX_DEPTH} levels deep.")
    if not isinstance(node, Mapping):
        return
    kind = str(node.get("type"))
    yield _leaf(kind, node, _attributes(node))
    children = node.get("content")
    children = children if isinstance(children, list) else []
    if kind in _LISTS:
        yield from _items(field, node, children, depth)
    else:
        for number, child in enumerate(children):
            if kind == "tableRow" and number:
                yield " | "
            text = "".join(_node(field, child, depth + 1))
            # A cell's paragraphs stay on the row's line.
            yield " ".join(text.split("\n")).strip() if kind == "tableRow" else text
    if kind in _BLOCKS:
        yield "\n"


def _items(field: str, node: Mapping[str, Any], children: list[Any], depth: int) -> Iterator[str]:
    first = _attributes(node).get("order")
    first = first if isinstance(first, int) else 1
    for number, child in enumerate(children, start=first):
        text = _indented("".join(_node(field, child, depth + 1)))
        # Cloud puts nested task lists beside the items, not into them.
        is_list = isinstance(child, Mapping) and str(child.get("type")) in _LISTS
        if text:
            yield text if is_list else _BULLETS.get(str(node.get("type")), f"{number}. ") + text.lstrip()


def _indented(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.split("\n") if line)


def _leaf(kind: str, node: Mapping[str, Any], attributes: Mapping[str, Any]) -> str:
    """What a node says itself, apart from its content."""
    if kind == "text":
        text = str(node.get("text", ""))
        address = _address(node)
        return f"{text} {address}" if address and address != text else text
    if kind == "hardBreak":
        return "\n"
    if kind == "date":
        return _date(attributes.get("timestamp"))
    if kind in ("expand", "nestedExpand"):
        return f"{attributes['title']}\n" if attributes.get("title") else ""
    names = {"mention": "text", "status": "text", "emoji": "shortName", "media": "alt", "mediaInline": "alt"}
    if kind in ("inlineCard", "blockCard", "embedCard"):
        names[kind] = "url"
    value = attributes.get(names.get(kind, ""))
    if kind == "emoji":
        value = attributes.get("text") or value
    return str(value) if value else ""


def _address(node: Mapping[str, Any]) -> str | None:
    marks = node.get("marks")
    for mark in marks if isinstance(marks, list) else []:
        if isinstance(mark, Mapping) and mark.get("type") == "link":
            address = _attributes(mark).get("href")
            return address if isinstance(address, str) else None
    return None


def _attributes(node: Mapping[str, Any]) -> Mapping[str, Any]:
    attributes = node.get("attrs")
    return attributes if isinstance(attributes, Mapping) else {}


def _date(milliseconds: Any) -> str:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC).date().isoformat()
    except (TypeError, ValueError, OverflowError, OSError):
        return ""
