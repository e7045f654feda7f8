"""How the report says numbers and names: the same words in the next steps and on the page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

from evaluation.intervals import Interval
from features.ticket import Severity

# Between a number and its sign, so that a line never breaks there.
NARROW = "\N{NARROW NO-BREAK SPACE}"
_MANY = 1000
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Lone surrogates and non-characters cannot be written as UTF-8 or XML; bidi marks, embeddings, overrides and isolates
# reorder what stands around them (CVE-2021-42574).
_UNPRINTABLE = re.compile(r"[\ud800-\udfff\ufffe\uffff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")

FLOOR_NAMES = {
    "majority": "always giving the most frequent answer",
    "tfidf_svm": "a plain word model (TF-IDF, linear SVM)",
    "frozen_embeddings": "sentence embeddings alone",
}
REASONS = {
    "low_confidence": "not sure enough",
    "between": "torn between two",
    "unlike_history": "unlike anything in the history",
    "too_little_text": "too little text",
    "language_not_trained": "in a language with too few tickets",
}

SECTION_NAMES = {
    "missed": "missed tickets",
    "severity": "severity in figures",
    "pairs": "confused pairs",
    "labels": "tickets",
    "actions": "actions",
    "confidence": "curve",
    "classes": "categories",
}
ACTION_NAMES = {"automate": "Automated", "suggest": "Suggested to an agent", "abstain": "Held back"}


def percent(share: float, n: int = 0) -> str:
    """A share as a percentage: with a decimal where at least 1,000 tickets carry it, or where it would round to an end.

    Examples
    --------
    >>> percent(0.642).replace(chr(0x202F), " "), percent(0.642, 4000).replace(chr(0x202F), " ")
    ('64 %', '64.2 %')
    >>> percent(0.998).replace(chr(0x202F), " "), percent(0.0001).replace(chr(0x202F), " ")
    ('99.8 %', '<0.1 %')
    """
    value = 100.0 * share
    if 0 < value < 0.05 or 99.95 <= value < 100:
        return f"{'<0.1' if value < 1 else '>99.9'}{NARROW}%"
    exact = n >= _MANY or (0 < value < 1) or (99 < value < 100)
    return f"{value:.{1 if exact else 0}f}{NARROW}%"


def interval(bounds: Interval, n: int = 0) -> str:
    """An interval of shares.

    Examples
    --------
    >>> interval((0.5, 0.75)).replace(chr(0x202F), " ")
    '50 to 75 %'
    """
    low, high = (percent(bound, n) for bound in bounds)
    return f"{low.removesuffix(f'{NARROW}%')} to {high}"


def count(n: int, one: str, many: str | None = None) -> str:
    """A number with its noun.

    Examples
    --------
    >>> count(1, "ticket"), count(12000, "ticket"), count(2, "class", "classes")
    ('1 ticket', '12,000 tickets', '2 classes')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def listed(names: Sequence[str], at_most: int) -> str:
    """Names in a row, the rest as a number.

    Examples
    --------
    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    shown, rest = names[:at_most], len(names) - at_most
    if rest > 0:
        return f"{', '.join(shown)} and {rest} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), *shown[-1:]]))


def level_name(level: Severity | None) -> str:
    """A level as people write it.

    Examples
    --------
    >>> level_name(Severity.SEV1), level_name(None)
    ('Sev1', 'no answer')
    """
    return "no answer" if level is None else level.value.capitalize()


def day(time: datetime | None) -> str:
    """The day of a time, UTC."""
    return "no date" if time is None else time.strftime("%Y-%m-%d")


def clean(text: str) -> str:
    """Text that can neither break a document nor turn it around: without control characters and bidi overrides.

    Escaping is not done here; a template and an XML writer do that.

    Examples
    --------
    >>> clean("a\\x00b" + chr(0x202E) + "c")
    'ab\\ufffdc'
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", _CONTROLS.sub("", text))
