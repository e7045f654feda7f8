"""What is done to the journal now and then: old entries go, and the head of the audit chain is told to the log.

A log that is kept elsewhere thereby holds what ``precedent audit verify --expect-head`` takes.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from features.errors import PrecedentError
from features.history import History
from features.schema import audit_head
from features.settings import JournalSettings
from serving.logs import log

logger = logging.getLogger("precedent.keeper")

_FIRST_SECONDS = 60.0
_SECONDS = 3_600.0
_STOP_SECONDS = 2.0


class Keeper:
    """Looks after the journal on a thread of its own, between :meth:`start` and :meth:`stop`."""

    def __init__(self, history: History, settings: JournalSettings) -> None:
        self._history = history
        self._settings = settings
        self._is_stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin, a minute from now: a start has enough to do."""
        self._thread.start()

    def stop(self) -> None:
        """End; where much is being removed, the rest is left for the next time."""
        self._is_stopped.set()
        self._thread.join(_STOP_SECONDS)

    def keep(self) -> None:
        """Do it once.

        Raises
        ------
        HistoryUnavailable
            If the history's database does not answer.
        """
        if self._settings.retention_days is not None:
            before = datetime.now(UTC) - timedelta(days=self._settings.retention_days)
            pruned = self._history.prune_journal(before)
            if pruned.entries or pruned.rows:
                log(logger, logging.INFO, "journal pruned", entries=pruned.entries, rows=pruned.rows)
        with self._history.reading() as connection:
            head = connection.execute(select(audit_head)).one_or_none()
        if head is not None:
            log(logger, logging.INFO, "audit head", head=f"{head.seq}:{head.hash}")

    def _run(self) -> None:
        seconds = _FIRST_SECONDS
        while not self._is_stopped.wait(seconds):
            seconds = _SECONDS
            try:
                self.keep()
            except PrecedentError as error:
                log(logger, logging.WARNING, "journal not looked after", error=error.code)
