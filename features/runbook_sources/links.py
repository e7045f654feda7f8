"""Links of a page, made whole by the address of the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import urljoin, urlsplit

from features.errors import InvalidTicket
from features.intake_checks import checked_url, cleaned


def whole_links(targets: Iterable[str], page_url: str | None = None, root_url: str | None = None) -> Iterator[str]:
    """Links to other pages, in the order of the page.

    Addresses that no browser opens as a page (``mailto:``), and places on the page itself, are left out.

    Parameters
    ----------
    targets : iterable of str
        As they stand in the page.
    page_url : str, optional
        Address of the page; without one, relative links stay as they are.
    root_url : str, optional
        What a target that begins with a slash is relative to, where that is not the site.

    Examples
    --------
    >>> list(whole_links(["../b.md#check", "#here", "mailto:a@b.example"], "https://w.example/rb/x/a.md"))
    ['https://w.example/rb/b.md#check']
    """
    for target in targets:
        link = _whole(cleaned(target).strip(), page_url, root_url)
        if link:
            yield link


def _whole(target: str, page_url: str | None, root_url: str | None) -> str | None:
    if not target or target.startswith("#"):
        return None
    try:
        scheme = urlsplit(target).scheme
        if scheme or target.startswith("//"):
            return checked_url(target if scheme else f"https:{target}")
        if page_url is None:
            return target
        if target.startswith("/") and root_url is not None:
            return checked_url(root_url.rstrip("/") + target)
        return checked_url(urljoin(page_url, target))
    except (ValueError, InvalidTicket):
        return None
