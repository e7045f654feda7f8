"""The audit chain: what happened, in an order that cannot be changed without being noticed.

Each entry holds the hash of the one before. Entries hold no words of a ticket, no name and no id that a client made up,
because none of them can be taken back: of what may have to be erased they hold a salted hash
(:mod:`features.audit_content`). docs/audit.md says how anybody can verify the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, insert, select, update

from features.errors import HistoryUnavailable
from features.schema import audit_chain, audit_head

if TYPE_CHECKING:
    from features.history import History

FORMAT = "precedent-audit-1"
"""First line of what is hashed: another way of hashing would have another name."""
NOTHING = "0" * 64
"""Previous hash of the first entry."""
COMMAND_LINE = "cli"
"""Actor of what was done with a command, and not through the service."""

# Made once: the journal runs them for every suggestion.
_HOLD = select(audit_head).with_for_update()
_ENTER = insert(audit_chain)
_MOVE_HEAD = update(audit_head)


class Kind(StrEnum):
    """What an entry tells of."""

    START = "start"
    SUGGESTION = "suggestion"
    FEEDBACK = "feedback"
    ERASE = "erase"
    KEY_CREATED = "key_created"
    KEY_ROTATED = "key_rotated"
    KEY_REVOKED = "key_revoked"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class Event:
    """Something to enter.

    Attributes
    ----------
    at : aware datetime
    actor : str or None
        Id of the caller's key, pseudonym of a person, :data:`COMMAND_LINE`, or None where no key was asked for.
    payload : mapping
        Of JSON; without words that may have to be erased.
    """

    kind: Kind
    at: datetime
    actor: str | None
    payload: Mapping[str, Any]


class ChainEnd:
    """The end of the chain, held against other writers until the transaction ends.

    Take it before reading what the entries are to tell of. A transaction that also takes the history's own lock
    (:func:`features.history_writes.lock`) takes that one first, so that no two wait for each other.

    Parameters
    ----------
    connection : Connection
        In a transaction that writes.

    Raises
    ------
    HistoryUnavailable
        If the head of the chain is gone.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        head = connection.execute(_HOLD).one_or_none()
        if head is None:
            raise HistoryUnavailable(
                "The head of the audit chain is gone, so nothing can be added to it; restore the history from a backup."
            )
        self.seq: int = head.seq
        self.hash: str = head.hash
        self.base_seq: int = head.base_seq

    def append(self, events: Sequence[Event]) -> list[int]:
        """Enter events in their order; answers the numbers that they got."""
        rows: list[dict[str, Any]] = []
        for event in events:
            payload = canonical_json(event.payload)
            digest = entry_hash(self.seq + 1, event.at, event.kind, event.actor, self.hash, payload)
            values = {"seq": self.seq + 1, "at": event.at, "kind": event.kind.value, "actor": event.actor}
            rows.append({**values, "payload": payload, "previous": self.hash, "hash": digest})
            self.seq, self.hash = self.seq + 1, digest
        if rows:
            self._connection.execute(_ENTER, rows)
            self._connection.execute(_MOVE_HEAD, {"seq": self.seq, "hash": self.hash})
        return [row["seq"] for row in rows]


def enter(history: History, kind: Kind, actor: str | None, payload: Mapping[str, Any]) -> None:
    """Enter one event that happens now, in a transaction of its own.

    Raises
    ------
    HistoryUnavailable
        If the history's database does not answer.
    """
    with history.writing() as connection:
        ChainEnd(connection).append([Event(kind, datetime.now(UTC), actor, payload)])


def entry_hash(seq: int, at: datetime, kind: str, actor: str | None, previous: str, payload: str) -> str:
    r"""Hash of an entry: SHA-256 of seven lines, joined by line feeds, in hexadecimal.

    Examples
    --------
    >>> entry_hash(1, datetime(2026, 3, 1, tzinfo=UTC), "start", None, NOTHING, '{"unchained":0}')
    '4e1e0d5e8e9b734fe31fbf28abcf6419e68ff2b2230267c9b3ef8f0b425e98c7'
    """
    time = at.astimezone(UTC).isoformat(timespec="microseconds")
    lines = (FORMAT, str(seq), time, kind, actor or "", previous, payload)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def canonical_json(value: object) -> str:
    """JSON as it is hashed: sorted keys, no blanks, ASCII.

    Examples
    --------
    >>> canonical_json({"b": [1.5, None], "a": "ü"})
    '{"a":"\\\\u00fc","b":[1.5,null]}'
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
