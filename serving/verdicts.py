"""Who has been said to be no duplicate of whom: links of cases, and what agents said of suggested ones."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, select

from features.case_entries import CaseEntry
from features.history import History
from features.history_writes import pages
from features.schema import SAID_IN_ORDER, journal_feedback, journal_suggestions, links
from features.ticket import LinkType


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was said of some cases.

    Attributes
    ----------
    pairs : frozenset of frozenset of int
        Rows of two cases that are not the same problem.
    not_this : frozenset of int
        Rows of cases that are not the problem of the ticket that is asked about.
    """

    pairs: frozenset[frozenset[int]] = frozenset()
    not_this: frozenset[int] = frozenset()

    def deny(self, one: Iterable[int], other: Iterable[int]) -> bool:
        """Whether a row of one set and a row of another were said to be different problems."""
        others = list(other)
        return bool(self.pairs) and any(frozenset((a, b)) in self.pairs for a in one for b in others)


NO_VERDICTS = Verdicts()


@dataclass(frozen=True, slots=True)
class VerdictReader:
    """Reads verdicts from a history.

    Attributes
    ----------
    system : str
        Of the tickets that are asked about.
    """

    history: History
    system: str

    def read(self, ticket_id: str | None, own_row: int | None, entries: Sequence[CaseEntry]) -> Verdicts:
        """What was said of cases, among each other and of a ticket.

        Parameters
        ----------
        ticket_id : str or None
            Of the ticket that is asked about.
        own_row : int or None
            Its row, where it is a case of the history.
        """
        if not entries:
            return NO_VERDICTS
        rows = {(entry.system, entry.id): entry.row_id for entry in entries}
        names = {entry.row_id: (entry.system, entry.id) for entry in entries}
        own = (self.system, ticket_id or "")
        if own_row is not None:
            names[own_row] = own
        with self.history.reading() as connection:
            said = [(names[row], (names[row][0], to_id)) for row, to_id in _denials(connection, list(names))]
            if ticket_id is not None:
                wrong = set(_called_wrong(connection, self.system, ticket_id, "case"))
                # An answer does not say of which system a case is: rather one too many is left out than one too few.
                said += [(own, name) for name in rows if name[1] in wrong]
        return Verdicts(
            pairs=frozenset(frozenset((rows[a], rows[b])) for a, b in said if {a, b} <= rows.keys()),
            not_this=frozenset(
                rows[name] for pair in said if own in pair for name in pair if name != own and name in rows
            ),
        )

    def refused_runbooks(self, ticket_id: str | None) -> frozenset[str]:
        """Ids of the runbooks that were suggested for a ticket and called wrong."""
        if ticket_id is None:
            return frozenset()
        with self.history.reading() as connection:
            return frozenset(_called_wrong(connection, self.system, ticket_id, "runbook"))


def _denials(connection: Connection, row_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Links that say "no duplicate", as the row they are of and the id they name."""
    found: list[tuple[int, str]] = []
    for page in pages(row_ids):
        statement = select(links.c.from_row, links.c.to_id).where(
            links.c.from_row.in_(page), links.c.type == LinkType.NOT_DUPLICATE_OF.value
        )
        found += [(row.from_row, row.to_id) for row in connection.execute(statement)]
    return found


def _called_wrong(
    connection: Connection, system: str, ticket_id: str, target: Literal["case", "runbook"]
) -> Sequence[str]:
    """Ids of cases or runbooks that were suggested for a ticket and last called wrong."""
    statement = (
        select(journal_feedback.c.ref_id, journal_feedback.c.kind)
        .join_from(
            journal_feedback, journal_suggestions, journal_suggestions.c.request_id == journal_feedback.c.request_id
        )
        .where(
            journal_suggestions.c.ticket_system == system,
            journal_suggestions.c.ticket_id == ticket_id,
            journal_feedback.c.target == target,
            journal_feedback.c.ref_id.is_not(None),
        )
        .order_by(*SAID_IN_ORDER)
    )
    said = {row.ref_id: row.kind for row in connection.execute(statement)}
    return [ref_id for ref_id, last in said.items() if last == "wrong"]
