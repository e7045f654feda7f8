"""What takes long, done beside what is served: a release loaded, an old index kept until nobody reads it."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from features.case_index import CaseIndex
from features.encoder import Encoder
from features.history import History
from features.intake import Intake
from features.release import load_release
from features.settings import Settings
from serving.assemble import Parts, build_parts
from serving.suggester import Suggester
from serving.warm_up import warm_up

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loader:
    """Loads releases of a workspace; ``reader`` is the history as suggestions read it."""

    settings: Settings
    history: History
    reader: History
    intake: Intake

    def load(self, release_id: str, encoder: Encoder | None, *, partial_ok: bool) -> Parts:
        """Load and check a release, bring its index up to date, and have it answer a made-up ticket.

        Parameters
        ----------
        encoder, partial_ok
            As in :func:`serving.assemble.build_parts`, which says what is raised; :func:`warm_up` does as well.
        """
        parts = build_parts(
            load_release(self.settings.releases_dir / release_id),
            self.settings,
            self.history,
            self.intake,
            reader=self.reader,
            encoder=encoder,
            partial_ok=partial_ok,
        )
        try:
            # A large index takes long to load and to write to disk: what came meanwhile is taken in here, not where
            # the index that answers would have to wait for it.
            parts.index.replay(self.history)
            warm_up(parts.suggester, partial_ok=partial_ok)
            _set_apart_from_garbage()
        except BaseException:
            parts.close()
            raise
        return parts


def _set_apart_from_garbage() -> None:
    """Have Python's collector pass over what is there now: a release and its index stay, and looking them through stops
    every thread (0.16 to 0.19 s with the demo's 630 tickets, every ten seconds or so under load).
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True)
class RetiredIndex:
    """The index of a release that is served no more, and the suggester by which requests under way still read it."""

    index: CaseIndex
    suggester: weakref.ref[Suggester]

    @classmethod
    def of(cls, parts: Parts) -> RetiredIndex:
        """Keep the index of parts, and nothing else of them."""
        return cls(parts.index, weakref.ref(parts.suggester))

    @property
    def is_in_use(self) -> bool:
        """Whether a request under way reads it."""
        return self.suggester() is not None


def started(name: str, work: Callable[[], T], then: Callable[[], None]) -> Future[T]:
    """Do something long on a thread of its own, and say when it is done."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  told by whoever waits for the result
            future.set_exception(error)
        then()

    # A daemon: a process that is told to end waits for it no longer than it wants to.
    threading.Thread(target=run, name=name, daemon=True).start()
    return future
