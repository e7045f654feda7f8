"""Runbooks: Markdown files, with or without front matter, read into titled sections.

A section is what a person starts with, so it is the unit that the runbook index scores
(:mod:`features.runbook_index`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path, PurePath
from typing import Any

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token

from features.errors import InvalidTicket, SourceUnreadable
from features.intake_checks import checked_url, cleaned

MAX_FILE_BYTES = 1_000_000
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n?^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_NOT_SLUG = re.compile(r"[\W_]+")
_MARKDOWN = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True, slots=True)
class RunbookSection:
    """A heading and the text below it, up to the next heading.

    Text that stands above the first heading, or directly below the title, is a section whose heading is empty.
    ``anchor`` is the heading's fragment in a rendered page, as GitHub makes it.
    """

    heading: str
    text: str
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Runbook:
    """A procedure to follow, with its sections in the order of the file."""

    id: str
    title: str
    url: str | None = None
    services: tuple[str, ...] = ()
    owner: str | None = None
    severity: str | None = None
    last_reviewed: date | None = None
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    sections: tuple[RunbookSection, ...] = ()


@dataclass(frozen=True, slots=True)
class RunbookImport:
    """What a folder gave: runbooks by id, and the files left out as (path inside the folder, reason)."""

    runbooks: list[Runbook] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def read_runbooks(folder: Path, *, base_url: str | None = None) -> RunbookImport:
    """Read every ``*.md`` below a folder; hidden files and folders are passed over.

    Parameters
    ----------
    folder : Path
        Where the Markdown files are.
    base_url : str, optional
        Address of the folder; a runbook whose front matter has no ``url`` gets it plus its path.

    Raises
    ------
    SourceUnreadable
        If the folder does not exist.
    """
    if not folder.is_dir():
        raise SourceUnreadable(
            f"The runbook folder {folder} does not exist; give the folder that holds the *.md files."
        )
    result = RunbookImport()
    origin: dict[str, str] = {}
    for path in sorted(folder.rglob("*.md")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        name = cleaned(relative.as_posix())
        try:
            runbook = parse_runbook(_read_text(path), relative, base_url=base_url)
        except (ValueError, OSError) as error:
            result.rejected.append((name, str(error)))
            continue
        if runbook.id in origin:
            taken = origin[runbook.id]
            result.rejected.append((name, f"its id {runbook.id!r} is that of {taken}; give it an id in front matter"))
            continue
        origin[runbook.id] = name
        result.runbooks.append(runbook)
    return result


def parse_runbook(markdown: str, path: PurePath, *, base_url: str | None = None) -> Runbook:
    """Read one file's text.

    Parameters
    ----------
    markdown : str
        The whole file.
    path : PurePath
        Its path inside the runbook folder; gives the id, and the title, where the file does not.
    base_url : str, optional
        As in :func:`read_runbooks`.

    Raises
    ------
    ValueError
        If the front matter is not a YAML mapping or has a wrong value, the address is none of the web, or the file
        has no text.

    Examples
    --------
    >>> runbook = parse_runbook("# Sync stalls\\n\\n## Check\\nLook at the queue.", PurePath("sync/stall.md"))
    >>> runbook.id, runbook.title, runbook.sections[0].heading, runbook.sections[0].text
    ('sync-stall', 'Sync stalls', 'Check', 'Look at the queue.')
    """
    head, body = _split_front_matter(markdown.removeprefix("\ufeff").replace("\r\n", "\n"))
    tokens = _MARKDOWN.parse(body)
    title, sections = _take_title(list(_sections(tokens)))
    if not any(section.text for section in sections):
        raise ValueError("it has no text below its headings")
    # A file's name may hold bytes that are no UTF-8, which Python keeps as halves of surrogate pairs.
    path = PurePath(cleaned(path.as_posix()))
    return Runbook(
        id=_scalar(head, "id") or runbook_id(path),
        title=_scalar(head, "title") or title or path.stem.replace("-", " ").replace("_", " "),
        url=_url(_scalar(head, "url") or (f"{base_url.rstrip('/')}/{path.as_posix()}" if base_url else None)),
        services=_several(head, "services") or _several(head, "service"),
        owner=_scalar(head, "owner"),
        severity=_scalar(head, "severity"),
        last_reviewed=_date(head, "last_reviewed"),
        tags=_several(head, "tags"),
        links=tuple(dict.fromkeys(_links(tokens))),
        sections=sections,
    )


def runbook_id(path: PurePath) -> str:
    """Id of a runbook that names none: its path without ``.md``, as a slug.

    >>> runbook_id(PurePath("Sync/Queue_Stalls.md"))
    'sync-queue-stalls'
    """
    return slug(path.with_suffix("").as_posix())


def slug(text: str) -> str:
    """Lower case, with a hyphen for every run of other characters than letters and digits."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")


def _read_text(path: Path) -> str:
    if (size := path.stat().st_size) > MAX_FILE_BYTES:
        raise ValueError(f"it has {size} bytes, more than {MAX_FILE_BYTES}")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from None


def _split_front_matter(text: str) -> tuple[Mapping[str, Any], str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    try:
        head = yaml.safe_load(match.group(1)) or {}
    except yaml.YAMLError as error:
        raise ValueError(f"its front matter is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("its front matter is nested too deep") from None
    if not isinstance(head, dict):
        raise ValueError("its front matter is not a mapping of names to values")
    return head, text[match.end() :]


def _sections(tokens: list[Token]) -> Iterator[tuple[int, RunbookSection]]:
    """Yield (heading level, section); the text above the first heading has level 0."""
    level, heading, lines = 0, "", list[str]()
    seen: dict[str, int] = {}
    for position, token in enumerate(tokens):
        if token.type == "heading_open":
            yield level, RunbookSection(heading, "\n".join(lines).strip(), _anchor(heading, seen))
            level, heading, lines = int(token.tag[1:]), _plain(tokens[position + 1]), []
        elif token.type == "inline" and tokens[position - 1].type != "heading_open":
            lines.append(_plain(token))
        elif token.type in {"fence", "code_block"}:
            lines.append(token.content.rstrip("\n"))
    yield level, RunbookSection(heading, "\n".join(lines).strip(), _anchor(heading, seen))


def _take_title(leveled: list[tuple[int, RunbookSection]]) -> tuple[str, tuple[RunbookSection, ...]]:
    """Take the first heading as the title if it is an H1 or stands alone on its level; its text stays a section."""
    levels = [level for level, _ in leveled if level]
    sections = [section for _, section in leveled]
    title = ""
    if levels and (levels[0] == 1 or (levels[0] == min(levels) and levels.count(levels[0]) == 1)):
        position = next(i for i, (level, _) in enumerate(leveled) if level)
        title = sections[position].heading
        sections[position] = replace(sections[position], heading="")
    return title, tuple(section for section in sections if section.text or section.heading)


def _anchor(heading: str, seen: dict[str, int]) -> str:
    base = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
    count = seen.get(base, 0)
    seen[base] = count + 1
    return f"{base}-{count}" if count and base else base


def _plain(inline: Token) -> str:
    parts = []
    for child in inline.children or []:
        if child.type in {"softbreak", "hardbreak"}:
            parts.append("\n")
        elif child.type in {"text", "code_inline", "image"}:
            parts.append(child.content)
    return "".join(parts).strip()


def _links(tokens: list[Token]) -> Iterator[str]:
    for token in tokens:
        for child in token.children or []:
            if child.type == "link_open" and (target := child.attrGet("href")):
                yield str(target)


def _scalar(head: Mapping[str, Any], name: str) -> str | None:
    value = head.get(name)
    if value is None:
        return None
    if isinstance(value, dict | list):
        raise ValueError(f"its front matter has {name} as a {type(value).__name__}; one value is needed")
    return cleaned(str(value)).strip() or None


def _url(value: str | None) -> str | None:
    try:
        return checked_url(value)
    except InvalidTicket as error:
        raise ValueError(f"its {error.message}") from None


def _several(head: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = head.get(name)
    if value is None:
        return ()
    values = value if isinstance(value, list) else str(value).split(",")
    if any(isinstance(item, dict | list) for item in values):
        raise ValueError(f"its front matter has {name} nested; a plain list is needed")
    return tuple(text for item in values if (text := cleaned(str(item)).strip()))


def _date(head: Mapping[str, Any], name: str) -> date | None:
    value = head.get(name)
    if isinstance(value, datetime):
        return value.date()
    if value is None or isinstance(value, date):
        return value
    try:
        return date.fromisoformat(str(value).strip())
    except ValueError:
        raise ValueError(f"its front matter has {name} {value!r}; a date as 2026-01-31 is needed") from None
