"""Everything that the served process holds: made when it starts, stopped when it ends."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from features.history import History
from features.intake import Intake, open_intake
from features.settings import Settings
from serving.drafting import Drafter
from serving.follow import Follower
from serving.journal import Journal, SuggestionEntry
from serving.keys import KeyRing
from serving.metrics import Metrics
from serving.schemas import Suggestion
from serving.tracing import Tracing

# Suggestions compute; what waits for the database has threads of its own, so that neither holds up the other.
_COMPUTE_THREADS = max(2, min(8, os.cpu_count() or 2))
_WAITING_THREADS = 8
_JOURNAL_SECONDS = 1.0
JOURNAL_UNAVAILABLE = "journal_unavailable"

P = ParamSpec("P")
T = TypeVar("T")


class Runtime:
    """History, intake, keys, journal, follower, figures and threads of one process."""

    def __init__(self, settings: Settings, history: History, intake: Intake) -> None:
        self.settings = settings
        self.history = history
        self.intake = intake
        self.metrics = Metrics()
        self.keys = KeyRing(history)
        self.journal = Journal(history, settings.system)
        self.drafter = Drafter(settings.drafting, intake.mask)
        self.tracing = _tracing(settings, self.metrics)
        self.follower = Follower(settings, history, intake, self.metrics)
        self._compute = ThreadPoolExecutor(_COMPUTE_THREADS, thread_name_prefix="suggest")
        self._waiting = ThreadPoolExecutor(_WAITING_THREADS, thread_name_prefix="database")

    @classmethod
    def open(cls, settings: Settings) -> Runtime:
        """Open the workspace's history; nothing runs yet.

        Raises
        ------
        HistoryUnavailable
            If the history's database does not answer.
        SettingsInvalid
            If a setting or the key of the pseudonyms is wrong.
        """
        history = History.open(settings.history_url)
        try:
            return cls(settings, history, open_intake(settings))
        except BaseException:
            history.close()
            raise

    def start(self) -> None:
        """Start the threads; a release is loaded meanwhile."""
        self.journal.start()
        self.follower.start()

    def stop(self) -> None:
        """Finish what was answered, snapshot the index, and close."""
        self._compute.shutdown(wait=True, cancel_futures=True)
        self._waiting.shutdown(wait=True, cancel_futures=True)
        self.drafter.stop()
        self.journal.stop()
        self.follower.stop()
        self.history.close()
        if self.tracing is not None:
            self.tracing.stop()

    async def compute(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what computes on a thread; it is dropped if it has not begun when the caller gives up."""
        return await asyncio.wrap_future(self._compute.submit(work, *args, **kwargs))

    async def wait(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what waits for the database on a thread; it is dropped if it has not begun when the caller gives up."""
        return await asyncio.wrap_future(self._waiting.submit(work, *args, **kwargs))

    async def keep(self, entry: SuggestionEntry) -> Suggestion:
        """Journal a suggestion before it is answered; one that cannot be kept says so in its notes."""
        kept = asyncio.wrap_future(self.journal.record(entry))
        # An error that comes when nobody waits any more is looked at, or asyncio would complain of it.
        kept.add_done_callback(lambda late: late.cancelled() or late.exception())
        await asyncio.wait({kept}, timeout=_JOURNAL_SECONDS)
        suggestion = entry.suggestion
        if kept.done() and kept.exception() is None:
            return suggestion.model_copy(update={"request_id": kept.result()})
        self.metrics.count_journal_failure()
        return suggestion.model_copy(update={"notes": [*suggestion.notes, JOURNAL_UNAVAILABLE]})


def _tracing(settings: Settings, metrics: Metrics) -> Tracing | None:
    if settings.tracing.url is None:
        return None
    return Tracing(settings.tracing, metrics.count_trace_failure)
