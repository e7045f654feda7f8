"""A Confluence space, exported as XML: all pages in ``entities.xml``, each in Confluence's storage format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from features.errors import SourceUnreadable
from features.runbook_sources.base import MAX_FILE_BYTES, FoundRunbook, RejectedPage
from features.runbook_sources.confluence_entities import Entity, read_entities
from features.runbook_sources.confluence_html import page_url
from features.runbook_sources.document import Page, to_runbook
from features.runbook_sources.fields import PageFields, read_date
from features.runbook_sources.html_blocks import BODY, SKIP, Dialect, read_html
from features.runbook_sources.html_tokens import StartTag
from features.runbook_sources.links import whole_links
from features.runbook_sources.page_files import PageFiles
from features.runbooks import Runbook

ENTITIES = "entities.xml"

_ABOUT = frozenset({"Page", "Space", "Label", "Labelling", "ConfluenceUserImpl"})
_ACCOUNT_ID = re.compile(r"[0-9a-f:-]{20,}|\d+")
# Inside the export's own CDATA, Confluence breaks up the end of a page's CDATA.
_BROKEN_CDATA_END = re.compile(r"\]\] >(?=\s*</ac:plain-text)")
_NOT_READ = {
    "ac:adf-attribute", "ac:adf-fallback", "ac:emoticon", "ac:image", "ac:placeholder", "ac:task-id", "ac:task-status",
    "ac:task-uuid",
}  # fmt: skip
_LISTINGS = {"attachments", "children", "contributors", "livesearch", "pagetree", "recently-updated", "toc"}
_INLINE = frozenset(
    {"ac:emoticon", "ac:image", "ac:inline-comment-marker", "ac:link", "ac:link-body", "ac:plain-text-link-body"}
    | {
        f"ri:{name}"
        for name in ("attachment", "blog-post", "content-entity", "page", "shortcut", "space", "url", "user")
    }
)


@dataclass(slots=True)
class _Space:
    """What is known of the pages before their text is read, all by id."""

    pages: dict[str, Entity] = field(default_factory=dict)
    page_of_body: dict[str, str] = field(default_factory=dict)
    page_of_title: dict[str, str] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    labels_of: dict[str, list[str]] = field(default_factory=dict)


class ConfluenceXmlSource:
    """The current version of every page; drafts, former versions, blog posts and comments are passed over.

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
        """Read the export twice: what pages there are, then their texts.

        See :meth:`features.runbook_sources.base.RunbookSource.pages`.
        """
        space = _Space()
        for entity in self._entities(_ABOUT):
            _note(space, entity)
        space.page_of_title = {page.texts.get("title", ""): page.id for page in space.pages.values()}
        without_text = dict(space.pages)
        for body in self._entities(frozenset({"BodyContent"})):
            page_id = body.points_to("content") or space.page_of_body.get(body.id, "")
            page = without_text.pop(page_id, None)
            if page is not None:
                yield self._read(space, page, body)
        for page in without_text.values():
            yield _rejected(page, "it has no text")

    def ids_of(self, name: str) -> tuple[str, ...]:  # noqa: ARG002
        """None: all pages are in one file; see :meth:`features.runbook_sources.base.RunbookSource.ids_of`."""
        return ()

    def _entities(self, kinds: frozenset[str]) -> Iterator[Entity]:
        name = next((name for name in self._files.names if name.rpartition("/")[2] == ENTITIES), None)
        if name is None:
            raise SourceUnreadable(f"The export holds no {ENTITIES}; export the space as XML.")
        try:
            file = self._files.open(name)
        except ValueError as error:
            raise SourceUnreadable(f"The export's {ENTITIES} cannot be read: {error}.") from None
        with file:
            yield from read_entities(file, kinds, MAX_FILE_BYTES)

    def _read(self, space: _Space, page: Entity, body: Entity) -> FoundRunbook | RejectedPage:
        self._files.budget.take_page(len(body.texts.get("body", "")))
        if body.has_cut_text:
            return _rejected(page, f"it has more than {MAX_FILE_BYTES} characters")
        try:
            return FoundRunbook(_place(page), self._runbook(space, page, body.texts.get("body", "")))
        except ValueError as error:
            return _rejected(page, str(error))

    def _runbook(self, space: _Space, page: Entity, body: str) -> Runbook:
        def link_of(tag: StartTag, parent: Mapping[str, str]) -> tuple[str | None, str] | None:
            if tag.name != "ri:page":
                return None
            target, title = self._link(space, tag)
            anchor = parent.get("ac:anchor")
            return (f"{target}#{quote(anchor)}" if target and anchor else target), title

        dialect = Dialect(_region, BODY, link_of, _INLINE, frozenset({"ac:plain-text-body"}))
        read = read_html(_BROKEN_CDATA_END.sub("]]>", body), dialect)
        url = page_url(self._base_url, page.id)
        labels = (space.labels.get(label) for label in space.labels_of.get(page.id, ()))
        return to_runbook(
            Page(
                id=page.id,
                name=page.id,
                title=page.texts.get("title") or None,
                repeats_title=False,
                url=url,
                blocks=read.blocks,
                metadata=PageFields(
                    owner=space.users.get(page.points_to("creator") or ""),
                    last_changed=read_date(page.texts.get("lastModificationDate", "")),
                    tags=tuple(label for label in labels if label),
                ),
                links=tuple(whole_links(read.links, url)),
            )
        )

    def _link(self, space: _Space, tag: StartTag) -> tuple[str | None, str]:
        """Where a link to a page leads, and the page's title."""
        title, key = (tag.attributes.get(f"ri:{name}", "") for name in ("content-title", "space-key"))
        if self._base_url is None:
            return None, title
        if (not key or key in space.keys.values()) and title in space.page_of_title:
            return page_url(self._base_url, space.page_of_title[title]), title
        return (f"{self._base_url.rstrip('/')}/display/{quote(key)}/{quote(title)}" if key and title else None), title


def _note(space: _Space, entity: Entity) -> None:
    texts = entity.texts
    match entity.kind:
        case "Page":
            is_former = entity.ids.get("originalVersion") or texts.get("originalVersionId")
            if entity.id and not is_former and texts.get("contentStatus", "current") == "current":
                space.pages[entity.id] = entity
                space.page_of_body |= dict.fromkeys(entity.ids.get("bodyContents", ()), entity.id)
        case "Space":
            space.keys[entity.id] = texts.get("key", "")
        case "Label" if texts.get("namespace", "global") == "global":
            space.labels[entity.id] = texts.get("name", "")
        case "Labelling":
            content, label = entity.points_to("content"), entity.points_to("label")
            if content and label:
                space.labels_of.setdefault(content, []).append(label)
        case "ConfluenceUserImpl":
            name = texts.get("fullName") or texts.get("name", "")
            if name and not _ACCOUNT_ID.fullmatch(name):
                space.users[entity.id] = name


def _region(tag: StartTag) -> str | None:
    name = tag.attributes.get("ac:name", "")
    if tag.name in _NOT_READ or (tag.name == "ac:parameter" and name != "title"):
        return SKIP
    return SKIP if tag.name in ("ac:structured-macro", "ac:macro") and name in _LISTINGS else None


def _rejected(page: Entity, reason: str) -> RejectedPage:
    return RejectedPage(_place(page), reason, (page.id,))


def _place(page: Entity) -> str:
    return f"{ENTITIES}: page {page.id}"
