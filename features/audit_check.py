"""Verifying the audit chain, and that the journal still says what its entries vouch for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, func, select

from features.audit_chain import NOTHING, Kind, entry_hash
from features.audit_content import feedback_hash, suggestion_hash
from features.history import History
from features.schema import audit_chain, audit_head, journal_feedback, journal_suggestions

_PAGE = 1_000
_TEXTS = {
    Kind.SUGGESTION.value: (journal_suggestions, suggestion_hash),
    Kind.FEEDBACK.value: (journal_feedback, feedback_hash),
}


@dataclass(frozen=True, slots=True)
class Anchor:
    """An entry as somebody wrote it down elsewhere: the chain must still lead through it."""

    seq: int
    hash: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong; ``seq`` is the number of the entry where it shows, where there is one."""

    seq: int | None
    reason: str


@dataclass(slots=True, kw_only=True)
class AuditReport:
    """What a verification found.

    Attributes
    ----------
    entries, first_at, last_at
        How many entries were checked, and the times of the first and the last of them; all of them where ``fault`` is
        None.
    texts : dict of str to int
        Rows of the journal that were checked against their entries, by kind.
    erased : int
        Entries whose rows an erasure removed.
    unchained : int
        Rows from before the chain began, which no entry vouches for.
    removed_through : int
        Number of the last entry that retention removed; 0 where none was.
    head_seq, head_hash
        The newest entry, to be written down elsewhere.
    """

    head_seq: int = 0
    head_hash: str = NOTHING
    removed_through: int = 0
    entries: int = 0
    texts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_TEXTS, 0))
    erased: int = 0
    unchained: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    fault: Fault | None = None


def verify(history: History, anchor: Anchor | None = None) -> AuditReport:
    """Check every entry of the chain and every row of the journal, in one state of the history.

    Raises
    ------
    HistoryUnavailable
        If the history's database does not answer.
    """
    with history.reading() as connection:
        return _Check(connection, anchor).run()


@dataclass(slots=True)
class _Said:
    """What entries say of earlier ones."""

    erased: set[int] = field(default_factory=set)
    redacted: dict[int, str] = field(default_factory=dict)
    retention: tuple[int, str] = (0, NOTHING)
    n_unchained: int = 0

    def hear(self, row: Row[Any]) -> None:
        """Take in an entry that was found to be as it was entered."""
        payload = json.loads(row.payload)
        if row.kind == Kind.RETENTION.value:
            self.retention = (payload["through"], payload["hash"])
        elif row.kind == Kind.ERASE.value:
            self.erased.update(payload["erased"])
            self.redacted.update(dict(payload["redacted"]))
        elif row.kind == Kind.START.value:
            self.n_unchained = payload["unchained"]


class _Check:
    def __init__(self, connection: Connection, anchor: Anchor | None) -> None:
        self._connection = connection
        self._anchor = anchor
        self._report = AuditReport()
        self._said = _Said()

    def run(self) -> AuditReport:
        """The chain first: it says what the journal should hold."""
        report = self._report
        head = self._connection.execute(select(audit_head)).one_or_none()
        if head is None:
            report.fault = Fault(None, "the head of the chain is gone")
            return report
        report.head_seq, report.head_hash, report.removed_through = head.seq, head.hash, head.base_seq
        report.fault = self._chain_fault(head) or self._end_fault(head) or self._text_fault() or self._stray_fault()
        return report

    def _chain_fault(self, head: Row[Any]) -> Fault | None:
        report = self._report
        seq, previous = head.base_seq, head.base_hash
        for row in self._entries():
            fault = _entry_fault(row, seq + 1, previous) or self._anchor_fault(row.seq, row.hash)
            if fault is not None:
                return fault
            self._said.hear(row)
            seq, previous = row.seq, row.hash
            report.entries += 1
            report.first_at = report.first_at or row.at
            report.last_at = row.at
        if (seq, previous) != (head.seq, head.hash):
            return Fault(seq + 1, f"the chain ends at entry {seq}, and its head says {head.seq}")
        return None

    def _entries(self) -> Iterator[Row[Any]]:
        for page in self._pages(select(audit_chain)):
            yield from page

    def _pages(self, statement: Select[Any]) -> Iterator[Sequence[Row[Any]]]:
        after = None
        while True:
            following = statement if after is None else statement.where(audit_chain.c.seq > after)
            page = self._connection.execute(following.order_by(audit_chain.c.seq).limit(_PAGE)).all()
            if not page:
                return
            yield page
            after = page[-1].seq

    def _text_fault(self) -> Fault | None:
        of_texts = select(audit_chain).where(audit_chain.c.kind.in_(_TEXTS))
        for page in self._pages(of_texts):
            rows = {kind: self._rows_of(table, page) for kind, (table, _) in _TEXTS.items()}
            for entry in page:
                reason = self._compared(entry, rows[entry.kind].get(entry.seq))
                if reason is not None:
                    return Fault(entry.seq, reason)
        return None

    def _rows_of(self, table: Table, page: Sequence[Row[Any]]) -> dict[int, Mapping[str, Any]]:
        """Rows of the journal that a page of entries vouches for, by number."""
        statement = select(table).where(table.c.audit_seq.between(page[0].seq, page[-1].seq))
        return {row.audit_seq: row._asdict() for row in self._connection.execute(statement)}

    def _compared(self, entry: Row[Any], row: Mapping[str, Any] | None) -> str | None:
        if row is None:
            self._report.erased += 1
            return None if entry.seq in self._said.erased else f"its {entry.kind} is gone, and no erasure says so"
        self._report.texts[entry.kind] += 1
        expected = self._said.redacted.get(entry.seq, json.loads(entry.payload)["content"])
        return None if _TEXTS[entry.kind][1](row) == expected else f"its {entry.kind} is not what was entered"

    def _anchor_fault(self, seq: int, digest: str) -> Fault | None:
        if self._anchor is None or self._anchor.seq != seq or self._anchor.hash == digest:
            return None
        return Fault(seq, "it is another one than was expected: the chain was written anew")

    def _end_fault(self, head: Row[Any]) -> Fault | None:
        if (head.base_seq, head.base_hash) != self._said.retention:
            return Fault(head.base_seq + 1, "no entry tells that what came before it was removed")
        if self._anchor is None:
            return None
        if self._anchor.seq > head.seq:
            return Fault(head.seq + 1, f"the chain ends here, and was expected to hold entry {self._anchor.seq}")
        if self._anchor.seq < head.base_seq:
            return Fault(None, f"the entry {self._anchor.seq} that was expected is older than what is kept")
        return self._anchor_fault(head.base_seq, head.base_hash)

    def _stray_fault(self) -> Fault | None:
        """Rows of the journal that no entry vouches for."""
        for kind, (table, _) in _TEXTS.items():
            numbered = select(func.count()).select_from(table).where(table.c.audit_seq.is_not(None))
            n_strays = int(self._connection.scalar(numbered) or 0) - self._report.texts[kind]
            if n_strays:
                return Fault(None, f"the journal holds {n_strays} {kind} rows that name an entry that is not theirs")
            unnumbered = select(func.count()).select_from(table).where(table.c.audit_seq.is_(None))
            self._report.unchained += int(self._connection.scalar(unnumbered) or 0)
        n_more = self._report.unchained - self._said.n_unchained
        if n_more > 0:
            return Fault(None, f"the journal holds {n_more} rows that no entry vouches for")
        return None


def _entry_fault(row: Row[Any], seq: int, previous: str) -> Fault | None:
    if row.seq != seq:
        return Fault(seq, f"it is missing: the next one is {row.seq}" if row.seq > seq else f"there is {row.seq} again")
    if row.previous != previous:
        return Fault(seq, "it does not follow the entry before it")
    if row.hash != entry_hash(row.seq, row.at, row.kind, row.actor, row.previous, row.payload):
        return Fault(seq, "it was changed: its hash is another one")
    return None
