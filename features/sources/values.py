"""Single values of a row: texts, times, numbers, lists; each either ours or a fault with its field and value."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

_EARLIEST_YEAR, _LATEST_YEAR = 1970, 2100
_SHOWN_CHARS, _SHOWN_WORDS = 40, 3


class RowFault(Exception):
    """A row that cannot be used: our field at fault, and the reason as a sentence."""

    def __init__(self, field: str | None, reason: str) -> None:
        super().__init__(reason)
        self.field = field
        self.reason = reason


def show(value: object) -> str:
    """Quote an offending value that is short enough to be no text: a wrong mapping may put a ticket's words anywhere.

    >>> show("purple"), show("call Ann on her private number")
    ("'purple'", '(30 characters)')
    """
    text = value if isinstance(value, str) else repr(value)
    if len(text) > _SHOWN_CHARS or len(text.split()) > _SHOWN_WORDS:
        return f"({len(text):,} characters)"
    return repr(value)


def to_text(field: str, value: Any) -> str | None:
    """Read a text; None stays None. Numbers are written out, lists and objects are faults."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    raise RowFault(field, f"The {field} is {_kind(value)} where a text belongs; map one of its parts (name.part).")


def to_label(field: str, value: Any) -> str | None:
    """Read a short text without outer white space; blank ones are None."""
    text = to_text(field, value)
    return (text.strip() or None) if text is not None else None


def to_int(field: str, value: Any) -> int | None:
    """Read a whole number; blank is None."""
    text = to_label(field, value)
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        raise RowFault(field, f"The {field} {show(value)} is no whole number.") from None


def to_time(field: str, value: Any, zone: tzinfo, formats: Sequence[str]) -> datetime | None:
    """Read a time; blank is None.

    Parameters
    ----------
    zone : tzinfo
        Of times that state no offset.
    formats : sequence of str
        Tried after ISO 8601: ``strptime`` forms, ``unix`` (seconds), ``unix_ms``.

    Returns
    -------
    datetime or None
        In UTC.

    Raises
    ------
    RowFault
        If no form fits, or the year is not from 1970 to 2100 (placeholders such as 0001-01-01 or 9999-12-31).
    """
    text = to_label(field, value)
    if text is None:
        return None
    moment = _parse_time(text, formats)
    if moment is None:
        raise RowFault(
            field,
            f"The {field} {show(value)} is no time in ISO 8601 or in the mapping's date_formats; add its form there.",
        )
    if not _EARLIEST_YEAR <= moment.year <= _LATEST_YEAR:
        raise RowFault(field, f"The {field} {show(value)} is not between {_EARLIEST_YEAR} and {_LATEST_YEAR}.")
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def to_list(field: str, value: Any, separator: str) -> list[str]:
    """Read several labels: a list, or one text cut at ``separator``; blank ones are left out."""
    items = value if isinstance(value, list) else (to_text(field, value) or "").split(separator)
    labels = (to_label(field, item) for item in items)
    return [label for label in labels if label is not None]


def _parse_time(text: str, formats: Sequence[str]) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        pass
    for form in formats:
        try:
            if form in ("unix", "unix_ms"):
                return datetime.fromtimestamp(float(text) / (1000.0 if form == "unix_ms" else 1.0), UTC)
            return datetime.strptime(text, form)
        except (ValueError, OverflowError, OSError):
            continue
    return None


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list"
    return "an object" if isinstance(value, dict) else f"a {type(value).__name__}"
