"""What would change the severity that was answered: a Sev1 risk, and a word without which it would be another.

Both are the model's own answers. The risk moves the other levels' probabilities in proportion. A word is first taken
out of the heads' scores and of the form, which costs next to nothing; only where that changes the level, the ticket
without the word is predicted as any other, and told of if its level is another.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example
from features.form import FORM_NAMES, form_features
from features.text import model_text
from features.ticket import SEVERITIES, Severity, Ticket
from serving.explain_words import Evidence, word_label
from serving.schemas import SeverityAnswer
from serving.severity_model import N_HEADS, SeverityModel
from serving.triage import Prediction, Triage

Floats = NDArray[np.float64]
Retell = Callable[[Ticket], Prediction]

_STEPS = 1_000  # risks are told to three digits
_NEAR = 3  # a risk that is more times higher or lower than the present one is no small change


@dataclass(frozen=True, slots=True)
class Asked:
    """A ticket whose severity was answered.

    Attributes
    ----------
    inputs : ndarray of float64, shape (N_INPUTS,)
        Of the second stage.
    retell : callable
        Predicts the ticket with other texts, all else equal.
    """

    example: Example
    evidence: Evidence
    inputs: Floats
    level: Severity
    retell: Retell


def risk_line(triage: Triage, model: SeverityModel, asked: Asked) -> str | None:
    """Say at which Sev1 risk, higher or for sev1 lower, the answer would be another; None where at none that is near.

    Returns
    -------
    str or None
        As ``would be sev1 at a Sev1 risk of 0.17 (now 0.094)``.
    """
    [now] = model.stage.probabilities(asked.inputs[None])
    at = round(float(now[0]) * _STEPS)
    if asked.level is Severity.SEV1:
        steps = range(at - 1, at // _NEAR, -1)
    else:
        steps = range(at + 1, min(at * _NEAR, _STEPS - 1) + 1)
    risks = np.array(steps, dtype=np.float64)[:, None] / _STEPS
    others = now[None, 1:] / now[1:].sum()
    moved = np.hstack([risks, (1.0 - risks) * others])
    changed = np.flatnonzero(model.cheapest(moved) != SEVERITIES.index(asked.level))
    if not len(changed):
        return None
    value = triage.answer_severity(moved[changed[0]]).value
    if value is None:
        return None
    return f"would be {value} at a Sev1 risk of {risks[changed[0], 0]:g} (now {at / _STEPS:g})"


def word_line(model: SeverityModel, asked: Asked, shares: Mapping[str, float]) -> str | None:
    """Say what the level would be without the strongest word; None where it would be the same, or none.

    Parameters
    ----------
    shares : mapping of str to float
        What each word, phrase and field that may be told adds for the level.

    Returns
    -------
    str or None
        As ``without "outage" it would be sev3``.
    """
    words = {word for word in asked.evidence.terms.phrases if " " not in word and word_label(word) in shares}
    strongest = max(words, key=lambda word: (shares[word_label(word)], word), default=None)
    if strongest is None or shares[word_label(strongest)] <= 0:
        return None
    ticket = without_word(asked.example.ticket, strongest)
    if _estimate(model, asked, strongest, ticket) is asked.level:
        return None
    answer: SeverityAnswer = asked.retell(ticket).severity
    if answer.value in (None, asked.level):
        return None
    return f'without "{strongest}" it would be {answer.value}'


def without_word(ticket: Ticket, word: str) -> Ticket:
    """The ticket without a word, wherever it stands in the texts that models read.

    Examples
    --------
    >>> without_word(Ticket(subject="Outage: no login", description="An outage of logins"), "outage").description
    'An  of logins'
    """
    pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
    return replace(
        ticket,
        subject=pattern.sub("", ticket.subject),
        description=pattern.sub("", ticket.description),
        messages=tuple(replace(message, text=pattern.sub("", message.text)) for message in ticket.messages),
    )


def _estimate(model: SeverityModel, asked: Asked, word: str, ticket: Ticket) -> Severity:
    """The level without what a word adds to the heads' scores and to the form."""
    inputs = asked.inputs.copy()
    for head in range(N_HEADS):
        inputs[head] -= asked.evidence.shares(model.head, np.eye(N_HEADS)[head]).named[word_label(word)]
    inputs[-len(FORM_NAMES) :] = form_features(ticket, model_text(ticket))
    return SEVERITIES[int(model.cheapest(model.stage.probabilities(inputs[None]))[0])]
