"""HTML to blocks. What an element is for is told by the caller, who knows which tool wrote the page."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from features.runbook_sources.document import Block
from features.runbook_sources.html_tokens import EndTag, StartTag, html_tokens

OUTSIDE = "outside"
BODY = "body"
SKIP = "skip"

_MAX_DEPTH = 256
_VOID = frozenset(
    ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
)
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "time",
        "tt",
        "u",
        "var",
    ]
)
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_BLANKS = re.compile(r"\s+")


@dataclass(slots=True)
class HtmlPage:
    """What a page holds.

    Attributes
    ----------
    blocks : list of Block
        Of the body.
    links : list of str
        Targets of the body's links that show text.
    regions : mapping of str to list of str
        Text of each other region, one entry per element that opens it.
    """

    blocks: list[Block] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    regions: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Dialect:
    """What the elements of a kind of page are for.

    Attributes
    ----------
    region_of : callable
        Region that an element opens: ``BODY``, ``SKIP`` (nothing inside is read) or a name of one's own; None stays in
        that of its parent. Inside the body, only ``SKIP`` counts.
    region : str
        Region of what stands outside all elements; text of ``OUTSIDE`` is left out.
    link_of : callable
        For an element that says where its parent, whose attributes are given too, links to: the target, where there is
        one, and the text that the link shows if it has no other.
    inline, verbatim : frozenset of str
        Elements that break no line, and those whose blanks count, beside HTML's own.
    """

    region_of: Callable[[StartTag], str | None]
    region: str = OUTSIDE
    link_of: Callable[[StartTag, Mapping[str, str]], tuple[str | None, str] | None] = lambda _tag, _parent: None
    inline: frozenset[str] = frozenset()
    verbatim: frozenset[str] = frozenset()


def read_html(text: str, dialect: Dialect) -> HtmlPage:
    """Read a page or a part of one."""
    reader = _Reader(dialect)
    for token in html_tokens(text):
        if isinstance(token, StartTag):
            reader.start(token)
        elif isinstance(token, EndTag):
            reader.end(token.name)
        else:
            reader.text(token)
    reader.close()
    return reader.page


@dataclass(slots=True)
class _Element:
    name: str
    region: str
    attributes: Mapping[str, str]
    link: str | None = None
    default_text: str = ""
    shows_text: bool = False


class _Reader:
    def __init__(self, dialect: Dialect) -> None:
        self.page = HtmlPage()
        self._dialect = dialect
        self._inline = _INLINE | dialect.inline
        self._verbatim = {"pre"} | dialect.verbatim
        self._open = [_Element("", dialect.region, {})]
        self._line: list[str] = []
        self._heading: tuple[int, str] | None = None
        self._n_verbatim = 0
        self._rows: list[list[str]] = []
        self._cell: list[str] = []
        self._n_tables = 0
        self._regions: defaultdict[str, list[list[str]]] = defaultdict(list)

    def start(self, tag: StartTag) -> None:
        parent = self._open[-1]
        region = self._region(tag, parent.region)
        if region not in (OUTSIDE, BODY, SKIP, parent.region):
            self._regions[region].append([])
        if region == BODY:
            self._start_in_body(tag, parent)
        if tag.is_empty or tag.name in _VOID or len(self._open) >= _MAX_DEPTH:
            return
        link = tag.attributes.get("href") if tag.name == "a" else None
        self._open.append(_Element(tag.name, region, tag.attributes, link))
        if region == BODY and tag.name in self._verbatim:
            self._n_verbatim += 1

    def _region(self, tag: StartTag, parent: str) -> str:
        opened = self._dialect.region_of(tag)
        is_fixed = parent == SKIP or (parent == BODY and opened != SKIP)
        return parent if opened is None or is_fixed else opened

    def end(self, name: str) -> None:
        if not any(element.name == name for element in self._open[1:]):
            return
        while (element := self._open.pop()).name != name:
            self._closed(element)
        self._closed(element)

    def text(self, text: str) -> None:
        region = self._open[-1].region
        if region == BODY:
            if text.strip():
                for element in reversed(self._open):
                    if element.shows_text:  # and so do those around it
                        break
                    element.shows_text = True
            self._line.append(text if self._n_verbatim else _BLANKS.sub(" ", text))
        elif region not in (OUTSIDE, SKIP):
            self._regions[region][-1].append(text)

    def close(self) -> None:
        while len(self._open) > 1:
            self._closed(self._open.pop())
        self._flush()
        self._n_tables = min(self._n_tables, 1)
        self._end_table()
        for region, texts in self._regions.items():
            self.page.regions[region] = ["".join(pieces) for pieces in texts]

    def _start_in_body(self, tag: StartTag, parent: _Element) -> None:
        if tag.name == "time" and "datetime" in tag.attributes and tag.is_empty:
            self.text(tag.attributes["datetime"])
        if (link := self._dialect.link_of(tag, parent.attributes)) is not None:
            parent.link, parent.default_text = link
        if tag.name not in self._inline:
            self._flush()
        if tag.name in _HEADINGS and not self._n_tables:
            self._heading = (_HEADINGS[tag.name], tag.attributes.get("id", ""))
        elif tag.name == "table":
            self._n_tables += 1
        elif tag.name == "tr" and self._n_tables == 1:
            self._rows.append([])

    def _closed(self, element: _Element) -> None:
        if element.region != BODY:
            return
        if element.default_text and not element.shows_text:
            self.text(element.default_text)
            element.shows_text = True
        if element.link and element.shows_text:
            self.page.links.append(element.link)
        if element.name not in self._inline:
            self._flush()
        if element.name in _HEADINGS:
            self._heading = None
        elif element.name in self._verbatim:
            self._n_verbatim -= 1
        elif element.name in ("td", "th") and self._n_tables == 1 and self._rows:
            self._rows[-1].append("\n".join(self._cell))
            self._cell = []
        elif element.name == "table":
            self._end_table()

    def _end_table(self) -> None:
        self._n_tables = max(self._n_tables - 1, 0)
        if self._n_tables:
            return
        rows = tuple(tuple(row) for row in self._rows if row)
        rest = "\n".join(self._cell)
        self._rows, self._cell = [], []
        if rows:
            self.page.blocks.append(Block("\n".join(cell for row in rows for cell in row), rows=rows))
        if rest:
            self.page.blocks.append(Block(rest))

    def _flush(self) -> None:
        text = "".join(self._line)
        self._line = []
        text = text.strip("\n") if self._n_verbatim else _BLANKS.sub(" ", text).strip()
        if not text.strip():
            return
        if self._n_tables:
            self._cell.append(text)
        elif self._heading is not None:
            level, anchor = self._heading
            self.page.blocks.append(Block(text, level, anchor))
        else:
            self.page.blocks.append(Block(text))
