"""How cases get into the history: one transaction a batch, change numbers in the order of commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, insert, select, update

from features.history_rows import UpsertResult, content_hash, link_values, message_values, outcome_values, ticket_values
from features.schema import CHANGES, ROWS, change_counter, links, messages, outcomes, superseded, tickets
from features.ticket import Case

PAGE = 500
"""Most values in one SQL ``IN``."""


def lock(connection: Connection) -> None:
    """Make writers wait for each other, so that change numbers become visible in the order they were given.

    PostgreSQL locks the counter's row; SQLite's transaction holds the only write lock already.
    """
    connection.execute(select(change_counter.c.value).where(change_counter.c.name == CHANGES).with_for_update())


def take_numbers(connection: Connection, counter: str, count: int) -> int:
    """First of the next ``count`` numbers of a counter; they go back when the transaction does not commit."""
    statement = (
        update(change_counter)
        .where(change_counter.c.name == counter)
        .values(value=change_counter.c.value + count)
        .returning(change_counter.c.value)
    )
    return int(connection.execute(statement).scalar_one()) - count + 1


def counter_value(connection: Connection, counter: str) -> int:
    """Highest number that a counter has given."""
    return int(connection.execute(select(change_counter.c.value).where(change_counter.c.name == counter)).scalar_one())


def pages(values: Iterable[Any], size: int = PAGE) -> Iterator[list[Any]]:
    """Cut into lists of at most ``size``.

    Examples
    --------
    >>> list(pages([1, 2, 3], 2))
    [[1, 2], [3]]
    """
    page: list[Any] = []
    for value in values:
        page.append(value)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page


@dataclass(frozen=True, slots=True)
class _Known:
    """What the history says about a case before the upsert."""

    row_id: int
    change: int
    version: int | None
    content_hash: bytes
    masking_rules: str


@dataclass(slots=True)
class _Write:
    case: Case
    digest: bytes
    known: _Known | None
    row_id: int = 0
    change: int = 0


@dataclass(slots=True)
class _Plan:
    writes: list[_Write] = field(default_factory=list)
    # Same content under a later version or other masking rules: noted without a change number.
    notes: list[dict[str, Any]] = field(default_factory=list)
    unchanged: int = 0
    change: int = 0


def upsert(connection: Connection, cases: Sequence[Case], masking_rules: str) -> UpsertResult:
    """Store cases, by system and id, inside a transaction that writes.

    Parameters
    ----------
    cases : sequence of Case
        Already masked (:mod:`features.intake`); where an id comes twice, in their order.
    masking_rules : str
        Version of the rules they were masked under.
    """
    lock(connection)
    inserted = updated = unchanged = change = 0
    for group in _groups(cases):
        plan = _plan(group, _known(connection, group), masking_rules)
        _number(connection, plan.writes)
        _store(connection, plan, masking_rules)
        n_new = sum(write.known is None for write in plan.writes)
        inserted += n_new
        updated += len(plan.writes) - n_new
        unchanged += plan.unchanged
        change = max([change, plan.change, *(write.change for write in plan.writes)])
    return UpsertResult(inserted, updated, unchanged, change)


def _groups(cases: Sequence[Case]) -> Iterator[list[Case]]:
    """Cut so that no group holds an id twice: what comes second meets what the first one stored."""
    group: dict[tuple[str, str], Case] = {}
    for case in cases:
        key = (case.system, case.id)
        if key in group or len(group) == PAGE:
            yield list(group.values())
            group = {}
        group[key] = case
    if group:
        yield list(group.values())


def _known(connection: Connection, cases: Sequence[Case]) -> dict[tuple[str, str], _Known]:
    ids: defaultdict[str, list[str]] = defaultdict(list)
    for case in cases:
        ids[case.system].append(case.id)
    columns = tickets.c
    known = {}
    for system, some in ids.items():
        rows = connection.execute(
            select(
                columns.id, columns.row_id, columns.change, columns.version, columns.content_hash, columns.masking_rules
            ).where(columns.system == system, columns.id.in_(some))
        )
        for row in rows:
            known[system, row.id] = _Known(
                row.row_id, row.change, row.version, bytes(row.content_hash), row.masking_rules
            )
    return known


def _plan(cases: Sequence[Case], known: dict[tuple[str, str], _Known], masking_rules: str) -> _Plan:
    plan = _Plan()
    for case in cases:
        row = known.get((case.system, case.id))
        if row is not None and _is_stale(case, row):
            plan.unchanged += 1
            plan.change = max(plan.change, row.change)
            continue
        digest = content_hash(case)
        if row is None or row.content_hash != digest:
            plan.writes.append(_Write(case, digest, row))
            continue
        plan.unchanged += 1
        plan.change = max(plan.change, row.change)
        version = _version(case, row)
        if version != row.version or masking_rules != row.masking_rules:
            plan.notes.append({"b_row_id": row.row_id, "version": version, "masking_rules": masking_rules})
    return plan


def _is_stale(case: Case, row: _Known) -> bool:
    version = case.ticket.version
    return version is not None and row.version is not None and version < row.version


def _version(case: Case, row: _Known | None) -> int | None:
    """The case's version; one that comes without keeps what is known, so that older ones stay out."""
    return case.ticket.version if case.ticket.version is not None or row is None else row.version


def _number(connection: Connection, writes: Sequence[_Write]) -> None:
    if not writes:
        return
    new = [write for write in writes if write.known is None]
    if new:
        for row_id, write in enumerate(new, take_numbers(connection, ROWS, len(new))):
            write.row_id = row_id
    for change, write in enumerate(writes, take_numbers(connection, CHANGES, len(writes))):
        write.change = change
        if write.known is not None:
            write.row_id = write.known.row_id


def _store(connection: Connection, plan: _Plan, masking_rules: str) -> None:
    new = [write for write in plan.writes if write.known is None]
    old = [write for write in plan.writes if write.known is not None]
    created = _forget_parts(connection, [write.row_id for write in old])
    _execute(connection, update(tickets).where(tickets.c.row_id == bindparam("b_row_id")), plan.notes)
    _execute(
        connection,
        insert(tickets),
        [
            {"row_id": write.row_id, "system": write.case.system, "id": write.case.id}
            | _ticket_columns(write, masking_rules)
            for write in new
        ],
    )
    _execute(connection, insert(outcomes), [{"row_id": write.row_id} | outcome_values(write.case) for write in new])
    _execute(
        connection,
        update(tickets).where(tickets.c.row_id == bindparam("b_row_id")),
        [{"b_row_id": write.row_id} | _ticket_columns(write, masking_rules) for write in old],
    )
    _execute(
        connection,
        update(outcomes).where(outcomes.c.row_id == bindparam("b_row_id")),
        [{"b_row_id": write.row_id} | outcome_values(write.case) for write in old],
    )
    _execute(connection, insert(messages), [row for w in plan.writes for row in message_values(w.row_id, w.case)])
    _execute(
        connection,
        insert(links),
        [row for w in plan.writes for row in link_values(w.row_id, w.case, w.change, created)],
    )


def _execute(connection: Connection, statement: Executable, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(statement, rows)


def _ticket_columns(write: _Write, masking_rules: str) -> dict[str, Any]:
    return ticket_values(write.case) | {
        "change": write.change,
        "version": _version(write.case, write.known),
        "content_hash": write.digest,
        "masking_rules": masking_rules,
    }


def _forget_parts(connection: Connection, row_ids: Sequence[int]) -> dict[tuple[int, str, str], int]:
    """Delete messages and links that are about to be written anew; answers which change brought each link."""
    if not row_ids:
        return {}
    found = connection.execute(
        select(links.c.from_row, links.c.type, links.c.to_id, links.c.created_change).where(
            links.c.from_row.in_(row_ids)
        )
    )
    created = {(row.from_row, row.type, row.to_id): row.created_change for row in found}
    connection.execute(delete(links).where(links.c.from_row.in_(row_ids)))
    connection.execute(delete(messages).where(messages.c.row_id.in_(row_ids)))
    return created


def note_superseded(connection: Connection, contents: Iterable[tuple[str, bytes]], system: str) -> None:
    """Store contents (id, hash) that a later row of the same import file replaced."""
    lock(connection)
    for page in pages(contents):
        ids = [case_id for case_id, _ in page]
        columns = select(tickets.c.id, tickets.c.row_id)
        found = connection.execute(columns.where(tickets.c.system == system, tickets.c.id.in_(ids)))
        rows = {row.id: row.row_id for row in found}
        noted = connection.execute(select(superseded).where(superseded.c.row_id.in_(rows.values())))
        known = {(row.row_id, bytes(row.content_hash)) for row in noted}
        wanted = {(rows[case_id], digest) for case_id, digest in page if case_id in rows} - known
        _execute(connection, insert(superseded), [{"row_id": row, "content_hash": digest} for row, digest in wanted])
