"""Who has been said to be no duplicate of whom: links of cases, and what agents said of suggested ones."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, select

from features.case_entries import CaseEntry
from features.history import History
from features.history_reads import ROWS
from features.history_writes import pages
from features.schema import SAID_IN_ORDER, journal_feedback, journal_suggestions, links
from features.ticket import LinkType

# Put together once, as in features.history_reads.
_DENIALS = select(links.c.from_row, links.c.to_id).where(
    links.c.from_row.in_(ROWS), links.c.type == LinkType.NOT_DUPLICATE_OF.value
)
_FEEDBACK = (
    select(journal_feedback.c.target, journal_feedback.c.ref_id, journal_feedback.c.kind)
    .join_from(journal_feedback, journal_suggestions, journal_suggestions.c.request_id == journal_feedback.c.request_id)
    .where(
        journal_suggestions.c.ticket_system == bindparam("system"),
        journal_suggestions.c.ticket_id == bindparam("ticket_id"),
        journal_feedback.c.target.in_(("case", "runbook")),
        journal_feedback.c.ref_id.is_not(None),
    )
    .order_by(*SAID_IN_ORDER)
)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was said of some cases.

    Attributes
    ----------
    pairs : frozenset of frozenset of int
        Rows of two cases that are not the same problem.
    not_this : frozenset of int
        Rows of cases that are not the problem of the ticket that is asked about.
    refused_runbooks : frozenset of str
        Ids of the runbooks that were suggested for that ticket and called wrong.
    """

    pairs: frozenset[frozenset[int]] = frozenset()
    not_this: frozenset[int] = frozenset()
    refused_runbooks: frozenset[str] = frozenset()

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
        rows = {(entry.system, entry.id): entry.row_id for entry in entries}
        names = {entry.row_id: (entry.system, entry.id) for entry in entries}
        own = (self.system, ticket_id or "")
        if own_row is not None and entries:
            names[own_row] = own
        if not names and ticket_id is None:
            return NO_VERDICTS
        with self.history.reading() as connection:
            said = [(names[row], (names[row][0], to_id)) for row, to_id in _denials(connection, list(names))]
            wrong = {} if ticket_id is None else _called_wrong(connection, self.system, ticket_id)
        # An answer does not say of which system a case is: rather one too many is left out than one too few.
        said += [(own, name) for name in rows if name[1] in wrong.get("case", ())]
        return Verdicts(
            pairs=frozenset(frozenset((rows[a], rows[b])) for a, b in said if {a, b} <= rows.keys()),
            not_this=frozenset(
                rows[name] for pair in said if own in pair for name in pair if name != own and name in rows
            ),
            refused_runbooks=frozenset(wrong.get("runbook", ())),
        )


def _denials(connection: Connection, row_ids: Sequence[int]) -> list[tuple[int, str]]:
    """Links that say "no duplicate", as the row they are of and the id they name."""
    found: list[tuple[int, str]] = []
    for page in pages(row_ids):
        found += [(row.from_row, row.to_id) for row in connection.execute(_DENIALS, {"rows": page})]
    return found


def _called_wrong(connection: Connection, system: str, ticket_id: str) -> Mapping[str, Sequence[str]]:
    """Ids of cases and of runbooks, by target, that were suggested for a ticket and last called wrong."""
    rows = connection.execute(_FEEDBACK, {"system": system, "ticket_id": ticket_id})
    said = {(row.target, row.ref_id): row.kind for row in rows}
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for (target, ref_id), last in said.items():
        if last == "wrong":
            wrong[target].append(ref_id)
    return wrong
