"""In a few words, why a case is suggested."""

from __future__ import annotations

import re
from dataclasses import dataclass

from features.case_index import Candidate
from features.feature_space import Example
from features.lexical import Hashes, analyze, term_hashes
from features.text import ModelText, identifiers, written_text
from features.ticket import Ticket
from serving.explain_shown import telling_words
from serving.ranking import DAY_SECONDS

_MAX_TERMS = 4
_WORD = re.compile(r"\b[^\W\d_]{4,}\b")
_CLOSE = 0.6
_DAYS_PER_MONTH = 30.44


@dataclass(frozen=True, slots=True)
class Asked:
    """What reasons need of the new ticket, worked out once for all of its cases.

    ``words`` are those that could be shared, in the order in which they would be shown, each with the hash of its stem.
    """

    ticket: Ticket
    identifiers: tuple[str, ...]
    words: tuple[tuple[str, int], ...]
    now: float

    @classmethod
    def of(cls, example: Example, *, now: float, shown: ModelText | None = None) -> Asked:
        """Read an example.

        Parameters
        ----------
        now : float
            Seconds since the epoch at which the ticket was created.
        shown : ModelText, optional
            The part of the ticket's text whose words may be named; default: all of it.
        """
        ticket, shown = example.ticket, shown or example.text
        # Masks and volatile tokens are words of the model text ("email", "time") that nobody wrote.
        written = set(_WORD.findall(written_text(ticket)))
        tells = telling_words(example)
        stems: dict[str, str] = {}
        for word in _WORD.findall(shown.text):
            if word in written and tells(word.lower()) and (terms := analyze(word)):
                stems.setdefault(terms[0], word)
        in_subject = set(_WORD.findall(shown.subject))
        # Words of the subject first, then the longer ones, since they say more.
        order = sorted(stems.items(), key=lambda item: (item[1] not in in_subject, -len(item[1])))
        return cls(
            ticket=ticket,
            identifiers=identifiers(ticket),
            words=tuple(zip((word for _, word in order), term_hashes(term for term, _ in order).tolist(), strict=True)),
            now=now,
        )


def case_reasons(asked: Asked, case: Ticket, candidate: Candidate, terms: Hashes) -> list[str]:
    """Say what the new ticket and a case share.

    Parameters
    ----------
    case : Ticket
        Masked, as the history has it.
    candidate : Candidate
        The case's raw scores.
    terms : ndarray of uint32, shape (n,)
        Hashed terms of the case's whole text, as the index has them.
    """
    reasons = []
    known = set(identifiers(case))
    if shared := [name for name in asked.identifiers if name in known]:
        reasons.append("shares " + ", ".join(shared[:_MAX_TERMS]))
    theirs = set(terms.tolist())
    if words := [word for word, term in asked.words if term in theirs]:
        reasons.append("words in common: " + ", ".join(words[:_MAX_TERMS]))
    if candidate.cosine >= _CLOSE:
        reasons.append(f"close in meaning ({candidate.cosine:.2f})")
    if asked.ticket.product is not None and asked.ticket.product == case.product:
        reasons.append(f"same product ({case.product})")
    if asked.ticket.customer is not None and asked.ticket.customer == case.customer:
        reasons.append("same customer")
    if age := _age(case, asked.now):
        reasons.append(age)
    return reasons


def _age(case: Ticket, now: float) -> str | None:
    if case.created_at is None:
        return None
    days = (now - case.created_at.timestamp()) / DAY_SECONDS
    if days < 0:
        return "opened after this ticket"
    if days < 1:
        return "opened within a day"
    if days < 2:
        return "opened a day earlier"
    if days < 60:
        return f"opened {days:.0f} days earlier"
    months = days / _DAYS_PER_MONTH
    return f"opened {months:.0f} months earlier" if months < 24 else f"opened {months / 12:.0f} years earlier"
