"""The cases about the same thing as a ticket of the history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from evaluation.topic_words import common_words
from evaluation.topics import usual_nearness
from features.case_index import CaseFilter
from features.errors import Forbidden, NotFound
from features.history import History
from features.lexical import LexicalStatistics
from features.text import model_text
from features.ticket import Case
from features.vectors import embed_cases
from serving.suggester import Suggester

_MOST_CASES = 100
_SAMPLE = 2_000


@dataclass(frozen=True, slots=True)
class TopicCases:
    """Cases of a topic that are of no access group, the most central first, and the words that name it."""

    cases: Sequence[Case]
    words: Sequence[str]


def topic_of(
    ticket_id: str, history: History, suggester: Suggester, statistics: LexicalStatistics, *, system: str
) -> TopicCases:
    """Find the cases of its category that are as near to a ticket as those of one topic (:mod:`evaluation.topics`).

    Raises
    ------
    NotFound
        If the history holds no ticket of this id.
    Forbidden
        If all tickets of the topic belong to access groups.
    """
    row = suggester.index.row_of(ticket_id, system=system)
    stored = history.cases([row]).get(row) if row is not None else None
    if stored is None:
        raise NotFound(f"The history holds no ticket {ticket_id!r}; 'precedent report runbooks' names one a topic.")
    vector = embed_cases(history, suggester.encoder, [stored])[0]
    newest = [change.case for change in history.changes_since(max(0, history.last_change() - _SAMPLE), _SAMPLE)]
    reach = usual_nearness(embed_cases(history, suggester.encoder, [case for case in newest if case is not None]))
    where = CaseFilter(category=stored.case.outcome.category)
    rows, cosines = suggester.index.nearest(vector, _MOST_CASES, where)
    near = [int(row) for row, cosine in zip(rows, cosines, strict=True) if cosine >= reach]
    found = history.cases(near)
    # What is made of a topic is read by all.
    cases = [found[row].case for row in near if row in found and found[row].case.ticket.access_group is None]
    if not cases:
        raise Forbidden(
            f"Ticket {ticket_id!r} and those like it belong to access groups, and a runbook is read by all; name "
            "another."
        )
    return TopicCases(cases, common_words([model_text(case.ticket).text for case in cases], statistics))
