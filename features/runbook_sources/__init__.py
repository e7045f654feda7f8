"""Readers of runbook libraries, one contract: Markdown, and what Confluence and Notion export."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from features.errors import InvalidTicket, SourceUnreadable
from features.intake_checks import checked_url, cleaned
from features.runbook_sources.base import RejectedPage, RunbookSource
from features.runbook_sources.page_files import PageFiles, open_files, read_bounded
from features.runbooks import RunbookImport, slug

KINDS = ("markdown", "confluence", "notion")
_PEEKED_PAGES = 20
_PEEKED_BYTES = 1_000_000


def import_runbooks(source: str, *, kind: str | None = None, base_url: str | None = None) -> RunbookImport:
    """Read a library by its path or URL.

    Parameters
    ----------
    source : str
        Path of a folder or zip archive; or a URL as for :func:`features.runbook_sources.fetch.fetched`.
    kind, base_url : str, optional
        As for :func:`read_runbooks`. The base URL of Markdown in a git checkout is told by its remote.

    Raises
    ------
    SourceUnreadable
        As for :func:`read_runbooks`; or if the URL cannot be fetched, or the base URL is no address of the web.
    """
    from features.runbook_sources.fetch import fetched, is_url, shown

    _check_base_url(base_url)
    if not is_url(source):
        return _read_at_home(Path(source), kind, base_url)
    with fetched(source) as path:
        try:
            return _read_at_home(path, kind, base_url)
        except SourceUnreadable as error:
            raise SourceUnreadable(error.message.replace(str(path), shown(source))) from None


def _check_base_url(base_url: str | None) -> None:
    try:
        checked_url(base_url)
    except InvalidTicket:
        raise SourceUnreadable(
            f"The base URL {base_url!r} is not an address of the web; give one that begins with https://."
        ) from None


def _read_at_home(path: Path, kind: str | None, base_url: str | None) -> RunbookImport:
    """Read a library; where it says not where it is published, its git remote may."""
    from features.runbook_sources.repository import web_address

    address = web_address(path) if base_url is None and path.is_dir() and _is_markdown(path, kind) else None
    if address is None:
        return read_runbooks(path, kind=kind, base_url=base_url)
    return read_runbooks(path, kind=kind, base_url=address.folder, root_url=address.root)


def _is_markdown(path: Path, kind: str | None) -> bool:
    with open_files(path) as files:
        return (kind or detect_kind(files, path)) == "markdown"


def read_runbooks(
    path: Path, *, kind: str | None = None, base_url: str | None = None, root_url: str | None = None
) -> RunbookImport:
    """Read a library of runbooks.

    Parameters
    ----------
    path : Path
        A folder or a zip archive.
    kind : {"markdown", "confluence", "notion"}, optional
        Told by what is there, where none is given.
    base_url : str, optional
        Address of the library; makes the addresses of runbooks, and the links in them, whole.
    root_url : str, optional
        For Markdown: what links that begin with a slash are relative to, where that is not the site.

    Raises
    ------
    SourceUnreadable
        If there is nothing at the path, no kind of library is there, or an archive or an export breaks off.
    """
    with open_files(path) as files:
        source_kind = kind or detect_kind(files, path)
        result = RunbookImport(source_kind, rejected=list(files.refused))
        origin: dict[str, str] = {}
        library = open_source(source_kind, files, base_url, root_url)
        for name, _ in files.refused:
            if name.endswith("/"):
                result.rejected_folders.add(f"{slug(name)}-")
            result.rejected_ids.update(library.ids_of(name))
        for page in library.pages():
            name = cleaned(page.path)
            if isinstance(page, RejectedPage):
                result.rejected.append((name, page.reason))
                result.rejected_ids.update(page.ids)
            elif page.runbook.id in origin:
                taken = origin[page.runbook.id]
                reason = f"its id {page.runbook.id!r} is that of {taken}; give it an id in front matter"
                result.rejected.append((name, reason))
                result.rejected_ids.update(library.ids_of(page.path))
            else:
                origin[page.runbook.id] = name
                result.runbooks.append(page.runbook)
    if not result.runbooks and not result.rejected:
        raise SourceUnreadable(f"{path} holds no page of {source_kind} runbooks; check the path and --source.")
    return result


def detect_kind(files: PageFiles, path: Path) -> str:
    """Tell what kind of library is there.

    Raises
    ------
    SourceUnreadable
        If none of :data:`KINDS` is.
    """
    from features.runbook_sources.confluence_html import ATTACHMENTS, BODY_ID, html_page_id
    from features.runbook_sources.confluence_xml import ENTITIES
    from features.runbook_sources.markdown import SUFFIXES
    from features.runbook_sources.notion import NAMED_BY_ID

    paths = [PurePosixPath(name) for name in files.names]
    if any(each.name == ENTITIES for each in paths):
        return "confluence"
    markdown = [each for each in paths if each.suffix.lower() in SUFFIXES]
    html = [name for name in files.names if html_page_id(name)]
    n_own = sum(ATTACHMENTS not in each.parts for each in markdown)
    if len(html) > n_own and any(BODY_ID.encode() in _peek(files, name) for name in html[:_PEEKED_PAGES]):
        return "confluence"
    if markdown:
        n_notion = sum(NAMED_BY_ID.search(each.stem) is not None for each in markdown)
        return "notion" if 2 * n_notion > len(markdown) else "markdown"
    raise SourceUnreadable(
        f"{path} holds neither Markdown files (*.md) nor an export of Confluence or Notion; give the folder or zip "
        "archive that does."
    )


def _peek(files: PageFiles, name: str) -> bytes:
    try:
        return read_bounded(files, name, _PEEKED_BYTES)
    except ValueError:
        return b""


def open_source(kind: str, files: PageFiles, base_url: str | None, root_url: str | None) -> RunbookSource:
    """Open a library for reading; parameters as for :func:`read_runbooks`.

    Raises
    ------
    SourceUnreadable
        If the kind is unknown.
    """
    from features.runbook_sources.confluence_html import ConfluenceHtmlSource
    from features.runbook_sources.confluence_xml import ENTITIES, ConfluenceXmlSource
    from features.runbook_sources.markdown import MarkdownSource
    from features.runbook_sources.notion import NotionSource

    if kind == "markdown":
        return MarkdownSource(files, base_url=base_url, root_url=root_url)
    if kind == "notion":
        return NotionSource(files, base_url=base_url)
    if kind != "confluence":
        raise SourceUnreadable(f"There is no source {kind!r} of runbooks; choose one of {', '.join(KINDS)}.")
    is_xml = any(PurePosixPath(name).name == ENTITIES for name in files.names)
    return (ConfluenceXmlSource if is_xml else ConfluenceHtmlSource)(files, base_url=base_url)
