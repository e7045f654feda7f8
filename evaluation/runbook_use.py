"""What became of runbooks and of the tickets they are for: followed, suggested, refused, reopened, or missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import select

from features.encoder import Encoder
from features.history import History, StoredCase
from features.runbook_index import RunbookIndex
from features.runbook_query import RunbookQuery
from features.schema import journal_suggestions
from features.text import ModelText, model_text
from features.vectors import embed_cases
from serving.case_feedback import by_row, runbook_feedback
from serving.runbook_answers import linked_runbooks

# A ticket counts for a runbook that it does not link to where that is as likely as not the one to follow.
_MIN_RELEVANCE = 0.5
_PAGE = 500


@dataclass(frozen=True, slots=True, eq=False)
class RunbookTicket:
    """A ticket with the runbooks that it is for.

    Attributes
    ----------
    followed : frozenset of str
        Ids of the runbooks that it links to, that its agents named, or that somebody accepted for it.
    best : str or None
        The runbook that its text calls for; None where none fits.
    """

    stored: StoredCase
    text: ModelText
    followed: frozenset[str]
    best: str | None

    @property
    def runbooks(self) -> frozenset[str]:
        """The runbooks of its topic: those that were followed, else the one that its text calls for."""
        return self.followed or frozenset({self.best} if self.best else ())


@dataclass(frozen=True, slots=True, eq=False)
class RunbookUse:
    """Tickets of a span with their runbooks, and what was said of suggested ones.

    Attributes
    ----------
    tickets : sequence of RunbookTicket, length n
    vectors : ndarray of float32, shape (n, dimension)
    since, until : datetime
        Creation times of the span, in UTC.
    suggested : mapping of str to int
        For each runbook, how often it stood in an answer.
    accepted, refused : mapping of str to int
        For each runbook, the tickets that it was accepted or refused for.
    """

    tickets: Sequence[RunbookTicket]
    vectors: NDArray[np.float32]
    since: datetime
    until: datetime
    suggested: Mapping[str, int]
    accepted: Mapping[str, int]
    refused: Mapping[str, int]

    @property
    def months(self) -> float:
        """Length of the span."""
        return max((self.until - self.since) / timedelta(days=365.25 / 12), 1.0)


def runbook_use(
    history: History, encoder: Encoder, index: RunbookIndex, *, days: int, progress: Callable[[int, int], None]
) -> RunbookUse | None:
    """Read the tickets of the newest ``days`` of a history; None where it has no dated ticket.

    Parameters
    ----------
    progress : callable
        Told how many tickets are done, and of how many.
    """
    cases = list(_cases(history))
    until = max((at for case in cases if (at := case.case.ticket.created_at)), default=None)
    if until is None:
        return None
    oldest = until - timedelta(days=days)
    chosen = [case for case in cases if (at := case.case.ticket.created_at) and at >= oldest]
    since = max(oldest, min(at for case in chosen if (at := case.case.ticket.created_at)))
    accepted, refused = (runbook_feedback(history, kind) for kind in ("accepted", "wrong"))
    said = _Said(by_row(accepted), by_row(refused))
    rows = {case.row_id for case in chosen}
    vectors = embed_cases(history, encoder, chosen)
    tickets = []
    for number, (case, vector) in enumerate(zip(chosen, vectors, strict=True), 1):
        tickets.append(_ticket(case, vector, encoder, index, said))
        progress(number, len(chosen))
    return RunbookUse(
        tickets=tickets,
        vectors=vectors,
        since=since,
        until=until,
        suggested=_suggested(history, since),
        accepted=Counter(name for row, name in accepted if row in rows),
        refused=Counter(name for row, name in refused if row in rows),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """By row of the ticket, the runbooks that somebody accepted or refused for it."""

    accepted: Mapping[int, frozenset[str]]
    refused: Mapping[int, frozenset[str]]


def _ticket(
    stored: StoredCase, vector: NDArray[np.float32], encoder: Encoder, index: RunbookIndex, said: _Said
) -> RunbookTicket:
    text = model_text(stored.case.ticket)
    row = stored.row_id
    accepted, refused = said.accepted.get(row, frozenset()), said.refused.get(row, frozenset())
    followed = (linked_runbooks(stored.case, index.names) | accepted) - refused
    best = None
    if not followed:
        hits = index.search(RunbookQuery.of(text, vector, encoder), limit=1)
        best = next((hit.id for hit in hits if hit.relevance >= _MIN_RELEVANCE and hit.id not in refused), None)
    return RunbookTicket(stored, text, followed, best)


def _cases(history: History) -> Iterable[StoredCase]:
    after = 0
    while changes := history.changes_since(after, _PAGE):
        yield from (change.case for change in changes if change.case is not None)
        after = changes[-1].change


def _suggested(history: History, since: datetime) -> Mapping[str, int]:
    """How often each runbook stood in an answer."""
    statement = select(journal_suggestions.c.answer).where(journal_suggestions.c.at >= since)
    with history.reading() as connection:
        return Counter(
            hit["id"] for row in connection.execute(statement) for hit in (row.answer or {}).get("runbooks") or ()
        )
