"""Forgetting a ticket: everything that holds its words goes in one transaction."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, delete, exists, insert, or_, select, update

from features.audit_chain import ChainEnd, Event, Kind
from features.audit_content import new_salt, suggestion_hash
from features.errors import UnknownCase
from features.history_reads import read_case
from features.history_rows import StoredCase
from features.history_writes import counter_value, lock, pages, take_numbers
from features.schema import (
    CHANGES,
    journal_feedback,
    journal_suggestions,
    tickets,
    tombstones,
    vector_uses,
    vectors,
)
from features.text import model_text
from features.vectors import text_sha256

_QUOTING_TARGETS = ("case", "resolution")


@dataclass(slots=True)
class _FromJournal:
    """What an erasure took from the journal.

    Attributes
    ----------
    erased : list of int
        Numbers of the entries in the audit chain whose rows are gone.
    redacted : list of (int, str)
        Numbers of those whose answers lost a part, with the hash of what is left.
    """

    is_known: bool = False
    erased: list[int] = field(default_factory=list)
    redacted: list[tuple[int, str]] = field(default_factory=list)

    def add_erased(self, seqs: Sequence[int | None]) -> None:
        """Note rows that are gone; rows from before the chain have no number."""
        self.is_known |= len(seqs) > 0
        self.erased += [seq for seq in seqs if seq is not None]


def erase(connection: Connection, case_id: str, system: str, actor: str | None = None) -> int:
    """Remove a ticket and leave a tombstone that holds no text, inside a transaction that writes.

    The journal may know a ticket that was asked about and never stored: then its entries go, and no change is made.
    The audit chain is told which of its entries have no text any more, and not of which ticket they were.

    Parameters
    ----------
    actor : str or None
        Who erases, as in :class:`features.audit_chain.Event`.

    Returns
    -------
    int
        The change number of the erasure, by which every index learns of it; the last one where only the journal knew
        the ticket.

    Raises
    ------
    UnknownCase
        If neither the history nor the journal holds the ticket.
    """
    lock(connection)
    # Held from here on, so that the journal adds nothing of the ticket between the look into it and the end.
    chain = ChainEnd(connection)
    stored = read_case(connection, case_id, system)
    hashes = set() if stored is None else _text_hashes(connection, stored)
    gone = _erase_journal(connection, case_id, system, hashes)
    if stored is not None:
        change = _erase_stored(connection, stored)
    elif gone.is_known:
        change = counter_value(connection, CHANGES)
    else:
        raise UnknownCase(
            f"The history holds no ticket {case_id!r} of {system!r}; check the id and the system.", field="id"
        )
    payload = {"change": change, "erased": sorted(gone.erased), "redacted": sorted(gone.redacted)}
    chain.append([Event(Kind.ERASE, datetime.now(UTC), actor, payload)])
    return change


def _erase_stored(connection: Connection, stored: StoredCase) -> int:
    """Remove a ticket that the history holds; answers the change number."""
    _erase_vectors(connection, stored.row_id)
    # Outcome, messages, links and vector uses follow the ticket by their foreign keys.
    connection.execute(delete(tickets).where(tickets.c.row_id == stored.row_id))
    change = take_numbers(connection, CHANGES, 1)
    connection.execute(insert(tombstones).values(row_id=stored.row_id, change=change, erased_at=datetime.now(UTC)))
    return change


def _text_hashes(connection: Connection, stored: StoredCase) -> set[str]:
    """Hashes of the ticket's model text, and of those it was ever embedded with: the last part of a vector's key."""
    keys = connection.scalars(select(vector_uses.c.key).where(vector_uses.c.row_id == stored.row_id))
    return {key.rpartition(":")[2] for key in keys} | {text_sha256(model_text(stored.case.ticket).text)}


def _erase_vectors(connection: Connection, row_id: int) -> None:
    others = vector_uses.alias()
    shared = exists().where(others.c.key == vector_uses.c.key, others.c.row_id != row_id)
    own = select(vector_uses.c.key).where(vector_uses.c.row_id == row_id, ~shared)
    connection.execute(delete(vectors).where(vectors.c.key.in_(own)))


def _erase_journal(connection: Connection, case_id: str, system: str, text_hashes: set[str]) -> _FromJournal:
    """Clear the journal of a ticket."""
    gone = _FromJournal()
    entries, said = journal_suggestions.c, journal_feedback.c
    # A suggestion is often asked before the ticket has an id: the same words give it away.
    about = and_(
        entries.ticket_system == system,
        or_(entries.ticket_id == case_id, and_(entries.ticket_id.is_(None), entries.model_text_sha.in_(text_hashes))),
    )
    asked = connection.scalars(select(entries.request_id).where(about)).all()
    for page in pages(asked):
        feedback = delete(journal_feedback).where(said.request_id.in_(page))
        gone.add_erased(connection.scalars(feedback.returning(said.audit_seq)).all())
        suggestions = delete(journal_suggestions).where(entries.request_id.in_(page))
        gone.add_erased(connection.scalars(suggestions.returning(entries.audit_seq)).all())
    # Answers show cases of every system and do not say of which one: rather one item too many goes than one too few.
    quoting = delete(journal_feedback).where(said.ref_id == case_id, said.target.in_(_QUOTING_TARGETS))
    gone.add_erased(connection.scalars(quoting.returning(said.audit_seq)).all())
    _redact_answers(connection, case_id, gone)
    return gone


def _redact_answers(connection: Connection, case_id: str, gone: _FromJournal) -> None:
    """Take the ticket out of the answers that showed it to others."""
    entries = journal_suggestions.c
    quoting = select(journal_suggestions).where(
        cast(entries.answer, Text).contains(json.dumps(case_id), autoescape=True)
    )
    for row in connection.execute(quoting).all():
        answer = without_case(row.answer, case_id)
        if answer == row.answer:
            continue
        gone.is_known = True
        # With the old salt, the rest of the answer and the old hash, the part that goes could be found by trying.
        salt = None if row.audit_seq is None else new_salt()
        if salt is not None:
            gone.redacted.append((row.audit_seq, suggestion_hash({**row._mapping, "answer": answer, "salt": salt})))
        statement = update(journal_suggestions).where(entries.request_id == row.request_id)
        connection.execute(statement.values(answer=answer, salt=salt))


def without_case(answer: Any, case_id: str) -> Any:
    """An answer without the items that show a case, or that sum up cases of which it is one.

    Examples
    --------
    >>> without_case({"similar_cases": [{"id": "A-1"}, {"id": "A-2"}], "resolutions": [{"case_ids": ["A-1"]}]}, "A-1")
    {'similar_cases': [{'id': 'A-2'}], 'resolutions': []}
    """
    if isinstance(answer, dict):
        # A runbook may bear the same id, and shows no ticket.
        return {key: value if key == "runbooks" else without_case(value, case_id) for key, value in answer.items()}
    if isinstance(answer, list):
        return [without_case(item, case_id) for item in answer if not _shows(item, case_id)]
    return answer


def _shows(item: Any, case_id: str) -> bool:
    return isinstance(item, dict) and (item.get("id") == case_id or case_id in (item.get("case_ids") or ()))
