"""Notion's export as "Markdown & CSV": files named 'Title 0123…ef.md', properties as 'Name: value' below the title."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from urllib.parse import unquote

from features.intake_checks import cleaned
from features.runbook_sources.base import MAX_FILE_BYTES, FoundRunbook, RejectedPage
from features.runbook_sources.document import Page, to_runbook
from features.runbook_sources.links import whole_links
from features.runbook_sources.markdown import runbook_id
from features.runbook_sources.markdown_text import read_markdown
from features.runbook_sources.page_files import PageFiles, read_text
from features.runbooks import Runbook

SITE = "https://www.notion.so"
NAMED_BY_ID = re.compile(r"(?:^|[ _-])([0-9a-f]{32})\Z")
"""The end of a file's name, without suffix."""


class NotionSource:
    """Every page of an export. Databases' CSV files are passed over: their rows are pages too.

    Parameters
    ----------
    files : PageFiles
    base_url : str, optional
        Address of the site where the pages are; Notion's own by default, which finds any page by its id.
    """

    def __init__(self, files: PageFiles, *, base_url: str | None = None) -> None:
        self._files = files
        self._site = (base_url or SITE).rstrip("/")

    def pages(self) -> Iterator[FoundRunbook | RejectedPage]:
        """Read the files; see :meth:`features.runbook_sources.base.RunbookSource.pages`."""
        for name in self._files.names:
            if not name.lower().endswith(".md"):
                continue
            try:
                yield FoundRunbook(name, self._runbook(name, read_text(self._files, name, MAX_FILE_BYTES)))
            except ValueError as error:
                yield RejectedPage(name, str(error), self.ids_of(name))

    def ids_of(self, name: str) -> tuple[str, ...]:
        """Notion's id, or the path as one; see :meth:`features.runbook_sources.base.RunbookSource.ids_of`."""
        path = PurePosixPath(cleaned(name))
        found = _page_id(path) or runbook_id(path)
        return (found,) if found and path.suffix.lower() == ".md" else ()

    def _runbook(self, name: str, text: str) -> Runbook:
        path = PurePosixPath(cleaned(name))
        page_id = _page_id(path)
        blocks, targets = read_markdown(text.replace("\r\n", "\n"))
        return to_runbook(
            Page(
                id=page_id or runbook_id(path),
                name=NAMED_BY_ID.sub("", path.stem).strip() or path.stem,
                url=f"{self._site}/{page_id}" if page_id else None,
                blocks=blocks,
                links=tuple(whole_links(self._addresses(targets))),
            )
        )

    def _addresses(self, targets: Iterable[str]) -> Iterator[str]:
        """Pages and databases by their address; attachments have none."""
        for target in targets:
            path, hash_mark, fragment = target.partition("#")
            if "://" in target or target.startswith(("#", "mailto:")):
                yield target
            elif page_id := _page_id(PurePosixPath(unquote(path))):
                yield f"{self._site}/{page_id}{hash_mark}{fragment}"


def _page_id(path: PurePosixPath) -> str | None:
    match = NAMED_BY_ID.search(path.stem.removesuffix("_all"))
    return match.group(1) if match and path.suffix.lower() in (".md", ".csv") else None
