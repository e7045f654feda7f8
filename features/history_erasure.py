"""Forgetting a ticket: everything that holds its words goes in one transaction."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Text, and_, cast, delete, exists, insert, or_, select, update

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


def erase(connection: Connection, case_id: str, system: str) -> int:
    """Remove a ticket and leave a tombstone that holds no text, inside a transaction that writes.

    The journal may know a ticket that was asked about and never stored: then its entries go, and no change is made.

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
    stored = read_case(connection, case_id, system)
    hashes = set() if stored is None else _text_hashes(connection, stored)
    was_in_journal = _erase_journal(connection, case_id, system, hashes)
    if stored is None:
        if not was_in_journal:
            raise UnknownCase(
                f"The history holds no ticket {case_id!r} of {system!r}; check the id and the system.", field="id"
            )
        return counter_value(connection, CHANGES)
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


def _erase_journal(connection: Connection, case_id: str, system: str, text_hashes: set[str]) -> bool:
    """Clear the journal of a ticket; answers whether there was anything of it."""
    entries = journal_suggestions.c
    # A suggestion is often asked before the ticket has an id: the same words give it away.
    about = and_(
        entries.ticket_system == system,
        or_(entries.ticket_id == case_id, and_(entries.ticket_id.is_(None), entries.model_text_sha.in_(text_hashes))),
    )
    asked = connection.scalars(select(entries.request_id).where(about)).all()
    for page in pages(asked):
        connection.execute(delete(journal_feedback).where(journal_feedback.c.request_id.in_(page)))
        connection.execute(delete(journal_suggestions).where(entries.request_id.in_(page)))
    # Answers show cases of every system and do not say of which one: rather one item too many goes than one too few.
    feedback = connection.execute(
        delete(journal_feedback).where(
            journal_feedback.c.ref_id == case_id, journal_feedback.c.target.in_(_QUOTING_TARGETS)
        )
    )
    n_redacted = _redact_answers(connection, case_id)
    return bool(asked) or feedback.rowcount > 0 or n_redacted > 0


def _redact_answers(connection: Connection, case_id: str) -> int:
    """Take the ticket out of the answers that showed it to others; answers how many there were."""
    entries = journal_suggestions.c
    quoting = select(entries.request_id, entries.answer).where(
        cast(entries.answer, Text).contains(json.dumps(case_id), autoescape=True)
    )
    n_redacted = 0
    for row in connection.execute(quoting).all():
        redacted = without_case(row.answer, case_id)
        if redacted != row.answer:
            statement = update(journal_suggestions).where(entries.request_id == row.request_id)
            connection.execute(statement.values(answer=redacted))
            n_redacted += 1
    return n_redacted


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
