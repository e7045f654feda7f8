"""Keeping up: a thread that takes in what changes in the history, and changes over to the release that is promoted.

A release is loaded, checked and warmed up on a second thread beside the one that is served, and takes its place by one
assignment. One that fails is refused, the old one goes on, and the refusal is told until another is promoted.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from features.case_index import CaseIndex
from features.errors import HistoryUnavailable, NoRelease, PrecedentError, Unavailable
from features.history import History
from features.intake import Intake
from features.release import current_release_id
from features.settings import Settings
from features.snapshot import remove_other_snapshots
from serving.alerts import Refusal, alerts, reason
from serving.assemble import Parts
from serving.beside import Loader, RetiredIndex, started
from serving.logs import log
from serving.metrics import Metrics
from serving.suggester import Suggester
from serving.vector_cache import CachingEncoder

logger = logging.getLogger("precedent.follow")

_FIRST_RETRY_SECONDS = 1.0
_LONGEST_RETRY_SECONDS = 30.0
_STOP_SECONDS = 10.0
_BROKEN_AFTER = 3


@dataclass(frozen=True, slots=True)
class _Loading:
    """A release on its way; ``n_erased`` of the index that was served when it set out."""

    release_id: str
    parts: Future[Parts]
    n_erased: int


class Follower:
    """Holds what answers now, and keeps it current between :meth:`start` and :meth:`stop`.

    Parameters
    ----------
    history : History
        What is followed.
    reader : History
        The same one, from which suggestions read what they can do without.
    """

    def __init__(self, settings: Settings, history: History, reader: History, intake: Intake, metrics: Metrics) -> None:
        self._settings = settings
        self._history = history
        self._reader = reader
        self._loader = Loader(settings, history, reader, intake)
        self._metrics = metrics
        self._live: Parts | None = None
        self._retired: list[RetiredIndex] = []
        self._loading: _Loading | None = None
        self._refusal: Refusal | None = None
        self._trouble: str | None = None
        self._history_change = 0
        self._n_failures = 0
        self._retry_at = 0.0
        self._n_broken = 0  # times in a row that the index took in no changes, for a reason of its own
        self._n_erased = 0  # of what is served, how many erasures other indexes were rid of
        self._saving: Future[Path] | None = None
        self._snapshot_at = time.monotonic() + settings.service.snapshot_seconds
        self._woken = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="follow", daemon=True)

    def start(self) -> None:
        """Begin to follow; the first release is loaded meanwhile."""
        self._thread.start()

    def stop(self) -> None:
        """End, with a last snapshot of the index; what takes longer than some seconds is left where it is."""
        self._is_stopping = True
        self._woken.set()
        self._thread.join(_STOP_SECONDS)
        if self._thread.is_alive():
            log(logger, logging.WARNING, "stopped in the middle of following the history")
            return
        if self._saving is not None and wait([self._saving], _STOP_SECONDS).not_done:
            log(logger, logging.WARNING, "stopped in the middle of writing the index")
            return
        for retired in self._retired:
            self._attempt("old index", partial(self._retire, retired.index))
        if self._live is not None:
            self._attempt("snapshot", self._live.index.snapshot)
            self._live.close()

    def wake(self) -> None:
        """Look at the history at once: something was just written to it."""
        self._woken.set()

    @property
    def is_ready(self) -> bool:
        """Whether suggestions can be answered."""
        return self._live is not None

    def suggester(self) -> Suggester:
        """What answers now; callers keep it for the whole of a request.

        Raises
        ------
        NoRelease
            If nothing is promoted.
        Unavailable
            If the promoted release is still being loaded, or was refused and there is none before it.
        """
        live, loading, refusal = self._live, self._loading, self._refusal
        if live is not None:
            return live.suggester
        if refusal is not None:
            raise Unavailable(
                f"The release {refusal.release_id} was refused; `precedent doctor` says why, and `precedent promote` "
                "or `precedent rollback` changes to another."
            )
        if loading is not None:
            raise Unavailable(f"The release {loading.release_id} is still being loaded; try again in a moment.")
        raise NoRelease("No release is promoted yet; run `precedent train` and then `precedent promote`.")

    def details(self) -> Mapping[str, object]:
        """What an operator wants to know."""
        live, loading, refusal = self._live, self._loading, self._refusal
        return {
            "release": live.release_id if live else None,
            "loading": loading.release_id if loading else None,
            "refused": {"release": refusal.release_id, "message": refusal.message} if refusal else None,
            "encoder": live.encoder.fingerprint if live else None,
            "index": {
                "tickets": len(live.index) if live else 0,
                "watermark": live.index.watermark if live else 0,
                "history": self._history_change,
            },
            "trouble": self._trouble,
            "alerts": alerts(live, refusal, self._trouble),
        }

    def _run(self) -> None:
        while not self._is_stopping:
            self._woken.clear()
            # All three, whatever becomes of the first.
            outcomes = [
                self._attempt("release", self._follow_release),
                self._attempt("history", self._follow_history),
                self._attempt("snapshot", self._snapshot_now_and_then),
            ]
            if all(outcomes):
                self._trouble = None
            self._close_retired()
            self._tell()
            self._woken.wait(self._settings.service.poll_seconds)

    def _attempt(self, name: str, work: Callable[[], object]) -> bool:
        """Do one thing; whatever goes wrong with it is told, and tried again the next time round."""
        try:
            work()
        except Exception as error:
            why = reason(error)
            if why != self._trouble:
                logger.exception("following failed", extra={"fields": {"what": name, "reason": why}})
            self._trouble = why
            self._metrics.count_follow_failure()
            return False
        return True

    def _follow_history(self) -> None:
        self._reader.last_change()  # tells soon whether the history answers
        if self._live is not None:
            index = self._live.index
            self._replay(index)
            if index.n_erased != self._n_erased:
                self._forget_elsewhere()
                self._n_erased = index.n_erased
            self._live.follow_runbooks(self._history)
            self._history_change = self._history.last_change()

    def _replay(self, index: CaseIndex) -> None:
        try:
            index.replay(self._history)
        except HistoryUnavailable:
            raise
        except Exception:
            self._n_broken += 1
            raise
        self._n_broken = 0

    @property
    def _is_index_lost(self) -> bool:
        """Whether the index is not there, or takes in no changes any more: it is then loaded anew."""
        return self._live is not None and (not self._live.has_index or self._n_broken >= _BROKEN_AFTER)

    def _snapshot_now_and_then(self) -> None:
        if self._saving is not None:
            if self._saving.done():
                saving, self._saving = self._saving, None
                saving.result()
        elif self._live is not None and time.monotonic() >= self._snapshot_at:
            self._snapshot_at = time.monotonic() + self._settings.service.snapshot_seconds
            # Beside the following: a large index takes long, and what is stored meanwhile must be found at once.
            self._saving = started("snapshot", self._live.index.snapshot, self._woken.set)

    def _follow_release(self) -> None:
        if self._loading is not None:
            if self._loading.parts.done():
                self._finish(self._loading)
                self._loading = None
            return
        try:
            wanted = current_release_id(self._settings.releases_dir)
        except PrecedentError as error:
            self._refuse("CURRENT", error)
            return
        is_served = self._live is not None and wanted == self._live.release_id
        if wanted is None or (is_served and not self._is_index_lost):
            self._refusal = None  # the pointer went back to what is served
            return
        if self._refusal is not None and wanted != self._refusal.release_id:
            self._n_failures, self._retry_at = 0, 0.0
        if time.monotonic() >= self._retry_at:
            self._load(wanted)

    def _load(self, release_id: str) -> None:
        live = self._live
        encoder = live.encoder if live is not None else None
        # Rather a part of the answer than none; but never less than what is served.
        load = partial(self._loader.load, release_id, encoder, partial_ok=live is None)
        n_erased = live.index.n_erased if live is not None else 0
        self._loading = _Loading(release_id, started("load-release", load, self._woken.set), n_erased)

    def _finish(self, loading: _Loading) -> None:
        error = loading.parts.exception()
        if error is not None:
            self._refuse(loading.release_id, error)
            if self._live is not None and self._live.index.n_erased != loading.n_erased:
                self._forget_elsewhere()  # it may have written what was erased meanwhile
            return
        parts = loading.parts.result()
        # No change that the old index has is missing from the answers of the new one.
        parts.index.replay(self._history)
        old, self._live = self._live, parts
        self._refusal, self._n_failures, self._retry_at = None, 0, 0.0
        self._n_broken = 0
        if not parts.has_index:
            self._try_later()
        # Other indexes were rid of what the old one saw erased; the first one cannot know what happened before it.
        self._n_erased = 0 if old is None else parts.index.n_erased
        self._metrics.set_release(loading.release_id, parts.created_at)
        if isinstance(encoder := parts.suggester.encoder, CachingEncoder):
            self._metrics.watch_cache(lambda: encoder.lookups)
        log(logger, logging.INFO, "release served", release=loading.release_id)
        if old is not None:
            # Suggestions under way may still read the old index: it is closed when the last of them has ended.
            self._retired.append(RetiredIndex.of(old))

    def _forget_elsewhere(self) -> None:
        """Remove the snapshots of other encoders, which may hold what was erased."""
        if self._live is not None:
            remove_other_snapshots(self._settings.index_dir, self._live.index.folder)

    def _close_retired(self) -> None:
        if self._saving is not None:
            return  # perhaps of an old index, which would have to be waited for
        for retired in [each for each in self._retired if not each.is_in_use]:
            self._retired.remove(retired)
            self._attempt("old index", partial(self._retire, retired.index))

    def _retire(self, index: CaseIndex) -> None:
        try:
            # An erasure that the new index took in first has the old snapshot go as well.
            index.replay(self._history)
            if index.has_erased_on_disk:
                self._forget_elsewhere()
        finally:
            index.close()

    def _refuse(self, release_id: str, error: BaseException) -> None:
        why = reason(error)
        if self._refusal is None or self._refusal.release_id != release_id:
            fault = None if isinstance(error, PrecedentError) else error
            logger.error("release refused", exc_info=fault, extra={"fields": {"release": release_id, "reason": why}})
        self._refusal = Refusal(release_id, why)
        self._try_later()

    def _try_later(self) -> None:
        """What fails now may be fine later: files come back, a database answers again."""
        self._retry_at = time.monotonic() + min(_FIRST_RETRY_SECONDS * 2**self._n_failures, _LONGEST_RETRY_SECONDS)
        self._n_failures += 1

    def _tell(self) -> None:
        self._metrics.is_ready.set(self.is_ready)
        self._metrics.release_refused.set(self._refusal is not None)
        self._metrics.history_answers.set(self._reader.is_answering)
        self._metrics.history_change.set(self._history_change)
        if self._live is not None:
            self._metrics.index_tickets.set(len(self._live.index))
            self._metrics.index_change.set(self._live.index.watermark)
