"""Writes that apply once, however often they are sent: the key that names one, kept with what the write did.

Key and write are one transaction, so that neither a crash between them nor two at the same time can apply it twice; see
draft-ietf-httpapi-idempotency-key-header (revision 07). Nothing is kept of a ticket: the key itself, which only the
caller knows, goes into both hashes, and the answer of a repeat is made of its own request and the change number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Connection, delete, insert, select

from features.errors import KeyReused
from features.history_writes import lock
from features.schema import idempotency_keys

KEPT = timedelta(hours=24)
"""How long a repeat is known for one."""


@dataclass(frozen=True, slots=True)
class Once:
    """A write that is named by its caller.

    Attributes
    ----------
    name : str
        SHA-256 of the caller and its key.
    fingerprint : str
        SHA-256 of the key and of what is to be written.
    """

    name: str
    fingerprint: str

    @classmethod
    def of(cls, key: str, *, caller: str, operation: str, request: Mapping[str, Any]) -> Once:
        """Name a request; the order of its fields makes no difference.

        Examples
        --------
        >>> one = Once.of("k", caller="desk", operation="feedback", request={"a": 1, "b": 2})
        >>> one == Once.of("k", caller="desk", operation="feedback", request={"b": 2, "a": 1})
        True
        """
        content = orjson.dumps(request, option=orjson.OPT_SORT_KEYS)
        return cls(
            name=hashlib.sha256(f"{caller}\n{key}".encode()).hexdigest(),
            fingerprint=hashlib.sha256(f"{operation}\n{key}\n".encode() + content).hexdigest(),
        )


@dataclass(frozen=True, slots=True)
class Applied:
    """What a write did that was applied before: the change number that it was answered with, where it had one."""

    change: int | None


def recall(connection: Connection, once: Once) -> Applied | None:
    """What was applied under a name before; None where nothing was. Others under the same name wait for this one.

    Raises
    ------
    KeyReused
        If it was something else.
    """
    lock(connection)
    columns = idempotency_keys.c
    connection.execute(delete(idempotency_keys).where(columns.at < datetime.now(UTC) - KEPT))
    row = connection.execute(select(columns.fingerprint, columns.change).where(columns.name == once.name)).one_or_none()
    if row is None:
        return None
    if row.fingerprint != once.fingerprint:
        raise KeyReused(
            "The Idempotency-Key came with another request before; repeat that one unchanged, or send this one under a "
            "key of its own.",
            field="Idempotency-Key",
        )
    return Applied(row.change)


def remember(connection: Connection, once: Once, change: int | None) -> None:
    """Keep what was applied under a name."""
    connection.execute(
        insert(idempotency_keys).values(
            name=once.name, fingerprint=once.fingerprint, change=change, at=datetime.now(UTC)
        )
    )
