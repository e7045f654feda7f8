"""Markdown to blocks, the HTML in it included."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from markdown_it import MarkdownIt
from markdown_it.token import Token

from features.runbook_sources.document import Block
from features.runbook_sources.html_blocks import BODY, Dialect, read_html
from features.runbook_sources.html_tokens import EndTag, html_tokens

_MARKDOWN = MarkdownIt("commonmark").enable("table")
_HTML = Dialect(region_of=lambda _tag: None, region=BODY)
_HIDDEN = ("script", "style")
_LINE_BREAKING = frozenset(
    [
        "blockquote",
        "br",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "summary",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)


def read_markdown(text: str) -> tuple[list[Block], list[str]]:
    """Blocks and link targets of a text without front matter. Images are neither."""
    tokens = _MARKDOWN.parse(text)
    return list(_blocks(tokens)), [target for token in tokens for target in _targets(token)]


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    rows: list[list[str]] = []
    is_table = False
    for position, token in enumerate(tokens):
        match token.type:
            case "table_open":
                rows, is_table = [], True
            case "table_close":
                is_table = False
                yield Block("\n".join(cell for row in rows for cell in row), rows=tuple(map(tuple, rows)))
            case "tr_open":
                rows.append([])
            case "inline" if is_table:
                rows[-1].append(_plain(token))
            case "inline" if tokens[position - 1].type == "heading_open":
                yield Block(_plain(token).replace("\n", " "), int(tokens[position - 1].tag[1:]))
            case "inline":
                yield Block(_plain(token))
            case "fence" | "code_block":
                yield Block(token.content.rstrip("\n"))
            case "html_block":
                for block in read_html(token.content, _HTML).blocks:
                    yield replace(block, anchor=block.anchor or None)


def _plain(inline: Token) -> str:
    parts: list[str] = []
    hidden = ""
    for child in inline.children or []:
        if child.type == "html_inline":
            name, is_end = _tag(child.content)
            if hidden and is_end and name == hidden:
                hidden = ""
            elif not hidden and name in _HIDDEN and not is_end:
                hidden = name
            elif name in _LINE_BREAKING and not hidden:
                _break_line(parts)
        elif hidden:
            continue
        elif child.type in {"softbreak", "hardbreak"}:
            _break_line(parts)
        elif child.type in {"text", "code_inline"}:
            parts.append(child.content)
    return "".join(parts).strip()


def _tag(markup: str) -> tuple[str, bool]:
    """Name of a tag, empty for a comment, and whether it is an end tag."""
    tag = next(iter(html_tokens(markup)), "")
    return ("", False) if isinstance(tag, str) else (tag.name, isinstance(tag, EndTag))


def _break_line(parts: list[str]) -> None:
    if parts and parts[-1] != "\n":
        parts.append("\n")


def _targets(token: Token) -> Iterator[str]:
    """Targets of the links of a token, but for links that show nothing but an image (badges)."""
    if token.type == "html_block":
        yield from read_html(token.content, _HTML).links
    target, shows_text, shows_image = None, False, False
    for child in token.children or []:
        if child.type == "link_open":
            target, shows_text, shows_image = child.attrGet("href"), False, False
        elif child.type == "link_close" and target and (shows_text or not shows_image):
            yield str(target)
        elif child.type == "image":
            shows_image = True
        elif child.content.strip():
            shows_text = True
