"""What resolved the similar cases: the notes that say what was done, with their source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from features.lexical import analyze
from features.ticket import FixOutcome
from serving.schemas import ResolutionAnswer

MAX_SUMMARY_CHARS = 400
_SAME_ADVICE = 0.6
_MIN_WORDS = 4
# A note can be a megabyte long; what was done stands in its beginning.
_READ_CHARS = 10_000
# Words of notes that end a case without saying what was done ("fixed, thanks", "committed to trunk", "no reply").
_PROCEDURAL = frozenset(  # split, since the formatter would give each word a line of its own
    "a again all and as ask asked at attached be been branch by case close closed closes closing commit commited "  # noqa: SIM905
    "committed confirm confirmed could customer done dup duplicate duplicated everyone fix fixed fixing for from "
    "get go good got great has have heard i in into is issue it jenkins jira just let lgtm looks marking me "
    "merged need no nothing now of ok on out patch per please pr problem pushed reopen reopened reopening replied "
    "reply resolve resolved resolving response review see should solved still sure thank thanks that the there "
    "this ticket to today trunk up update was we went will with work worked works you your".split()
)
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_REFERENCE = re.compile(r"\b(?:[A-Z][A-Z0-9]+-\d+|r\d{5,}|[0-9a-f]{7,40})\b|#\d+|<[A-Z_]+>")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class ResolvedNote:
    """The resolution note of one similar case."""

    case_id: str
    text: str
    outcome: FixOutcome


def says_what_was_done(note: str) -> bool:
    """Whether a note holds at least four words beyond the procedural ones.

    Examples
    --------
    >>> says_what_was_done("Committed to trunk, thanks Bob!"), says_what_was_done("closing as duplicate of ABC-12")
    (False, False)
    >>> says_what_was_done("Rotated the SAML certificate and reloaded the identity provider metadata.")
    True
    """
    words = {word.lower() for word in _WORD.findall(_REFERENCE.sub(" ", note))}
    return len(words - _PROCEDURAL) >= _MIN_WORDS


def summarise(note: str) -> str:
    """The leading sentences of a note that say what was done, at most 400 characters; extractive only."""
    kept: list[str] = []
    for sentence in _SENTENCE_END.split(" ".join(note.split())):
        if not kept and not says_what_was_done(sentence):
            continue
        if kept and len(" ".join([*kept, sentence])) > MAX_SUMMARY_CHARS:
            break
        kept.append(sentence)
    text = " ".join(kept) or " ".join(note.split())
    return text if len(text) <= MAX_SUMMARY_CHARS else text[: MAX_SUMMARY_CHARS - 1].rstrip() + "…"


def resolutions(notes: Sequence[ResolvedNote], *, limit: int = 3) -> list[ResolutionAnswer]:
    """Group the notes of similar cases by what they advise: the most supported advice first, then the better case's.

    Parameters
    ----------
    notes : sequence of ResolvedNote
        Best case first; procedural notes are left out.
    limit : int
        Number of groups to give.
    """
    groups: list[tuple[set[str], list[ResolvedNote]]] = []
    for whole in notes:
        note = replace(whole, text=whole.text[:_READ_CHARS])
        if not says_what_was_done(note.text):
            continue
        terms = set(analyze(note.text))
        for known, members in groups:
            if _overlap(terms, known) >= _SAME_ADVICE:
                members.append(note)
                break
        else:
            groups.append((terms, [note]))
    groups.sort(key=lambda group: -len(group[1]))  # stable: among equals the better case leads
    return [_answer(members) for _, members in groups[:limit]]


def _overlap(a: set[str], b: set[str]) -> float:
    return len(a & b) / max(1, min(len(a), len(b)))


def _answer(members: Sequence[ResolvedNote]) -> ResolutionAnswer:
    known = [note for note in members if note.outcome is not FixOutcome.UNKNOWN]
    held = [note for note in known if note.outcome is FixOutcome.HELD]
    best = next((note for note in members if note.outcome is FixOutcome.HELD), members[0])
    return ResolutionAnswer(
        summary=summarise(best.text),
        case_ids=[note.case_id for note in members],
        support=len(members),
        held_rate=round(len(held) / len(known), 3) if known else None,
    )
