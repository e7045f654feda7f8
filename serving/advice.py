"""Which sentences of a note say what was done; procedural, discussing and asking ones are never among them.

A sentence is judged by itself, by patterns that a person can read (:mod:`serving.advice_signals`), and by one thing
about its note: whether that is an account of what was done, as support teams write them, or a voice of a discussion, as
the last comment of a developers' ticket often is. In an account the past tense is enough, in a discussion it is not.
"""

from __future__ import annotations

from dataclasses import dataclass

from serving.advice_kinds import ruled_out_as
from serving.advice_signals import is_discussion, is_proposal, names_release, points, signals
from serving.advice_words import n_telling_words
from serving.sentences import READ_CHARS, sentences

MAX_SUMMARY_CHARS = 400
_SHOWN_FROM = 3.0
_ACCOUNT = 1.5
_PROPOSAL = -1.5
_RELEASE = 3.0
_MIN_WORDS_ACCOUNT = 2
_MIN_WORDS_DISCUSSION = 3
_MAX_SENTENCES = 40
_GAP = " … "


@dataclass(frozen=True, slots=True)
class Told:
    """A sentence that says what was done: its place among the sentences of the note, and its points."""

    place: int
    text: str
    points: float


def what_was_done(note: str, *, is_message: bool = False) -> list[Told]:
    """Sentences of a note that say what was done, in order.

    Parameters
    ----------
    note : str
        Read to ``READ_CHARS`` and to 40 sentences.
    is_message : bool
        A message to the customer was not written to tell what was done, and is held to more.

    Examples
    --------
    >>> [told.text for told in what_was_done("Hi Ann, thanks. Renewed the SAML certificate. Does it work now?")]
    ['Renewed the SAML certificate.']
    >>> what_was_done("Committed to trunk and branch-2. Thanks Bob!")
    []
    """
    read = note[:READ_CHARS]
    is_account = not is_message and not is_discussion(read)
    bonus = (_ACCOUNT if is_account else 0.0) + (_PROPOSAL if is_proposal(read) else 0.0)
    min_words = _MIN_WORDS_ACCOUNT if is_account else _MIN_WORDS_DISCUSSION
    found = []
    for place, sentence in enumerate(sentences(note)):
        if place == _MAX_SENTENCES:
            break
        is_release = names_release(sentence)
        total = bonus + points(sentence, is_account=is_account) + (_RELEASE if is_release else 0.0)
        # The cheapest first: most sentences are none.
        if total < _SHOWN_FROM or is_never_shown(sentence):
            continue
        if is_release or n_telling_words(sentence) >= min_words:
            found.append(Told(place, sentence, total))
    return found


def is_never_shown(sentence: str) -> bool:
    """Whether a sentence is of a kind that is never shown, however much it says besides.

    That a case is closed is none of it where the sentence says why nothing was to be done.

    Examples
    --------
    >>> is_never_shown("Closing as won't fix."), is_never_shown("Won't fix, since the old client is not built any more")
    (True, False)
    """
    kinds = ruled_out_as(sentence)
    is_reasoned = kinds == ["state"] and "decided_against" in signals(sentence) and "dup" not in sentence.lower()
    return bool(kinds) and not is_reasoned


def summary(told: list[Told]) -> str:
    """The sentences with the most points that go into 400 characters, in order; ``…`` stands where some are missing.

    Examples
    --------
    >>> summary([Told(0, "Raised the limit.", 3.0), Told(2, "Restarted it.", 4.5)])
    'Raised the limit. … Restarted it.'
    """
    kept: list[Told] = []
    for one in sorted(told, key=lambda one: (-one.points, one.place)):
        if not kept or len(_joined([*kept, one])) <= MAX_SUMMARY_CHARS:
            kept.append(one)
    text = _joined(kept)
    return text if len(text) <= MAX_SUMMARY_CHARS else text[: MAX_SUMMARY_CHARS - 1].rstrip() + "…"


def _joined(told: list[Told]) -> str:
    parts: list[str] = []
    last = -1
    for one in sorted(told, key=lambda one: one.place):
        if parts:
            parts.append(" " if one.place == last + 1 else _GAP)
        parts.append(one.text)
        last = one.place
    return "".join(parts)
