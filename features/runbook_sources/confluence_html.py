"""A Confluence space, exported as HTML: one file a page, named 'Title_ID.html' or 'ID.html'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from features.runbook_sources.base import MAX_FILE_BYTES, FoundRunbook, RejectedPage
from features.runbook_sources.document import Page, to_runbook
from features.runbook_sources.fields import PageFields, read_date
from features.runbook_sources.html_blocks import BODY, SKIP, Dialect, HtmlPage, read_html
from features.runbook_sources.html_tokens import StartTag
from features.runbook_sources.links import whole_links
from features.runbook_sources.page_files import PageFiles, read_text
from features.runbooks import Runbook

BODY_ID = "main-content"
"""The id of the element that holds a page's text."""
ATTACHMENTS = "attachments"
"""The folder of the files that are attached to pages."""
_PAGE_NAME = re.compile(r"(?:^|_)(\d+)\.html\Z")
_LISTINGS = {"toc-macro", "childpages-macro", "plugin_pagetree", "aui-icon", "expand-control-icon"}
_BLANKS = re.compile(r"\s+")


class ConfluenceHtmlSource:
    """Every page of an export; its index and what is attached to pages are passed over.

    Parameters
    ----------
    files : PageFiles
    base_url : str, optional
        Address of the site (``https://team.atlassian.net/wiki``); gives each page its address there.
    """

    def __init__(self, files: PageFiles, *, base_url: str | None = None) -> None:
        self._files = files
        self._base_url = base_url

    def pages(self) -> Iterator[FoundRunbook | RejectedPage]:
        """Read the files; see :meth:`features.runbook_sources.base.RunbookSource.pages`."""
        for name in self._files.names:
            page_id = html_page_id(name)
            if page_id is None:
                continue
            try:
                text = read_text(self._files, name, MAX_FILE_BYTES)
                yield FoundRunbook(name, self._runbook(page_id, PurePosixPath(name), text))
            except ValueError as error:
                yield RejectedPage(name, str(error), (page_id,))

    def ids_of(self, name: str) -> tuple[str, ...]:
        """The page's id; see :meth:`features.runbook_sources.base.RunbookSource.ids_of`."""
        page_id = html_page_id(name)
        return () if page_id is None else (page_id,)

    def _runbook(self, page_id: str, path: PurePosixPath, text: str) -> Runbook:
        page = read_html(text, _DIALECT)
        return to_runbook(
            Page(
                id=page_id,
                name=_PAGE_NAME.sub("", path.name).replace("-", " ").strip() or page_id,
                title=_title(page),
                repeats_title=False,
                url=page_url(self._base_url, page_id),
                blocks=page.blocks,
                metadata=_metadata(page),
                links=tuple(whole_links(self._addresses(page.links), self._base_url)),
            )
        )

    def _addresses(self, targets: Iterable[str]) -> Iterator[str]:
        for target in targets:
            path, hash_mark, fragment = target.partition("#")
            other = None if "://" in target else html_page_id(path)
            if other is not None and self._base_url is not None:
                yield f"{page_url(self._base_url, other)}{hash_mark}{fragment}"
            elif not path.startswith(f"{ATTACHMENTS}/"):
                yield target


def html_page_id(name: str) -> str | None:
    """The id in a file's name; None for what is no page."""
    path = PurePosixPath(name)
    match = _PAGE_NAME.search(path.name)
    return match.group(1) if match and ATTACHMENTS not in path.parts else None


def page_url(base_url: str | None, page_id: str) -> str | None:
    """Address of a page, in the form that every Confluence understands."""
    return None if base_url is None else f"{base_url.rstrip('/')}/pages/viewpage.action?pageId={page_id}"


def _region(tag: StartTag) -> str | None:
    classes = tag.attributes.get("class", "").split()
    if not _LISTINGS.isdisjoint(classes):
        return SKIP
    if tag.attributes.get("id") == BODY_ID:
        return BODY
    if tag.attributes.get("id") == "title-text":
        return "title"
    if tag.name == "li" and "first" in classes:
        return "space"
    return next((name for name in ("page-metadata", "author", "aui-label") if name in classes), None)


_DIALECT = Dialect(_region)


def _title(page: HtmlPage) -> str | None:
    """The page's title, which the export writes as 'Space : Title'."""
    title, space = (_BLANKS.sub(" ", " ".join(page.regions[name][:1])).strip() for name in ("title", "space"))
    return title.removeprefix(f"{space} : ").strip() or None


def _metadata(page: HtmlPage) -> PageFields:
    authors, labels = (
        tuple(text for each in page.regions[name] if (text := _BLANKS.sub(" ", each).strip()))
        for name in ("author", "aui-label")
    )
    return PageFields(
        owner=authors[0] if authors else None,
        last_changed=read_date(_BLANKS.sub(" ", " ".join(page.regions["page-metadata"]))),
        tags=labels,
    )
