"""What agents made of suggested cases and runbooks: what somebody looked at and called right for a ticket, or not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from sqlalchemy import select

from features.history import History
from features.schema import SAID_IN_ORDER, journal_feedback, journal_suggestions, tickets


def case_feedback(history: History, kind: Literal["accepted", "wrong"]) -> list[tuple[int, int]]:
    """Rows of a ticket and of the case that was suggested for it, each pair once, where the history holds both.

    Parameters
    ----------
    kind : str
        What was said of the case last; the case is one of the ticket's own system.
    """
    asked, shown = tickets.alias(), tickets.alias()
    statement = (
        select(asked.c.row_id, shown.c.row_id, journal_feedback.c.kind)
        .select_from(journal_feedback)
        .join(journal_suggestions, journal_suggestions.c.request_id == journal_feedback.c.request_id)
        .join(
            asked,
            (asked.c.system == journal_suggestions.c.ticket_system) & (asked.c.id == journal_suggestions.c.ticket_id),
        )
        .join(
            shown,
            (shown.c.system == journal_suggestions.c.ticket_system) & (shown.c.id == journal_feedback.c.ref_id),
        )
        .where(journal_feedback.c.target == "case", asked.c.row_id != shown.c.row_id)
        .order_by(*SAID_IN_ORDER)
    )
    with history.reading() as connection:
        said = {(asked_row, shown_row): last for asked_row, shown_row, last in connection.execute(statement)}
    return sorted(pair for pair, last in said.items() if last == kind)


def runbook_feedback(history: History, kind: Literal["accepted", "wrong"]) -> list[tuple[int, str]]:
    """Rows of a ticket and ids of the runbook that was suggested for it, each pair once.

    Parameters
    ----------
    kind : str
        What was said of the runbook last.
    """
    statement = (
        select(tickets.c.row_id, journal_feedback.c.ref_id, journal_feedback.c.kind)
        .select_from(journal_feedback)
        .join(journal_suggestions, journal_suggestions.c.request_id == journal_feedback.c.request_id)
        .join(
            tickets,
            (tickets.c.system == journal_suggestions.c.ticket_system)
            & (tickets.c.id == journal_suggestions.c.ticket_id),
        )
        .where(journal_feedback.c.target == "runbook", journal_feedback.c.ref_id.is_not(None))
        .order_by(*SAID_IN_ORDER)
    )
    with history.reading() as connection:
        said = {(row, runbook): last for row, runbook, last in connection.execute(statement)}
    return sorted(pair for pair, last in said.items() if last == kind)


def by_row(pairs: Iterable[tuple[int, str]]) -> Mapping[int, frozenset[str]]:
    """Ids of the runbooks of each ticket's row."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for row, runbook in pairs:
        found[row].add(runbook)
    return {row: frozenset(runbooks) for row, runbooks in found.items()}
