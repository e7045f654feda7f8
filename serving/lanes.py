"""Lanes: threads, each kind of work with its own, and before them queues in which nothing waits in vain.

Suggestions, batches and writes queue apart, so that none of them can keep out the others (the bulkheads of M. Nygard,
Release It!, 2nd ed. 2018, ch. 5). A queue is bounded in time: a request is let in only where its turn is expected to
come soon enough, which is told from how long the latest took and from what is before it, and is turned away at once
where it is not. Of the schemes against standing queues this is the plain one: CoDel (K. Nichols and V. Jacobson,
ACM Queue 10(5), 2012) drops what has waited too long, which those have then waited for nothing; newest-first order lets
the oldest wait for nothing. Both suit networks, where the cost of what queues is not known; here it is.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from enum import StrEnum
from functools import partial
from typing import Any, ParamSpec, TypeVar

from features.errors import DeadlineExceeded, Overloaded

# Weight of the newest in the mean of what work takes: about the last twenty count.
_NEWEST = 0.1

P = ParamSpec("P")
T = TypeVar("T")


class Lane(StrEnum):
    """Kinds of work that queue apart."""

    SUGGEST = "suggest"
    BATCH = "batch"
    WRITE = "write"

    @property
    def n_threads(self) -> int:
        """How many at a time: suggestions by the cores, one batch beside them; writes wait for the database."""
        return {Lane.SUGGEST: max(2, min(8, os.cpu_count() or 2)), Lane.BATCH: 1, Lane.WRITE: 8}[self]


class WorkQueue:
    """Threads, and the work that waits for them, first come first served.

    Parameters
    ----------
    lane : Lane
    max_wait : float
        Longest expected wait in seconds with which work is let in.
    n_threads : int, optional
        Default: the lane's.
    """

    def __init__(self, lane: Lane, *, max_wait: float = math.inf, n_threads: int | None = None) -> None:
        self._lane = lane
        self._max_wait = max_wait
        self._n_threads = n_threads or lane.n_threads
        self._threads = ThreadPoolExecutor(self._n_threads, thread_name_prefix=lane.value)
        self._lock = threading.Lock()
        self._n_waiting = 0
        self._begun_at: set[float] = set()
        self._mean = 0.0

    @property
    def n_waiting(self) -> int:
        """How many wait for a thread."""
        return self._n_waiting

    def enter(self, *, until: float) -> Place:
        """Take the last place of the queue.

        Parameters
        ----------
        until : float
            When the caller is given up, by the monotonic clock.

        Raises
        ------
        Overloaded
            If its turn is expected to come too late.
        """
        with self._lock:
            now = time.monotonic()
            wait = self._expected_wait(now)
            if wait > 0 and (wait > self._max_wait or now + wait + self._mean > until):
                raise Overloaded(
                    f"The queue of this path ({self._lane}) would take {wait:.1f} s; try again in a moment, or spread "
                    "the requests.",
                    retry_seconds=wait,
                )
            self._n_waiting += 1
        return Place(self, until)

    def expected_wait(self) -> float:
        """Seconds until what comes now would begin."""
        with self._lock:
            return self._expected_wait(time.monotonic())

    def stop(self) -> None:
        """Finish what has begun, and drop the rest."""
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _expected_wait(self, now: float) -> float:
        """Give each of the queue the thread that is free first, as the threads will do themselves."""
        elapsed = [now - begun for begun in self._begun_at]
        # What has outlived the mean may be stuck: it is thought to take as long again.
        free_in = [self._mean - past if past < self._mean else past for past in elapsed]
        free_in += [0.0] * (self._n_threads - len(free_in))
        heapq.heapify(free_in)
        for _ in range(self._n_waiting):
            heapq.heapreplace(free_in, free_in[0] + self._mean)
        return free_in[0]

    def _submit(self, place: Place, work: Callable[[], T]) -> Future[T]:
        return self._threads.submit(self._timed, place, work)

    def _timed(self, place: Place, work: Callable[[], T]) -> T:
        begun = time.monotonic()
        self._leave()
        if begun > place.until:
            raise DeadlineExceeded("The time limit passed before the request was begun; try again in a moment.")
        with self._lock:
            while begun in self._begun_at:  # the clock's ticks are coarser than the threads
                begun = math.nextafter(begun, math.inf)
            self._begun_at.add(begun)
        try:
            return work()
        finally:
            with self._lock:
                self._begun_at.discard(begun)
                took = time.monotonic() - begun
                self._mean += (took - self._mean) * (_NEWEST if self._mean else 1.0)

    def _leave(self) -> None:
        with self._lock:
            self._n_waiting -= 1


class Place:
    """One request's place in a queue, to be left when the request is over, however it ended."""

    def __init__(self, queue: WorkQueue, until: float) -> None:
        self.until = until
        self.is_left = False
        self._queue = queue
        self._future: Future[Any] | None = None

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work when its turn comes; once a place.

        Raises
        ------
        DeadlineExceeded
            If the caller was given up before.
        """
        future = self._queue._submit(self, partial(work, *args, **kwargs))
        self._future = future
        return await asyncio.wrap_future(future)

    def leave(self) -> None:
        """Drop the work where it has not begun, for nobody waits for it. What has begun may look at ``is_left``."""
        self.is_left = True
        if self._future is None or self._future.cancel():
            self._queue._leave()
