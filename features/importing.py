"""Import of tickets: rows of a source through the intake into the history, in batches, in constant memory.

Importing is an upsert, so a run that was stopped is taken up by running it again, and importing twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from features.errors import HistoryUnavailable, InvalidTicket, SourceUnreadable
from features.history import History
from features.history_rows import content_hash
from features.import_notes import Rejects, Seen, SeenRow
from features.intake import Intake
from features.sources.base import RejectedRow, Row
from features.ticket import Case

_MAX_BATCH_CHARS = 4_000_000
_MAX_HELD = 10_000


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did; its rows add up: read = inserted + updated + unchanged + rejected.

    Attributes
    ----------
    rejects_path : Path or None
        File that names every rejected row and every warning; None where there was neither.
    seconds : float
        Time it took.
    warnings : int
        Rows whose id came before in the same file with other content.
    """

    read: int
    inserted: int
    updated: int
    unchanged: int
    rejected: int
    rejects_path: Path | None
    seconds: float
    warnings: int = 0


def import_tickets(
    rows: Iterable[Row | RejectedRow],
    history: History,
    intake: Intake,
    *,
    system: str,
    rejects_path: Path,
    progress: Callable[[int], None] | None = None,
    batch: int = 500,
) -> ImportResult:
    """Store every good row, and note every bad one.

    Where an id comes twice with other content, the later row wins (or the one with the higher version, where both have
    one), and the rejects file has a warning.

    Parameters
    ----------
    rows : iterable of Row or RejectedRow
        From a source (:mod:`features.sources`).
    history, intake : History, Intake
        Where rows go, and what they pass on the way.
    system : str
        The ticketing system that the ids belong to.
    rejects_path : Path
        Made when there is a first row to note; one of an earlier import is replaced. JSON Lines of ``kind``
        (``rejected`` or ``warning``), ``line``, ``id``, ``field``, ``reason``, masked and without text of tickets.
    progress : callable, optional
        Called with the number of rows just done.
    batch : int
        Rows to one transaction.

    Raises
    ------
    SourceUnreadable
        If the source breaks off; the rows before that are stored.
    HistoryUnavailable, HistoryFull
        If the history does not take a batch; the batches before it are stored.
    Unavailable
        If the rejects file or the temporary folder cannot be written; the batches before are stored.
    """
    started = time.monotonic()
    with Rejects(rejects_path, intake.mask) as rejects, Seen() as seen:
        run = _Import(history, intake, system, rejects, seen)
        n_reported = 0
        try:
            for row in rows:
                run.take(row)
                if run.is_due(batch):
                    run.store()
                    if progress is not None:
                        progress(run.read - n_reported)
                    n_reported = run.read
        except SourceUnreadable:
            run.finish()
            raise
        run.finish()
        if progress is not None and run.read > n_reported:
            progress(run.read - n_reported)
        return run.result(time.monotonic() - started)


class _Import:
    """One run: its counts, and what it must remember between rows."""

    def __init__(self, history: History, intake: Intake, system: str, rejects: Rejects, seen: Seen) -> None:
        self.read = self._inserted = self._updated = self._unchanged = 0
        self._history = history
        self._intake = intake
        self._system = system
        self._rejects = rejects
        self._seen = seen
        self._pending: list[tuple[int, Case]] = []
        self._pending_chars = 0
        self._n_since_store = 0
        # Rows that an earlier import of this file saw replaced by a later row. Storing them and then that row would
        # change the history twice to end where it began, so they wait for the later row, or for the end.
        self._held: dict[str, Case] = {}

    def take(self, row: Row | RejectedRow) -> None:
        """Prepare a row for the next batch, or reject it."""
        self.read += 1
        self._n_since_store += 1
        if isinstance(row, RejectedRow):
            self._rejects.reject(row.line, row.id, row.field, row.reason)
            return
        try:
            case = row.case if row.case.system == self._system else replace(row.case, system=self._system)
            case = self._intake.prepare(case)
        except InvalidTicket as error:
            self._rejects.reject(row.line, row.case.ticket.id, error.field, error.message)
            return
        self._pending.append((row.line, case))
        self._pending_chars += _n_chars(case)

    def is_due(self, batch: int) -> bool:
        """Whether it is time to store: enough rows, or enough text to hold in memory."""
        return self._n_since_store >= batch or self._pending_chars >= _MAX_BATCH_CHARS

    def store(self) -> None:
        """Upsert what is pending, and remember what it replaced of this very file."""
        pending, self._pending = self._pending, []
        self._pending_chars = self._n_since_store = 0
        if pending:
            waiting = self._history.superseded([case.id for _, case in pending], system=self._system)
            replaced: set[tuple[str, bytes]] = set()
            self._upsert([case for line, case in pending if self._is_news(line, case, waiting, replaced)])
            if replaced:
                self._history.note_superseded(replaced, system=self._system)
        self._rejects.flush()

    def finish(self) -> None:
        """Store the rest, and what no later row of the file replaced this time."""
        self.store()
        self._upsert(list(self._held.values()))
        self._held.clear()

    def result(self, seconds: float) -> ImportResult:
        """The counts so far."""
        return ImportResult(
            read=self.read,
            inserted=self._inserted,
            updated=self._updated,
            unchanged=self._unchanged,
            rejected=self._rejects.rejected,
            rejects_path=self._rejects.written_path,
            seconds=seconds,
            warnings=self._rejects.warnings,
        )

    def _is_news(
        self, line: int, case: Case, waiting: set[tuple[str, bytes]], replaced: set[tuple[str, bytes]]
    ) -> bool:
        """Whether to upsert a row now; one that is not is counted as unchanged, or held."""
        row = SeenRow(line, case.ticket.version, content_hash(case))
        before = self._seen.get(case.id)
        if before is not None and before.digest == row.digest:
            self._unchanged += 1
            return False
        if before is not None and row.is_older_than(before):
            self._rejects.warn(line, case.id, f"is an older version of line {before.line}, and was left out")
            self._unchanged += 1
            return False
        self._seen.put(case.id, row)
        if before is not None:
            self._rejects.warn(line, case.id, f"has the id of line {before.line} with other content, and replaced it")
            replaced.add((case.id, before.digest))
        if self._held.pop(case.id, None) is not None:
            self._unchanged += 1
        if (case.id, row.digest) in waiting and len(self._held) < _MAX_HELD:
            self._held[case.id] = case
            return False
        return True

    def _upsert(self, cases: list[Case]) -> None:
        if not cases:
            return
        try:
            result = self._history.upsert(cases, masking_rules=self._intake.masking_rules)
        except HistoryUnavailable as error:
            n_stored = self._inserted + self._updated + self._unchanged
            raise type(error)(f"The import stopped with {n_stored:,} rows stored. {error.message}") from error
        self._inserted += result.inserted
        self._updated += result.updated
        self._unchanged += result.unchanged


def _n_chars(case: Case) -> int:
    ticket = case.ticket
    n_chars = len(ticket.description) + len(case.outcome.resolution or "")
    return n_chars + sum(len(message.text) for message in ticket.messages)
