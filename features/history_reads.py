"""How cases, changes and links come out of the history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, select

from features.history_rows import (
    CASE_COLUMNS,
    Change,
    HistoryCounts,
    StoredCase,
    StoredLink,
    StoredVersions,
    digests,
    stored_case,
)
from features.history_writes import pages
from features.schema import links, messages, outcomes, runbooks, tickets, tombstones
from features.ticket import LinkType, Status

_FEW = 500

# Put together once: every suggestion asks these, and making a statement takes longer than running it.
ROWS: BindParameter[Sequence[int]] = bindparam("rows", expanding=True)
"""The rows that a statement is about, given when it is run."""
_CASES = CASE_COLUMNS.where(tickets.c.row_id.in_(ROWS))
_MESSAGES = select(messages).where(messages.c.row_id.in_(ROWS)).order_by(messages.c.position)
_LINKS = select(links).where(links.c.from_row.in_(ROWS)).order_by(links.c.position)


def read_cases(connection: Connection, row_ids: Sequence[int]) -> dict[int, StoredCase]:
    """Cases by row; rows that the history does not hold are left out."""
    found: dict[int, StoredCase] = {}
    for page in pages(row_ids):
        of = {"rows": page}
        rows, thread, linked = (connection.execute(statement, of).all() for statement in (_CASES, _MESSAGES, _LINKS))
        found |= _with_parts(rows, thread, linked)
    return found


def read_case(connection: Connection, case_id: str, system: str) -> StoredCase | None:
    """One case by the id that its source uses."""
    row_id = connection.scalar(select(tickets.c.row_id).where(tickets.c.system == system, tickets.c.id == case_id))
    return None if row_id is None else read_cases(connection, [row_id])[row_id]


def read_page(connection: Connection, after: int, size: int) -> list[StoredCase]:
    """The next cases by row number."""
    rows = connection.execute(CASE_COLUMNS.where(tickets.c.row_id > after).order_by(tickets.c.row_id).limit(size)).all()
    if not rows:
        return []
    last = rows[-1].row_id
    thread = select(messages).where(messages.c.row_id.between(after + 1, last)).order_by(messages.c.position)
    linked = select(links).where(links.c.from_row.between(after + 1, last)).order_by(links.c.position)
    return list(_with_parts(rows, connection.execute(thread), connection.execute(linked)).values())


def read_versions(connection: Connection, after: int, size: int) -> StoredVersions | None:
    """The versions of the next cases by row number; None where there are no more."""
    of = tickets.c
    columns = select(of.row_id, of.change, of.content_hash, of.system, of.id)
    cursor = connection.execute(columns.where(of.row_id > after).order_by(of.row_id).limit(size)).cursor
    found: tuple[list[Any], ...] = ([], [], [], [], [])
    # The driver's own tuples, and few at a time: among the objects of a million cases, more of them would have Python's
    # garbage collector go through all of those again and again, which takes four times as long as the reading.
    while cursor is not None and (rows := cursor.fetchmany(_FEW)):
        for values, more in zip(found, zip(*rows, strict=True), strict=True):
            values.extend(more)
    row_ids, changes, hashes, systems, ids = found
    if not row_ids:
        return None
    return StoredVersions(np.array(row_ids, np.int64), np.array(changes, np.int64), digests(hashes), systems, ids)


def read_erased(connection: Connection, after: int) -> list[int]:
    """Rows that were erased after a change number."""
    return list(connection.scalars(select(tombstones.c.row_id).where(tombstones.c.change > after)))


def read_changes(connection: Connection, after: int, limit: int) -> list[Change]:
    """The next changes by number: what each row is now, or that it is gone."""
    numbers: list[tuple[int, int, bool]] = []
    for table, is_erasure in ((tickets, False), (tombstones, True)):
        statement = select(table.c.change, table.c.row_id).where(table.c.change > after)
        rows = connection.execute(statement.order_by(table.c.change).limit(limit))
        numbers += [(row.change, row.row_id, is_erasure) for row in rows]
    numbers = sorted(numbers)[:limit]
    cases = read_cases(connection, [row_id for _, row_id, is_erasure in numbers if not is_erasure])
    return [Change(change, row_id, cases.get(row_id)) for change, row_id, _ in numbers]


def read_labels(connection: Connection) -> list[tuple[str | None, dict[str, str]]]:
    """Category and further targets of every ticket."""
    return [(row.category, row.targets) for row in connection.execute(select(outcomes.c.category, outcomes.c.targets))]


def read_links(connection: Connection, link_type: LinkType | None) -> Iterator[StoredLink]:
    """Links in the order of their rows, each with the row it points to where there is one."""
    target = tickets.alias()
    statement = (
        select(links, tickets.c.id.label("from_id"), target.c.row_id.label("to_row"))
        .join_from(links, tickets, links.c.from_row == tickets.c.row_id)
        .outerjoin(
            target,
            and_(
                target.c.system == tickets.c.system,
                target.c.id == links.c.to_id,
                links.c.type != LinkType.RUNBOOK.value,
            ),
        )
        .order_by(links.c.from_row, links.c.position)
    )
    if link_type is not None:
        statement = statement.where(links.c.type == link_type.value)
    for row in connection.execute(statement):
        yield StoredLink(row.from_row, row.from_id, LinkType(row.type), row.to_id, row.to_row, row.created_change)


def read_counts(connection: Connection) -> HistoryCounts:
    """Count what is there."""
    is_open = outcomes.c.status == Status.OPEN.value
    n_open = connection.execute(select(func.count()).select_from(outcomes).where(is_open)).scalar_one()
    n_tickets = connection.execute(select(func.count()).select_from(outcomes)).scalar_one()
    # One at a time: SQLite finds a lone min or max by the index.
    earliest = connection.execute(select(func.min(tickets.c.created_at))).scalar_one()
    latest = connection.execute(select(func.max(tickets.c.created_at))).scalar_one()
    return HistoryCounts(
        tickets=n_tickets,
        resolved=n_tickets - n_open,
        open=n_open,
        links=connection.execute(select(func.count()).select_from(links)).scalar_one(),
        runbooks=connection.execute(select(func.count()).select_from(runbooks)).scalar_one(),
        earliest=earliest,
        latest=latest,
    )


def _with_parts(
    rows: Sequence[Row[Any]], thread: Iterable[Row[Any]], linked: Iterable[Row[Any]]
) -> dict[int, StoredCase]:
    """Cases by row, from rows of ``CASE_COLUMNS`` with their messages and links by position."""
    messages_of: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for message in thread:
        messages_of[message.row_id].append(message)
    links_of: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for link in linked:
        links_of[link.from_row].append(link)
    return {row.row_id: stored_case(row, messages_of[row.row_id], links_of[row.row_id]) for row in rows}
