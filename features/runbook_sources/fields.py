"""Owner, services, severity and dates that a page tells in its text: 'Owner: payments team' below the title."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import date

MAX_VALUE_CHARS = 255
_MAX_LINE_CHARS = 2_000

_LINE = re.compile(r"([^\W\d_][^\n:：|]{0,39}?)\s*[:：]\s*(\S.*)")
_NOT_WORD = re.compile(r"[\W_]+")
# Notion writes relations as 'Billing (https://www.notion.so/…)' or 'Billing (../Services/Billing%20….md)'.
_TARGET = re.compile(r"\s*\((?:https?://[^()\s]*|[^()\s]*\.md)\)")
_ISO = re.compile(r"\b(\d{4})[-/](\d{1,2})[-/](\d{1,2})\b")
_MONTH_FIRST = re.compile(r"\b([A-Za-z]{3,9})\.? (\d{1,2})(?:st|nd|rd|th)?,? (\d{4})\b")
_DAY_FIRST = re.compile(r"\b(\d{1,2})(?:st|nd|rd|th)?[. -]+([A-Za-z]{3,9})\.?,?[ -](\d{4})\b")
# With a day above 12, the order of day and month is plain.
_DAY_ABOVE_12 = re.compile(r"\b(1[3-9]|2\d|3[01])([-/.])(0?[1-9]|1[0-2])\2(\d{4})\b")
_MONTH_THEN_DAY_ABOVE_12 = re.compile(r"\b(0?[1-9]|1[0-2])([-/.])(1[3-9]|2\d|3[01])\2(\d{4})\b")
_DATE_FORMS = (
    (_ISO, "ymd"),
    (_MONTH_FIRST, "mdy"),
    (_DAY_FIRST, "dmy"),
    (_DAY_ABOVE_12, "d-my"),
    (_MONTH_THEN_DAY_ABOVE_12, "m-dy"),
)
"""Patterns, and what their groups hold: year, month, day, or the separator."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_NAMES = {
    "owner": (
        "owner|owners|owned by|owning team|team|runbook owner|page owner|service owner|maintainer|maintainers"
        "|maintained by|responsible|responsible team"
    ),
    "services": (
        "service|services|affected service|affected services|affected systems|system|systems|component|components"
        "|applies to"
    ),
    "severity": "severity|sev|default severity|alert severity|incident severity|priority",
    "last_reviewed": (
        "last reviewed|last review|last reviewed on|last review date|reviewed|reviewed on|last verified"
        "|last verified on|last tested|last reviewed at"
    ),
    "last_changed": (
        "last updated|last modified|last edited|last edited time|last changed|updated|updated on|updated at"
    ),
    "tags": "tags|labels|keywords",
}
_FIELD_OF = {name: field for field, names in _NAMES.items() for name in names.split("|")}
_EMPTY_LINE = re.compile(r"([^\W\d_][^\n:：|]{0,39}?)\s*[:：]")


@dataclass(frozen=True, slots=True)
class PageFields:
    """What a page says of itself, beside title and text.

    ``last_changed`` stands in where nobody noted a review; not where one is noted that cannot be read
    (``has_unread_review``), which may be long ago.
    """

    owner: str | None = None
    services: tuple[str, ...] = ()
    severity: str | None = None
    last_reviewed: date | None = None
    last_changed: date | None = None
    has_unread_review: bool = False
    tags: tuple[str, ...] = ()

    @property
    def review(self) -> date | None:
        """When the page was last reviewed, or changed where that stands in."""
        return self.last_reviewed or (None if self.has_unread_review else self.last_changed)

    def or_else(self, other: PageFields) -> PageFields:
        """These, and those of another where these have none."""
        missing = {each.name: getattr(other, each.name) for each in fields(self) if not getattr(self, each.name)}
        return replace(self, **missing)


NO_FIELDS = PageFields()


def split_field_line(line: str) -> tuple[str, str] | None:
    """Name and value of a line as 'Owner: payments team', or of a known field left empty; None for any other."""
    if match := _LINE.fullmatch(line.strip()):
        return match.group(1), match.group(2)
    empty = _EMPTY_LINE.fullmatch(line.strip())
    return (empty.group(1), "") if empty and _field_of(empty.group(1)) else None


def fields_of(pairs: Iterable[tuple[str, str]]) -> tuple[PageFields, frozenset[str]]:
    """Read names with their values; the first of a name counts.

    Returns
    -------
    fields : PageFields
    names : frozenset of str
        The names, as given, that were understood together with their values.

    Examples
    --------
    >>> found, names = fields_of([("Owner", "payments team"), ("Last reviewed", "soon"), ("Sev", "Sev2")])
    >>> found.owner, found.severity, sorted(names)
    ('payments team', 'Sev2', ['Owner', 'Sev'])
    """
    found: dict[str, object] = {}
    names = set()
    for name, value in pairs:
        field = _field_of(name)
        read = None if field is None else _value(field, value)
        if field is not None and read:
            found.setdefault(field, read)
            names.add(name)
        elif field == "last_reviewed" and _NOT_WORD.sub("", value):
            found["has_unread_review"] = True
    return PageFields(**found), frozenset(names)  # type: ignore[arg-type]


def read_date(text: str) -> date | None:
    """The last date in a text whose order of day and month is plain; None without one.

    Examples
    --------
    >>> read_date("Created by Kim Lee, last modified on Jan 02, 2026")
    datetime.date(2026, 1, 2)
    """
    found = [
        (match.start(), day)
        for pattern, order in _DATE_FORMS
        for match in pattern.finditer(text)
        if (day := _day(dict(zip(order, match.groups(), strict=True)))) is not None
    ]
    return max(found)[1] if found else None


def _field_of(name: str) -> str | None:
    return _FIELD_OF.get(_NOT_WORD.sub(" ", name).strip().casefold())


def _value(field: str, text: str) -> object:
    if len(text) > _MAX_LINE_CHARS:
        return None
    plain = " ".join(_TARGET.sub("", text).split()).strip()
    if field in ("last_reviewed", "last_changed"):
        return read_date(plain)
    if len(plain) > MAX_VALUE_CHARS:
        return None
    if field in ("services", "tags"):
        parts = (part.strip() for part in re.split(r"[,;\n]", _TARGET.sub("", text)))
        return tuple(part for part in parts if part)
    return plain or None


def _day(parts: dict[str, str]) -> date | None:
    month = parts["m"]
    try:
        number = int(month) if month.isdecimal() else _MONTHS.index(month[:3].casefold()) + 1
        return date(int(parts["y"]), number, int(parts["d"]))
    except ValueError:
        return None
