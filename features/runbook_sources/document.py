"""From the blocks of a page, whatever its markup, to a runbook."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from features.errors import InvalidTicket
from features.intake_checks import checked_url, cleaned
from features.runbook_sources.fields import NO_FIELDS, PageFields, fields_of, split_field_line
from features.runbooks import Runbook, RunbookSection

_COLONS = " :\N{FULLWIDTH COLON}"
_TABLE_HEADS = {("field", "value"), ("property", "value"), ("name", "value"), ("key", "value")}


@dataclass(frozen=True, slots=True)
class Block:
    """A heading, a paragraph, a line of a list, a listing or a table.

    Attributes
    ----------
    level : int
        1 to 6 for a heading, 0 for text.
    anchor : str or None
        Fragment of a heading in the rendered page; None where it is made of the heading's words, as GitHub does.
    rows : tuple of tuple of str
        Cells of a table, whose ``text`` holds the same.
    """

    text: str
    level: int = 0
    anchor: str | None = None
    rows: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A page as a reader found it.

    Attributes
    ----------
    title : str or None
        None takes the first heading, where it can be one, and else ``name``.
    repeats_title : bool
        Whether the first heading, where it can be a title, is one even if it reads differently from ``title``.
    fields : PageFields
        Of front matter or the like: go before what the text says.
    metadata : PageFields
        Of the tool that keeps the page: stand in where the text says nothing.
    links : tuple of str
        Whole where that was possible.
    """

    id: str
    name: str
    blocks: Sequence[Block]
    title: str | None = None
    repeats_title: bool = True
    url: str | None = None
    fields: PageFields = NO_FIELDS
    metadata: PageFields = NO_FIELDS
    links: tuple[str, ...] = ()


def to_runbook(page: Page) -> Runbook:
    """Make the runbook of a page.

    Raises
    ------
    ValueError
        If the page has no text or no id, or its address is none of the web.
    """
    if not page.id:
        raise ValueError("it has no id: neither its name nor its front matter holds a letter or digit")
    heading, start, blocks = _take_title(page)
    said, blocks = _take_fields(blocks, start)
    sections = tuple(section for section in _sections(blocks) if section.text or section.heading)
    if not any(section.text for section in sections):
        raise ValueError("it has no text below its headings")
    found = page.fields.or_else(said).or_else(page.metadata)
    return Runbook(
        id=page.id,
        title=page.title or heading or page.name,
        url=_url(page.url),
        services=found.services,
        owner=found.owner,
        severity=found.severity,
        last_reviewed=found.review,
        tags=found.tags,
        links=tuple(dict.fromkeys(page.links)),
        sections=sections,
    )


def _take_title(page: Page) -> tuple[str, int, list[Block]]:
    """Take the first heading as the title if it is an H1, stands alone on its level, or says the title again.

    The text below it is a section without a heading; its block stays, as that section's anchor.

    Returns
    -------
    title : str
    start : int
        Number of the first block below the title.
    blocks : list of Block
    """
    kept = list(page.blocks)
    levels = [block.level for block in kept if block.level]
    if not levels:
        return "", 0, kept
    position = next(number for number, block in enumerate(kept) if block.level)
    first = kept[position]
    can_be_title = levels[0] == 1 or (levels[0] == min(levels) and levels.count(levels[0]) == 1)
    if first.text == page.title or (can_be_title and page.repeats_title):
        anchor = _github_anchor(first.text) if first.anchor is None else first.anchor
        kept[position] = replace(first, text="", anchor=anchor)
        return first.text, position + 1, kept
    return "", 0, kept


def _take_fields(blocks: list[Block], start: int) -> tuple[PageFields, list[Block]]:
    """Take what stands as 'Name: value', or in a table, right below the title; what is understood is no text."""
    pairs: list[tuple[str, str]] = []
    end = start
    for block in blocks[start:]:
        of_block = _pairs(block)
        if block.level or of_block is None:
            break
        pairs += of_block
        end += 1
    found, names = fields_of(pairs)
    kept = [rest for block in blocks[start:end] for rest in _without(block, names)]
    return found, [*blocks[:start], *kept, *blocks[end:]]


def _pairs(block: Block) -> list[tuple[str, str]] | None:
    """Names and values of a block that is made of them, none for a blank one; None for any other."""
    if block.rows:
        return _table_pairs(block.rows)
    pairs = [split_field_line(line) for line in block.text.splitlines() if line.strip()]
    return None if None in pairs else [pair for pair in pairs if pair is not None]


def _table_pairs(rows: tuple[tuple[str, ...], ...]) -> list[tuple[str, str]] | None:
    across = list(zip(*rows, strict=True)) if len(rows) == 2 and len(rows[0]) == len(rows[1]) else []
    if across and all(name in fields_of(across)[1] for name, _ in across):
        return across
    if all(len(row) == 2 for row in rows):
        down = [(row[0].rstrip(_COLONS), row[1]) for row in rows if _is_told(row)]
        if fields_of(down)[1]:
            return down
    return across if fields_of(across)[1] else None


def _is_told(row: tuple[str, ...]) -> bool:
    return any(row) and tuple(cell.casefold() for cell in row) not in _TABLE_HEADS


def _without(block: Block, names: frozenset[str]) -> Iterator[Block]:
    pairs = _pairs(block) or []
    if not any(name in names for name, _ in pairs):
        yield block
    elif not all(name in names for name, _ in pairs):
        lines = [f"{name}: {value}".strip() for name, value in pairs if name not in names]
        yield Block("\n".join(lines))


def _sections(blocks: Sequence[Block]) -> Iterator[RunbookSection]:
    heading, anchor, lines = "", "", list[str]()
    seen: dict[str, int] = {}
    for block in blocks:
        if not block.level:
            lines.append(block.text)
            continue
        yield RunbookSection(heading, cleaned("\n".join(lines)).strip(), anchor)
        heading, lines = cleaned(block.text), []
        anchor = _numbered(block.anchor if block.anchor is not None else _github_anchor(block.text), seen)
    yield RunbookSection(heading, cleaned("\n".join(lines)).strip(), anchor)


def _github_anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _numbered(anchor: str, seen: dict[str, int]) -> str:
    count = seen.get(anchor, 0)
    seen[anchor] = count + 1
    return f"{anchor}-{count}" if count and anchor else anchor


def _url(value: str | None) -> str | None:
    try:
        return checked_url(value)
    except InvalidTicket as error:
        raise ValueError(f"its {error.message}") from None
