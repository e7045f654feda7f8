"""The form of a ticket: how long, how urgent in its words, when it came. What a reader sees before reading.

Counted on the masked ticket as it was written, since the model text leaves out much of what is counted here.
"""

from __future__ import annotations

import math
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from features.linear_regex import Pattern, encode
from features.text import opening_text
from features.ticket import Ticket

FORM_NAMES: tuple[str, ...] = (
    "subject_length",
    "text_length",
    "lines",
    "has_trace",
    "names_exception",
    "has_code",
    "says_broken",
    "says_everybody",
    "says_cosmetic",
    "says_test",
    "shouts",
    "exclaims",
    "hour_sine",
    "hour_cosine",
    "weekend",
)
_READ = 20_000  # characters; what a ticket is shows before

_TRACE = Pattern(r"(?m)^\s*at [\w.$<>]+\(|Traceback \(most recent call last\)|goroutine \d+ \[")
_EXCEPTION = Pattern(r"\w+(Exception|Error)\b")
_CODE = Pattern(r"\{code|\{noformat|```|<pre>")
_BROKEN = Pattern(
    r"\b(crash\w*|corrupt\w*|data ?loss|lost data|los(es|ing) data|hangs?|hung|deadlock\w*|outage|out ?of ?memory|oom|"
    r"fail(s|ed|ing|ure|ures)?|broken|cannot|can ?not|can't|unable|down|unavailable|unresponsive|leak\w*|"
    r"null ?pointer\w*|npe|security|breach|vulnerab\w*)\b",
    ignore_case=True,
)
_EVERYBODY = Pattern(
    r"\b(all (users|customers|tenants|agents|nodes)|every(one|body| user| customer)|nobody|no one|whole (company|team|"
    r"cluster)|production|prod|urgent\w*|asap|immediately|critical|emergency|blocker|blocked|blocking|go-?live)\b",
    ignore_case=True,
)
_COSMETIC = Pattern(
    r"\b(typos?|javadocs?|cosmetic|spelling|wording|tooltips?|labels?|colou?rs?|align\w*|clean ?ups?|rename\w*|"
    r"unused|documentation|docs?|minor|trivial|nice to have|improve\w*|refactor\w*|would like|feature request|"
    r"question|how (do|can|to))\b",
    ignore_case=True,
)
_TEST = Pattern(r"\b(tests?|tested|testing|junit|staging|sandbox)\b|Test[A-Z]\w+", ignore_case=True)


def form_features(ticket: Ticket) -> NDArray[np.float64]:
    """Count what shows at a glance.

    Returns
    -------
    ndarray of float64, shape (len(FORM_NAMES),)
        Logarithms of lengths and of counts, and flags. The hour is UTC's, as a point on a circle; 0, 0 where unknown.

    Examples
    --------
    >>> shown = dict(zip(FORM_NAMES, form_features(Ticket(subject="Sync is DOWN for all customers!!")), strict=True))
    >>> bool(shown["says_broken"] > 0), bool(shown["says_everybody"] > 0), bool(shown["says_cosmetic"])
    (True, True, False)
    """
    body = opening_text(ticket)
    text = encode(f"{ticket.subject[:_READ]}\n{body[:_READ]}")
    counted = (_BROKEN, _EVERYBODY, _COSMETIC, _TEST)
    letters = [character for character in ticket.subject if character.isalpha()]
    hour_sine, hour_cosine, weekend = _clock(ticket)
    return np.array(
        [
            math.log1p(len(ticket.subject)),
            math.log1p(len(body)),
            math.log1p(body.count("\n")),
            float(_TRACE.occurs(text)),
            float(_EXCEPTION.occurs(text)),
            float(_CODE.occurs(text)),
            *(math.log1p(len(pattern.spans(text))) for pattern in counted),
            sum(letter.isupper() for letter in letters) / max(len(letters), 1),
            math.log1p(ticket.subject.count("!") + body[:_READ].count("!")),
            hour_sine,
            hour_cosine,
            weekend,
        ]
    )


def _clock(ticket: Ticket) -> tuple[float, float, float]:
    if ticket.created_at is None:
        return 0.0, 0.0, 0.0
    at = ticket.created_at.astimezone(UTC)
    angle = 2 * math.pi * (at.hour + at.minute / 60) / 24
    return math.sin(angle), math.cos(angle), float(at.weekday() >= 5)
