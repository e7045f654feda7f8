"""What SQLite needs to keep a history safely: a private file that stays where it is, a log, deleted text gone."""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path

from features.errors import HistoryUnavailable

_WAL_SECONDS = 10.0


class SqliteFile:
    """The file that was opened. SQLite goes on with one that was moved or removed, and stores where nobody finds it."""

    def __init__(self, path: Path) -> None:
        _make_private_file(path)
        self.path = path.resolve()
        self._identity = self._look()

    @property
    def uri(self) -> str:
        """The file by a name with which SQLite opens it, but makes none where it is gone."""
        return f"{self.path.as_uri()}?mode=rw"

    def is_there(self) -> bool:
        """Whether the file at its path is still the one that was opened."""
        return self._look() == self._identity

    def _look(self) -> tuple[int, int] | None:
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _make_private_file(path: Path) -> None:
    """Make the file readable by its owner alone; SQLite gives its log the same rights."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise HistoryUnavailable(
            f"The history's file {path} cannot be made ({error.strerror}): check that its folder may be written."
        ) from error


def set_up_sqlite(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Set what a connection does not remember; ``wait_seconds`` is how long it may wait for others to be done."""
    # Python's sqlite3 begins a transaction before the first write only; ours begin where _begin_sqlite says so.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    # Deleted content is overwritten, so that an erased ticket is not left in free pages.
    cursor.execute("PRAGMA secure_delete = ON")
    _switch_to_wal(cursor, min(wait_seconds, _WAL_SECONDS))
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor, wait_seconds: float) -> None:
    """Turn on the write-ahead log, which is kept in the file: only the first to open a new one has anything to do.

    SQLite's busy timeout does not cover the switch, so those who come at the same moment ask again for a while.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return
