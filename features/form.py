"""The form of a ticket: how long, how urgent in its words, when it came. What a reader sees before reading.

Counted on the model text, so that signatures, quoted mail, blanks and capitals count for nothing.
"""

from __future__ import annotations

import math
from datetime import UTC

import numpy as np
from numpy.typing import NDArray

from features.linear_regex import Pattern, encode
from features.text import ModelText
from features.ticket import Ticket

FORM_NAMES: tuple[str, ...] = (
    "subject_length",
    "text_length",
    "lines",
    "has_trace",
    "names_exception",
    "says_broken",
    "says_everybody",
    "says_cosmetic",
    "says_test",
    "hour_sine",
    "hour_cosine",
    "weekend",
)

_TRACE = Pattern(r"(?m)^at \S+[./]\S+( \S+)?$")  # as :mod:`features.traces` leaves it
_EXCEPTION = Pattern(r"\w+(exception|error)\b", ignore_case=True)
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
_TEST = Pattern(r"\b(tests?|tested|testing|test\w*case|junit|staging|sandbox)\b", ignore_case=True)


def form_features(ticket: Ticket, text: ModelText) -> NDArray[np.float64]:
    """Count what shows at a glance.

    Parameters
    ----------
    ticket : Ticket
        Its time of creation is read.
    text : ModelText
        Of the ticket.

    Returns
    -------
    ndarray of float64, shape (len(FORM_NAMES),)
        Logarithms of lengths and of counts, and flags. The hour is UTC's, as a point on a circle; 0, 0 where unknown.

    Examples
    --------
    >>> found = form_features(Ticket(), ModelText("Sync down for all customers", ""))
    >>> shown = dict(zip(FORM_NAMES, found, strict=True))
    >>> bool(shown["says_broken"] > 0), bool(shown["says_everybody"] > 0), bool(shown["says_cosmetic"])
    (True, True, False)
    """
    data = encode(text.text)
    counted = (_BROKEN, _EVERYBODY, _COSMETIC, _TEST)
    return np.array(
        [
            math.log1p(len(text.subject)),
            math.log1p(len(text.text)),
            math.log1p(text.body.count("\n")),
            float(_TRACE.occurs(data)),
            float(_EXCEPTION.occurs(data)),
            *(math.log1p(len(pattern.spans(data))) for pattern in counted),
            *_clock(ticket),
        ]
    )


def _clock(ticket: Ticket) -> tuple[float, float, float]:
    if ticket.created_at is None:
        return 0.0, 0.0, 0.0
    at = ticket.created_at.astimezone(UTC)
    angle = 2 * math.pi * (at.hour + at.minute / 60) / 24
    return math.sin(angle), math.cos(angle), float(at.weekday() >= 5)
