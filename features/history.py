"""The history: the one truth about tickets, what resolved them, how they are linked, and what changed when.

Every change of a case gets a number. Numbers only grow and become visible in the order of commits, so whoever has
seen number ``n`` and reads on from there misses nothing (DESIGN, decision 1).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, select

from features import audit_retention, history_erasure, history_reads, history_vectors, history_writes, idempotency
from features.history_engine import PATIENT, Database, Patience
from features.history_rows import Change, HistoryCounts, StoredCase, StoredLink, StoredVersions, UpsertResult
from features.idempotency import Once
from features.schema import CHANGES, MAIN_LIBRARY, RUNBOOKS, superseded, tickets
from features.ticket import Case, LinkType

if TYPE_CHECKING:
    from features.history_runbooks import RunbookChanges
    from features.runbooks import Runbook

__all__ = ["Change", "History", "HistoryCounts", "StoredCase", "StoredLink", "StoredVersions", "UpsertResult"]


class History:
    """A history in SQLite or PostgreSQL; safe to use from several threads.

    Every method raises :class:`features.errors.HistoryUnavailable` when the database does not answer, and those that
    store raise :class:`features.errors.HistoryFull` when it has no room.

    Examples
    --------
    >>> import tempfile
    >>> from features.ticket import Case, Ticket
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     history = History.open(f"sqlite:///{folder}/history.db")
    ...     result = history.upsert([Case(ticket=Ticket(id="T-1", subject="No login"))], masking_rules="1")
    ...     history.close()
    >>> result
    UpsertResult(inserted=1, updated=0, unchanged=0, change=1)
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    @classmethod
    def open(cls, url: str, patience: Patience = PATIENT) -> History:
        """Open a history, making it or bringing it to this version's schema where needed.

        Parameters
        ----------
        url : str
            ``sqlite:////path/history.db`` or ``postgresql://user:password@host/name``.
        patience : Patience
            How long the database is waited for.

        Raises
        ------
        SettingsInvalid
            If the URL is neither of these.
        HistoryUnavailable
            If the database does not answer, or was written by a newer version.
        """
        database = Database(url, patience)
        try:
            database.migrate()
        except BaseException:
            database.engine.dispose()
            raise
        return cls(database)

    @property
    def engine(self) -> Engine:
        """The database's engine, for what keeps tables of its own beside the tickets (journal, keys)."""
        return self._database.engine

    @property
    def is_answering(self) -> bool:
        """Whether the database answered when it was last asked."""
        return self._database.is_answering

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()

    def reading(self) -> AbstractContextManager[Connection]:
        """A connection that sees one state of the history, for tables that other modules own."""
        return self._database.reading()

    def writing(self) -> AbstractContextManager[Connection]:
        """A connection in one transaction that writes, for tables that other modules own."""
        return self._database.writing()

    def upsert(self, cases: Sequence[Case], *, masking_rules: str, once: Once | None = None) -> UpsertResult:
        """Store cases by system and id, in one transaction.

        A case that is stored already as it is gets no new change number, and neither does one whose ``version`` is
        lower than the stored one.

        Parameters
        ----------
        cases : sequence of Case
            Masked by :meth:`features.intake.Intake.prepare`.
        masking_rules : str
            Version of the masking rules.
        once : Once, optional
            Names the write: where it was applied before, nothing is stored, and the change number is that of then.

        Raises
        ------
        KeyReused
            If another write was applied under the name.
        """
        with self.writing() as connection:
            if once is None:
                return history_writes.upsert(connection, cases, masking_rules)
            before = idempotency.recall(connection, once)
            if before is not None:
                return UpsertResult(inserted=0, updated=0, unchanged=len(cases), change=before.change or 0)
            result = history_writes.upsert(connection, cases, masking_rules)
            idempotency.remember(connection, once, result.change)
            return result

    def case(self, id: str, *, system: str = "default") -> StoredCase | None:  # noqa: A002
        """A case by the id that its source uses; None where there is none."""
        with self.reading() as connection:
            return history_reads.read_case(connection, id, system)

    def cases(self, row_ids: Sequence[int]) -> dict[int, StoredCase]:
        """Cases by row; rows that are not there are left out."""
        with self.reading() as connection:
            return history_reads.read_cases(connection, row_ids)

    def iter_cases(self, *, batch: int = 1000) -> Iterator[StoredCase]:
        """Every case by row, in constant memory; no transaction stays open while the caller works."""
        after = 0
        while True:
            with self.reading() as connection:
                page = history_reads.read_page(connection, after, batch)
            if not page:
                return
            yield from page
            after = page[-1].row_id

    def iter_versions(self, *, batch: int = 20_000) -> Iterator[StoredVersions]:
        """What tells the versions of all cases apart, by row and a batch at a time; no texts are read."""
        after = 0
        while True:
            with self.reading() as connection:
                page = history_reads.read_versions(connection, after, batch)
            if page is None:
                return
            yield page
            after = int(page.row_ids[-1])

    def erased_since(self, change: int) -> list[int]:
        """Rows that were erased after a change number, in no order."""
        with self.reading() as connection:
            return history_reads.read_erased(connection, change)

    def changes_since(self, change: int, limit: int) -> list[Change]:
        """What changed after a number, in order, at most ``limit`` changes; a row comes once, as it is now."""
        with self.reading() as connection:
            return history_reads.read_changes(connection, change, limit)

    def last_change(self) -> int:
        """The highest change number; 0 in a new history."""
        with self.reading() as connection:
            return history_writes.counter_value(connection, CHANGES)

    def erase(self, id: str, *, system: str = "default", actor: str | None = None) -> int:  # noqa: A002
        """Remove a ticket and whatever holds its words, leaving a tombstone; answers the change number.

        With it go its outcome, messages and links, vectors that no other ticket uses, journal entries about it, and
        its places in answers that showed it to others. A ticket that only the journal knows goes from there, and the
        number is that of the last change. The audit chain keeps who did it (``actor``).

        Raises
        ------
        UnknownCase
            If neither the history nor the journal holds the ticket.
        """
        with self.writing() as connection:
            change = history_erasure.erase(connection, id, system, actor)
        self._database.shrink_log()
        return change

    def prune_journal(self, before: datetime) -> audit_retention.Pruned:
        """Remove what the journal and the audit chain hold from before a time, leaving a chain that can be verified."""
        pruned = audit_retention.Pruned()
        while not pruned.is_done:
            with self.writing() as connection:
                pruned += audit_retention.prune(connection, before)
        if pruned.rows:
            self._database.shrink_log()
        return pruned

    def count(self) -> HistoryCounts:
        """How much the history holds."""
        with self.reading() as connection:
            return history_reads.read_counts(connection)

    def labels(self) -> list[tuple[str | None, dict[str, str]]]:
        """Category and further targets of every ticket, as the source has them, in no order."""
        with self.reading() as connection:
            return history_reads.read_labels(connection)

    def links(self, type: LinkType | None = None) -> list[StoredLink]:  # noqa: A002
        """Links between cases and to runbooks, of one type or of all."""
        with self.reading() as connection:
            return list(history_reads.read_links(connection, type))

    def vectors(self, keys: Sequence[str]) -> dict[str, npt.NDArray[np.float32]]:
        """Known vectors by key (:func:`features.vectors.vector_key`), float32 of shape (d,)."""
        with self.reading() as connection:
            return history_vectors.read_vectors(connection, keys)

    def put_vectors(
        self,
        vectors: Mapping[str, npt.NDArray[np.float32]],
        uses: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        """Store vectors by key; one that is there stays.

        Parameters
        ----------
        vectors : mapping of str to ndarray of shape (d,)
            Stored as float32.
        uses : mapping of str to sequence of int, optional
            Rows whose text a key stands for, so that erasing them erases the vector; may name keys that are stored
            already.
        """
        uses = uses or {}
        with self.reading() as connection:
            noted = history_vectors.read_uses(connection, {row_id for rows in uses.values() for row_id in rows})
        if vectors or any((row_id, key) not in noted for key, rows in uses.items() for row_id in rows):
            with self.writing() as connection:
                history_vectors.write_vectors(connection, vectors, uses)

    def runbooks(self) -> list[Runbook]:
        """Every runbook, by id."""
        from features import history_runbooks  # brings the Markdown parser, which few callers need

        with self.reading() as connection:
            return history_runbooks.read_all(connection)

    def runbook_libraries(self) -> dict[str, str]:
        """The library of every runbook, by id."""
        from features import history_runbooks

        with self.reading() as connection:
            return history_runbooks.read_libraries(connection)

    def replace_runbooks(
        self,
        runbooks: Sequence[Runbook],
        *,
        library: str = MAIN_LIBRARY,
        is_kept: Callable[[str], bool] = lambda _id: False,
    ) -> RunbookChanges:
        """Make these the runbooks of a library, its others gone but those whose id is to be kept."""
        from features import history_runbooks

        with self.writing() as connection:
            return history_runbooks.replace_library(connection, library, runbooks, is_kept)

    def runbooks_change(self) -> int:
        """A number that grows whenever the runbooks change; 0 before the first."""
        with self.reading() as connection:
            return history_writes.counter_value(connection, RUNBOOKS)

    def superseded(self, ids: Sequence[str], *, system: str) -> set[tuple[str, bytes]]:
        """Contents (id, hash) that a later row of the same import file replaced, among the given ids."""
        with self.reading() as connection:
            statement = select(tickets.c.id, superseded.c.content_hash).join_from(superseded, tickets)
            rows = connection.execute(statement.where(tickets.c.system == system, tickets.c.id.in_(ids)))
            return {(row.id, bytes(row.content_hash)) for row in rows}

    def note_superseded(self, contents: set[tuple[str, bytes]], *, system: str) -> None:
        """Remember contents (id, hash) that a later row of the same import file replaced."""
        with self.writing() as connection:
            history_writes.note_superseded(connection, contents, system)
