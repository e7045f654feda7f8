"""What a case must be like to be stored: bounds, times, ids, addresses. Messages name the field and quote no text."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from features.errors import InvalidTicket
from features.ticket import Link, LinkType

MAX_SUBJECT_CHARS = 2_000
MAX_TEXT_CHARS = 1_000_000
"""Most characters of a description, a resolution, or one message."""
MAX_MESSAGES = 500
MAX_FIELDS = 64
MAX_FIELD_CHARS = 10_000
MAX_LABEL_CHARS = 255
"""Most characters of an id, a field's name, or a value to choose from (product, category and the like)."""
MAX_LINKS = 1_000
MAX_URL_CHARS = 2_048
FIRST_YEAR = 1970
"""Times before are marks for "none" (0001-01-01) or mistakes."""
CLOCKS_APART = timedelta(days=1)
"""How far ahead another system's clock may be. A time beyond has not happened: a mark for "none" or a mistake, which
would make every other ticket look old."""

INT64 = 2**63
# What no database stores: NUL, and halves of surrogate pairs.
_UNSTORABLE = {0: None} | dict.fromkeys(range(0xD800, 0xE000))


def cleaned(text: str) -> str:
    """Without NUL and lone surrogates, which no database stores."""
    # Nearly every text is clean, and finding that out is twenty times faster than translating it.
    if "\0" not in text and (text.isascii() or not _has_surrogates(text)):
        return text
    return text.translate(_UNSTORABLE)


def _has_surrogates(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def check_count(count: int, bound: int, field: str, unit: str) -> None:
    """Refuse more than a bound."""
    if count > bound:
        raise InvalidTicket(f"{field} has {count:,} {unit}, more than the {bound:,} allowed; shorten it.", field=field)


def checked_label(value: str | None, field: str) -> str | None:
    """A value to choose from, with its blanks evened out; None for a blank one."""
    if value is None:
        return None
    check_count(len(value), MAX_LABEL_CHARS, field, "characters")
    return " ".join(cleaned(value).split()) or None


def checked_name(name: str, field: str) -> str:
    """The name of an entry."""
    label = checked_label(name, field)
    if label is None:
        raise InvalidTicket(f"{field} has an entry without a name; name it or leave it out.", field=field)
    return label


def checked_id(value: str | None, field: str) -> str:
    """An id, as it is: a mark of another system is not ours to mend."""
    if value is None or not value.strip():
        raise InvalidTicket(f"{field} is missing; give the id that the ticketing system uses.", field=field)
    check_count(len(value), MAX_LABEL_CHARS, field, "characters")
    if not value.isprintable():
        raise InvalidTicket(
            f"{field} holds control characters; give the id as the ticketing system shows it.", field=field
        )
    return value


def checked_links(links: Iterable[Link], case_id: str) -> tuple[Link, ...]:
    """Links without repeats and without those from a case to itself."""
    found = tuple(links)
    check_count(len(found), MAX_LINKS, "links", "entries")
    for position, link in enumerate(found):
        checked_id(link.id, f"links.{position}.id")
    return tuple(dict.fromkeys(link for link in found if link.type is LinkType.RUNBOOK or link.id != case_id))


def checked_time(value: datetime | None, field: str) -> datetime | None:
    """A time in UTC."""
    if value is None:
        return None
    if value.tzinfo is None:
        raise InvalidTicket(f"{field} has no time zone; write it with one, as in 2026-01-31T09:00:00Z.", field=field)
    if value.year < FIRST_YEAR:
        raise InvalidTicket(
            f"{field} is in the year {value.year}; give one from {FIRST_YEAR} on, or none.", field=field
        )
    now = datetime.now(UTC)
    if value > now + CLOCKS_APART:
        raise InvalidTicket(
            f"{field} is {value.isoformat()}, which is yet to come (here it is {now:%Y-%m-%d %H:%M} UTC); give when it "
            "was, or none.",
            field=field,
        )
    return value if value.tzinfo is UTC else value.astimezone(UTC)


def checked_url(value: str | None) -> str | None:
    """The address without user and password; only what a browser may follow."""
    if value is None or not value.strip():
        return None
    check_count(len(value), MAX_URL_CHARS, "url", "characters")
    url = cleaned(value).strip()
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidTicket(
            "url is not an address of the web; give one that begins with https:// or none.", field="url"
        )
    if "@" not in parts.netloc:
        return url
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
