"""Between the history's tables and the objects that the rest of the program handles."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray
from sqlalchemy import Row, select

from features.schema import outcomes, tickets
from features.ticket import (
    Author,
    Case,
    FixOutcome,
    Link,
    LinkType,
    Message,
    Outcome,
    Severity,
    Status,
    Ticket,
)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case as the history holds it.

    Attributes
    ----------
    row_id : int
        Names the case inside Precedent; never given to another one, even after an erasure.
    change : int
        Number of the change that made the row what it is.
    content_hash : bytes
        See :func:`content_hash`; as it was when the case was stored.
    masking_rules : str
        Version of the rules that its texts were masked under.
    """

    row_id: int
    change: int
    content_hash: bytes
    masking_rules: str
    case: Case


class StoredVersions(NamedTuple):
    """What tells versions of cases apart, without their texts.

    Attributes
    ----------
    row_ids, changes, digests : ndarrays of int64, shape (n,)
        Digests by :func:`digests`.
    systems, ids : sequences of str
        By which the sources name them.
    """

    row_ids: NDArray[np.int64]
    changes: NDArray[np.int64]
    digests: NDArray[np.int64]
    systems: Sequence[str]
    ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What one change number did to a row; ``case`` is None where it was erased."""

    change: int
    row_id: int
    case: StoredCase | None


@dataclass(frozen=True, slots=True)
class StoredLink:
    """A link between a case and another case or a runbook.

    Attributes
    ----------
    to_row : int or None
        Row of the linked case; None where the history does not hold it, and for runbooks.
    created_change : int
        Number of the change that brought the link.
    """

    from_row: int
    from_id: str
    type: LinkType
    to_id: str
    to_row: int | None
    created_change: int


@dataclass(frozen=True, slots=True)
class UpsertResult:
    """What an upsert did.

    Attributes
    ----------
    unchanged : int
        Cases that were there already, or that are older than what is there (a lower ``version``).
    change : int
        Highest change number among the cases given: an index that has reached it knows them all.
    """

    inserted: int
    updated: int
    unchanged: int
    change: int


@dataclass(frozen=True, slots=True)
class HistoryCounts:
    """What the history holds; ``earliest`` and ``latest`` are times of creation, in UTC."""

    tickets: int
    resolved: int
    open: int
    links: int
    runbooks: int
    earliest: datetime | None
    latest: datetime | None


def content_hash(case: Case) -> bytes:
    """Sixteen bytes that differ when anything worth storing differs.

    Left out are the id and system, by which a case is found, and the version, which only orders. The order of links
    and of fields does not count.
    """
    ticket, outcome = case.ticket, case.outcome
    content = (
        ticket.subject,
        ticket.description,
        ticket.created_at,
        [(message.at, message.by, message.text) for message in ticket.messages],
        ticket.product,
        ticket.customer,
        ticket.customer_tier,
        ticket.channel,
        ticket.language,
        ticket.access_group,
        ticket.reporter,
        dict(ticket.fields),
        outcome.status,
        outcome.resolved_at,
        outcome.category,
        outcome.severity,
        dict(outcome.targets),
        outcome.resolution,
        outcome.outcome,
        outcome.url,
        sorted({(link.type, link.id) for link in case.links}) if case.links else (),
    )
    data = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(data, digest_size=16).digest()


def digests(hashes: Iterable[bytes]) -> NDArray[np.int64]:
    """The first eight bytes of each content hash, as a number; shape (n_hashes,)."""
    return np.frombuffer(b"".join(each[:8] for each in hashes), dtype="<i8").astype(np.int64)


def ticket_values(case: Case) -> dict[str, Any]:
    """Columns of ``tickets`` that come from the case itself."""
    ticket = case.ticket
    return {
        "subject": ticket.subject,
        "description": ticket.description,
        "created_at": ticket.created_at,
        "product": ticket.product,
        "customer": ticket.customer,
        "customer_tier": ticket.customer_tier,
        "channel": ticket.channel,
        "language": ticket.language,
        "access_group": ticket.access_group,
        "reporter": ticket.reporter,
        "fields": dict(ticket.fields),
    }


def outcome_values(case: Case) -> dict[str, Any]:
    """Columns of ``outcomes`` except the row number."""
    outcome = case.outcome
    return {
        "status": outcome.status.value,
        "resolved_at": outcome.resolved_at,
        "category": outcome.category,
        "severity": None if outcome.severity is None else outcome.severity.value,
        "targets": dict(outcome.targets),
        "resolution": outcome.resolution,
        "outcome": outcome.outcome.value,
        "url": outcome.url,
    }


def message_values(row_id: int, case: Case) -> list[dict[str, Any]]:
    """Rows of ``messages``."""
    return [
        {"row_id": row_id, "position": position, "at": message.at, "author": message.by.value, "text": message.text}
        for position, message in enumerate(case.ticket.messages)
    ]


def link_values(
    row_id: int, case: Case, change: int, created: Mapping[tuple[int, str, str], int]
) -> list[dict[str, Any]]:
    """Rows of ``links``; a link that was there before keeps the change number that brought it."""
    return [
        {
            "from_row": row_id,
            "type": link.type.value,
            "to_id": link.id,
            "position": position,
            "created_change": created.get((row_id, link.type.value, link.id), change),
        }
        for position, link in enumerate(dict.fromkeys(case.links))
    ]


CASE_COLUMNS = select(tickets, *[column for column in outcomes.c if column.name != "row_id"]).join_from(
    tickets, outcomes, tickets.c.row_id == outcomes.c.row_id
)
"""One row a case, for :func:`stored_case`."""


def stored_case(row: Row[Any], messages: Sequence[Row[Any]], links: Sequence[Row[Any]]) -> StoredCase:
    """Put a case together from its row of ``CASE_COLUMNS``, its messages and its links, both by position."""
    ticket = Ticket(
        id=row.id,
        version=row.version,
        subject=row.subject,
        description=row.description,
        created_at=row.created_at,
        messages=tuple(Message(at=each.at, by=Author(each.author), text=each.text) for each in messages),
        product=row.product,
        customer=row.customer,
        customer_tier=row.customer_tier,
        channel=row.channel,
        language=row.language,
        access_group=row.access_group,
        reporter=row.reporter,
        fields=MappingProxyType(row.fields),
    )
    outcome = Outcome(
        status=Status(row.status),
        resolved_at=row.resolved_at,
        category=row.category,
        severity=None if row.severity is None else Severity(row.severity),
        targets=MappingProxyType(row.targets),
        resolution=row.resolution,
        outcome=FixOutcome(row.outcome),
        url=row.url,
    )
    case = Case(
        ticket=ticket,
        outcome=outcome,
        links=tuple(Link(LinkType(each.type), each.to_id) for each in links),
        system=row.system,
    )
    return StoredCase(
        row_id=row.row_id,
        change=row.change,
        content_hash=bytes(row.content_hash),
        masking_rules=row.masking_rules,
        case=case,
    )
