"""Everything that the served process holds: made when it starts, stopped when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from features.errors import HistoryUnavailable
from features.history import History
from features.history_engine import IMPATIENT, Patience
from features.intake import Intake, open_intake
from features.settings import Settings
from serving.drafting import Drafter
from serving.follow import Follower
from serving.journal import Journal, SuggestionEntry
from serving.keeper import Keeper
from serving.key_ring import KeyRing
from serving.lanes import Lane, WorkQueue
from serving.metrics import Metrics
from serving.rates import RateLimits
from serving.schemas import Suggestion
from serving.tracing import Tracing

# Keys, probes and figures: what requests wait for in their lanes must not hold these up.
_ASIDE_THREADS = 2
# A write that waits for a lock is given up while there is time to say so.
_LOCK_SHARE = 0.8
_LOCK_SECONDS = 10.0
_JOURNAL_SECONDS = 1.0
JOURNAL_UNAVAILABLE = "journal_unavailable"

if TYPE_CHECKING:
    from serving.people import People

P = ParamSpec("P")
T = TypeVar("T")


class Runtime:
    """History, intake, keys, journal and its keeper, follower, figures and threads of one process.

    Parameters
    ----------
    history : History
        For what must be stored or followed.
    reader : History
        The same one, for what an answer can do without: it gives up soon.
    """

    def __init__(self, settings: Settings, history: History, reader: History, intake: Intake) -> None:
        self.settings = settings
        self.history = history
        self.reader = reader
        self.intake = intake
        self.metrics = Metrics()
        self.keys = KeyRing(reader)
        self.people = _people(settings, intake)
        self.journal = Journal(history, settings.system)
        self.keeper = Keeper(history, settings.journal)
        self.drafter = Drafter(settings.drafting, intake.mask)
        self.tracing = _tracing(settings, self.metrics)
        self.follower = Follower(settings, history, reader, intake, self.metrics)
        service = settings.service
        # Who sends a batch or a write would rather wait than be turned away, as long as there is time.
        self.queues = {lane: WorkQueue(lane) for lane in (Lane.BATCH, Lane.WRITE)}
        self.queues[Lane.SUGGEST] = WorkQueue(Lane.SUGGEST, max_wait=service.max_wait_seconds)
        for lane, queue in self.queues.items():
            self.metrics.watch_queue(lane.value, partial(getattr, queue, "n_waiting"))
        self.rates: RateLimits | None = None
        if service.rate_per_second is not None:
            self.rates = RateLimits(service.rate_per_second, service.rate_burst)
        self._aside = ThreadPoolExecutor(_ASIDE_THREADS, thread_name_prefix="aside")

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
        lock_seconds = min(_LOCK_SECONDS, _LOCK_SHARE * settings.service.timeout_seconds)
        with ExitStack() as opened:
            history = opened.enter_context(closing(History.open(settings.history_url, Patience(lock_seconds))))
            reader = opened.enter_context(closing(History.open(settings.history_url, IMPATIENT)))
            runtime = cls(settings, history, reader, open_intake(settings))
            opened.pop_all()
        return runtime

    def start(self) -> None:
        """Start the threads; a release is loaded meanwhile."""
        if self.people is not None:
            self.people.start()
        self.journal.start()
        self.keeper.start()
        self.follower.start()

    def stop(self) -> None:
        """Finish what was answered, snapshot the index, and close."""
        for queue in self.queues.values():
            queue.stop()
        self._aside.shutdown(wait=True, cancel_futures=True)
        self.drafter.stop()
        self.keeper.stop()
        self.journal.stop()
        self.follower.stop()
        self.reader.close()
        self.history.close()
        if self.tracing is not None:
            self.tracing.stop()

    async def aside(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run what is short, and no request's own work, on a thread."""
        return await asyncio.wrap_future(self._aside.submit(work, *args, **kwargs))

    def check_history(self) -> None:
        """Have nobody wait in vain for what cannot be stored at the moment.

        Raises
        ------
        HistoryUnavailable
            If the history's database is known not to answer.
        """
        if not self.reader.is_answering:
            raise HistoryUnavailable(
                "The history does not answer, so nothing can be stored or erased at the moment; send this again later."
            )

    async def keep(self, entry: SuggestionEntry) -> Suggestion:
        """Journal a suggestion before it is answered; one that cannot be kept says so in its notes."""
        kept = asyncio.wrap_future(self.journal.record(entry))
        # An error that comes when nobody waits any more is looked at, or asyncio would complain of it.
        kept.add_done_callback(lambda late: late.cancelled() or late.exception())
        await asyncio.wait({kept}, timeout=_JOURNAL_SECONDS if self.reader.is_answering else 0)
        suggestion = entry.suggestion
        if kept.done() and kept.exception() is None:
            return suggestion.model_copy(update={"request_id": kept.result()})
        self.metrics.count_journal_failure()
        return suggestion.model_copy(update={"notes": [*suggestion.notes, JOURNAL_UNAVAILABLE]})


def _tracing(settings: Settings, metrics: Metrics) -> Tracing | None:
    if settings.tracing.url is None:
        return None
    return Tracing(settings.tracing, metrics.count_trace_failure)


def _people(settings: Settings, intake: Intake) -> People | None:
    if settings.oidc.issuer is None:
        return None
    # They bring a library of cryptography, which keys do without.
    from serving.issuer_keys import IssuerKeys
    from serving.people import People

    return People(settings.oidc, IssuerKeys(settings.oidc.issuer), intake.pseudonym)
