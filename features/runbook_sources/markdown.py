"""Markdown files, with or without front matter."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

import yaml

from features.intake_checks import cleaned
from features.runbook_sources.base import MAX_FILE_BYTES, FoundRunbook, RejectedPage
from features.runbook_sources.document import Page, to_runbook
from features.runbook_sources.fields import PageFields
from features.runbook_sources.links import whole_links
from features.runbook_sources.markdown_text import read_markdown
from features.runbook_sources.page_files import PageFiles, read_some, read_text
from features.runbooks import Runbook, slug

SUFFIXES = (".md", ".markdown")
MAX_FRONT_MATTER_CHARS = 20_000
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n?^---[ \t]*$\n?", re.DOTALL | re.MULTILINE)
_ID_LINE = re.compile(r"^id[ \t]*:.*$", re.MULTILINE)


class MarkdownSource:
    """Every Markdown file of a folder or archive.

    Parameters
    ----------
    files : PageFiles
    base_url : str, optional
        Address of the folder; a runbook whose front matter has no ``url`` gets it plus its path.
    root_url : str, optional
        What links that begin with a slash are relative to, where that is not the site.
    """

    def __init__(self, files: PageFiles, *, base_url: str | None = None, root_url: str | None = None) -> None:
        self._files = files
        self._base_url = base_url
        self._root_url = root_url

    def pages(self) -> Iterator[FoundRunbook | RejectedPage]:
        """Read the files; see :meth:`features.runbook_sources.base.RunbookSource.pages`."""
        for name in self._files.names:
            if not name.lower().endswith(SUFFIXES):
                continue
            try:
                text = read_text(self._files, name, MAX_FILE_BYTES)
                runbook = parse_runbook(text, PurePath(name), base_url=self._base_url, root_url=self._root_url)
                yield FoundRunbook(name, runbook)
            except ValueError as error:
                yield RejectedPage(name, str(error), (*self._named_ids(name), *self.ids_of(name)))

    def ids_of(self, name: str) -> tuple[str, ...]:
        """The path as an id; see :meth:`features.runbook_sources.base.RunbookSource.ids_of`."""
        found = runbook_id(PurePath(cleaned(name)))
        return (found,) if found and name.lower().endswith(SUFFIXES) else ()

    def _named_ids(self, name: str) -> tuple[str, ...]:
        """The id that the front matter of a file names, whatever else is wrong with the file."""
        try:
            with self._files.open(name) as file:
                data = read_some(file, MAX_FRONT_MATTER_CHARS)
            self._files.budget.take_page(len(data))
            found = named_id(data.decode("utf-8-sig", "replace"))
        except ValueError:
            return ()
        return (found,) if found else ()


def parse_runbook(
    markdown: str, path: PurePath, *, base_url: str | None = None, root_url: str | None = None
) -> Runbook:
    """Read one file's text.

    Parameters
    ----------
    markdown : str
        The whole file.
    path : PurePath
        Its path inside the runbook folder; gives the id, and the title, where the file does not.
    base_url, root_url : str, optional
        As for :class:`MarkdownSource`.

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
    blocks, targets = read_markdown(body)
    # A file's name may hold bytes that are no UTF-8, which Python keeps as halves of surrogate pairs.
    path = PurePath(cleaned(path.as_posix()))
    published = f"{base_url.rstrip('/')}/{quote(path.as_posix())}" if base_url else None
    url = _scalar(head, "url") or published
    return to_runbook(
        Page(
            id=_scalar(head, "id") or runbook_id(path),
            name=path.stem.replace("-", " ").replace("_", " "),
            title=_scalar(head, "title"),
            url=url,
            blocks=blocks,
            fields=_fields(head),
            links=tuple(whole_links(targets, published or url, root_url)),
        )
    )


def runbook_id(path: PurePath) -> str:
    """Id of a runbook that names none: its path without ``.md``, as a slug.

    >>> runbook_id(PurePath("Sync/Queue_Stalls.md"))
    'sync-queue-stalls'
    """
    return slug(path.with_suffix("").as_posix())


def named_id(markdown: str) -> str | None:
    """The id that front matter names, even where the front matter cannot be read as a whole.

    Raises
    ------
    ValueError
        If the line of the id cannot be read either.

    Examples
    --------
    >>> named_id("---\\nid: rb-7 # kept\\ntags: [dns\\n---\\ntext")
    'rb-7'
    """
    text = markdown.replace("\r\n", "\n")
    line = _ID_LINE.search(text) if text.startswith("---") else None
    return None if line is None else _scalar(_split_front_matter(f"---\n{line.group()}\n---\n")[0], "id")


def _split_front_matter(text: str) -> tuple[Mapping[str, Any], str]:
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    if len(match.group(1)) > MAX_FRONT_MATTER_CHARS:
        raise ValueError(f"its front matter has more than {MAX_FRONT_MATTER_CHARS} characters")
    try:
        head = yaml.load(match.group(1), Loader=_Loader) or {}  # noqa: S506 (a SafeLoader that takes less)
    except yaml.YAMLError as error:
        raise ValueError(f"its front matter is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise ValueError("its front matter is nested too deep") from None
    except (ValueError, LookupError, AttributeError, TypeError, ArithmeticError) as error:
        # PyYAML's own constructors fail so on what only looks like a date or a number.
        raise ValueError(f"its front matter has a value that cannot be read ({error})") from None
    if not isinstance(head, dict):
        raise ValueError("its front matter is not a mapping of names to values")
    return head, text[match.end() :]


class _Loader(yaml.SafeLoader):
    """Takes no aliases: a few lines of them stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not taken, write the value out")
        return super().compose_node(parent, index)


def _fields(head: Mapping[str, Any]) -> PageFields:
    return PageFields(
        owner=_scalar(head, "owner"),
        services=_several(head, "services") or _several(head, "service"),
        severity=_scalar(head, "severity"),
        last_reviewed=_date(head, "last_reviewed"),
        tags=_several(head, "tags"),
    )


def _scalar(head: Mapping[str, Any], name: str) -> str | None:
    value = head.get(name)
    if value is None:
        return None
    if isinstance(value, dict | list | set | tuple):
        raise ValueError(f"its front matter has {name} as a {type(value).__name__}; one value is needed")
    return cleaned(str(value)).strip() or None


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
    text = str(value).strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"its front matter has {name} {text[:40]!r}; a date as 2026-01-31 is needed") from None
