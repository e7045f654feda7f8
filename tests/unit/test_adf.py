"""Atlassian's documents as plain text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.sources.adf import adf_text
from features.sources.values import RowFault


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _node(kind: str, *content: dict[str, Any], **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "content": list(content), "attrs": attrs}


def _item(text: str, *more: dict[str, Any]) -> dict[str, Any]:
    return _node("listItem", _node("paragraph", _text(text)), *more)


def _written(*nodes: dict[str, Any]) -> str:
    return adf_text("description", _node("doc", *nodes))


def test_blocks() -> None:
    assert _written(
        _node("heading", _text("Steps"), level=2),
        _node("paragraph"),
        _node("blockquote", _node("paragraph", _text("quoted"))),
        _node("panel", _node("paragraph", _text("careful"))),
        _node("rule"),
        _node("expand", _node("paragraph", _text("inside")), title="More"),
        _node("codeBlock", _text("a = 1\n  b = 2")),
    ) == ("Steps\n\nquoted\n\ncareful\n\n\nMore\ninside\n\na = 1\n  b = 2")


def test_lists() -> None:
    nested = _node("bulletList", _item("one"), _item("two", _node("orderedList", _item("a"), _item("b"), order=3)))
    assert _written(nested) == "- one\n- two\n  3. a\n  4. b"


def test_tasks() -> None:
    tasks = _node(
        "taskList",
        _node("taskItem", _text("done")),
        _node("taskItem"),
        _node("taskList", _node("taskItem", _text("sub"))),
    )
    assert _written(tasks) == "- done\n  - sub"


def test_tables() -> None:
    def row(*cells: str) -> dict[str, Any]:
        return _node("tableRow", *(_node("tableCell", _node("paragraph", _text(cell))) for cell in cells))

    assert _written(_node("table", row("Host", "State"), row("db-1", "down"))) == "Host | State\ndb-1 | down"


def test_inline_nodes() -> None:
    nodes = (
        _node("status", text="BLOCKED"),
        _text(" "),
        _node("inlineCard", url="https://acme.example/1"),
        _text(" "),
        _node("emoji", shortName=":fire:"),
        _text(" "),
        _node("mediaInline", alt="screen.png"),
        _node("date", timestamp="not a number"),
    )
    assert _written(_node("paragraph", *nodes)) == "BLOCKED https://acme.example/1 :fire: screen.png"


def test_a_link_whose_text_is_its_address() -> None:
    node = {**_text("https://a.example"), "marks": [{"type": "link", "attrs": {"href": "https://a.example"}}]}
    assert _written(_node("paragraph", node)) == "https://a.example"


def test_depth_is_bounded() -> None:
    node = _text("x")
    for _ in range(61):
        node = _node("blockquote", node)
    with pytest.raises(RowFault, match=r"The description is a document nested more than 60 levels deep"):
        _written(node)


VALUES = st.none() | st.integers() | st.text(max_size=5)
KINDS = st.sampled_from(
    ["doc", "paragraph", "text", "bulletList", "orderedList", "listItem", "tableRow", "expand", "x"]
)
NODES = st.recursive(
    VALUES,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "type": KINDS | VALUES,
            "text": VALUES,
            "content": st.lists(inner, max_size=3) | VALUES,
            "attrs": st.dictionaries(st.sampled_from(["order", "title", "url"]), VALUES) | VALUES,
            "marks": st.lists(inner, max_size=2) | VALUES,
        },
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["type", "content", "attrs"]), NODES | st.lists(NODES)))
def test_any_document_gives_a_text(document: dict[str, Any]) -> None:
    assert isinstance(adf_text("description", document), str)
