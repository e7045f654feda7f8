"""Forgetting what is old: the journal's rows and the chain's first entries go, a checkpoint stays in their place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Delete, delete, select, update

from features.audit_chain import ChainEnd, Event, Kind
from features.schema import audit_chain, audit_head, journal_feedback, journal_suggestions

# Each transaction keeps the journal waiting while it runs.
_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many entries of the chain went, and how many rows of the journal; ``is_done`` when no more are to go."""

    entries: int = 0
    rows: int = 0
    is_done: bool = False

    def __add__(self, other: Pruned) -> Pruned:
        return Pruned(self.entries + other.entries, self.rows + other.rows, other.is_done)


def prune(connection: Connection, before: datetime, *, limit: int = _AT_ONCE) -> Pruned:
    """Remove some of the entries from before a time with their rows, inside a transaction that writes.

    What goes is a beginning of the chain, up to the first entry that is young enough: a clock that went back makes
    entries stay longer, never leaves a hole. An entry at the end of the chain tells up to where it went, so the
    checkpoint cannot be moved without being noticed.

    Parameters
    ----------
    limit : int
        Most entries to remove.
    """
    chain = ChainEnd(connection)
    entries = audit_chain.c
    first_kept = connection.scalar(select(entries.seq).where(entries.at >= before).order_by(entries.seq).limit(1))
    wanted = chain.seq if first_kept is None else first_kept - 1
    last = min(wanted, chain.base_seq + limit)
    n_rows = _forget_unchained(connection, before)
    if last <= chain.base_seq:
        return Pruned(rows=n_rows, is_done=True)
    digest = connection.execute(select(entries.hash).where(entries.seq == last)).scalar_one()
    for table in (journal_feedback, journal_suggestions):
        n_rows += _count(connection, delete(table).where(table.c.audit_seq <= last))
    n_entries = _count(connection, delete(audit_chain).where(entries.seq <= last))
    connection.execute(update(audit_head).values(base_seq=last, base_hash=digest))
    chain.append([Event(Kind.RETENTION, datetime.now(UTC), None, {"through": last, "hash": digest})])
    return Pruned(n_entries, n_rows, is_done=last == wanted)


def _forget_unchained(connection: Connection, before: datetime) -> int:
    """Remove old rows that were in the journal before the chain began."""
    return sum(
        _count(connection, delete(table).where(table.c.audit_seq.is_(None), table.c.at < before))
        for table in (journal_feedback, journal_suggestions)
    )


def _count(connection: Connection, statement: Delete) -> int:
    return int(connection.execute(statement).rowcount)
