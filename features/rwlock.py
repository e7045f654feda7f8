"""A lock that many readers or one writer hold."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class ReadWriteLock:
    """Many readers at a time, or one writer, by turns.

    A waiting writer goes before readers that come after it, and these go before the next writer: one that asks again
    and again holds up a reader only once. Not reentrant: a thread that holds it must not ask for it again.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._n_reading = 0
        self._n_waiting = 0  # writers
        self._is_writing = False
        self._n_kept_out = 0  # readers that wait for the end of this turn,
        self._turn = 0  # which counts writers

    @contextmanager
    def read(self) -> Iterator[None]:
        """Hold the lock with other readers."""
        with self._changed:
            if self._is_writing or self._n_waiting:
                self._wait_for_turn()
            else:
                self._n_reading += 1
        try:
            yield
        finally:
            with self._changed:
                self._n_reading -= 1
                self._changed.notify_all()

    @contextmanager
    def write(self) -> Iterator[None]:
        """Hold the lock alone."""
        with self._changed:
            self._n_waiting += 1
            try:
                self._changed.wait_for(lambda: not self._is_writing and self._n_reading == 0)
                self._is_writing = True
            finally:
                self._n_waiting -= 1
                if not self._is_writing and not self._n_waiting:
                    self._let_readers_in()
        try:
            yield
        finally:
            with self._changed:
                self._is_writing = False
                self._let_readers_in()

    def _wait_for_turn(self) -> None:
        """Wait until a writer has finished; the reader is then counted as reading."""
        turn = self._turn
        self._n_kept_out += 1
        try:
            self._changed.wait_for(lambda: self._turn != turn)
        except BaseException:
            if self._turn == turn:
                self._n_kept_out -= 1
            else:
                self._n_reading -= 1
                self._changed.notify_all()
            raise

    def _let_readers_in(self) -> None:
        self._n_reading += self._n_kept_out
        self._n_kept_out = 0
        self._turn += 1
        self._changed.notify_all()
