"""In a few words, why a case is suggested."""

from __future__ import annotations

from features.case_index import Candidate
from features.text import identifiers, model_text

from features.lexical import analyze
from features.ticket import Ticket
from serving.ranking import DAY_SECONDS

_MAX_TERMS = 4
_CLOSE = 0.6


def case_reasons(ticket: Ticket, case: Ticket, candidate: Candidate, *, now: float) -> list[str]:
    """Say what a ticket and a case share.

    Parameters
    ----------
    ticket, case : Ticket
        The new ticket and the case, both masked.
    candidate : Candidate
        The case's raw scores.
    now : float
        Seconds since the epoch at which the ticket was created.
    """
    reasons = []
    known = set(identifiers(case))
    shared = [name for name in identifiers(ticket) if name in known]
    if shared:
        reasons.append("shares " + ", ".join(shared[:_MAX_TERMS]))
    terms = _shared_terms(ticket, case)
    if terms:
        reasons.append("words in common: " + ", ".join(terms))
    if candidate.cosine >= _CLOSE:
        reasons.append(f"close in meaning ({candidate.cosine:.2f})")
    if ticket.product is not None and ticket.product == case.product:
        reasons.append(f"same product ({case.product})")
    if ticket.customer is not None and ticket.customer == case.customer:
        reasons.append("same customer")
    age = _age(case, now)
    if age:
        reasons.append(age)
    return reasons


def _shared_terms(ticket: Ticket, case: Ticket) -> list[str]:
    """Words of the ticket's subject first, that the case has too; longest first, since they say most."""
    theirs = set(analyze(model_text(case).text))
    text = model_text(ticket)
    mine = [word for word in dict.fromkeys(text.text.split()) if len(word) > 3 and word.isalpha()]
    shared = [word for word in mine if (stems := analyze(word)) and stems[0] in theirs]
    in_subject = set(text.subject.split())
    return sorted(shared, key=lambda word: (word not in in_subject, -len(word)))[:_MAX_TERMS]


def _age(case: Ticket, now: float) -> str | None:
    if case.created_at is None:
        return None
    days = (now - case.created_at.timestamp()) / DAY_SECONDS
    if days < 0:
        return "opened after this ticket"
    if days < 1:
        return "opened within a day"
    return f"{days:.0f} days earlier" if days < 60 else f"{days / 30.44:.0f} months earlier"
