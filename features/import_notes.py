"""What an import notes down: the ids that its file has had, and the rows that it could not store."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

import orjson

from features.errors import Unavailable

_MAX_ID_CHARS = 255


class SeenRow(NamedTuple):
    """Where an id came last in a file, and with what."""

    line: int
    version: int | None
    digest: bytes

    def is_older_than(self, other: SeenRow) -> bool:
        """Whether both have a version and this one's is lower."""
        return self.version is not None and other.version is not None and self.version < other.version


class Seen:
    """The ids that a file has had so far.

    A file may have any number, so they are kept in a temporary database, which SQLite pages to disk and removes.
    """

    def __init__(self) -> None:
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.execute("CREATE TABLE seen (id TEXT PRIMARY KEY, line, version, digest) WITHOUT ROWID")

    def get(self, case_id: str) -> SeenRow | None:
        """The last row with an id."""
        with _room():
            row = self._database.execute("SELECT line, version, digest FROM seen WHERE id = ?", (case_id,)).fetchone()
        return None if row is None else SeenRow(*row)

    def put(self, case_id: str, row: SeenRow) -> None:
        """Note a row.

        Raises
        ------
        Unavailable
            If the temporary folder is full.
        """
        with _room():
            self._database.execute("INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?)", (case_id, *row))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


class Rejects:
    """The file of rejected rows and warnings, made when there is something to write.

    Parameters
    ----------
    path : Path
        Of the file.
    mask : callable
        What every id, field and reason passes: where a mapping is wrong, any of them may be a ticket's words.
    """

    def __init__(self, path: Path, mask: Callable[[str], str]) -> None:
        self.rejected = self.warnings = 0
        self._path = path
        self._mask = mask
        self._file: IO[bytes] | None = None

    @property
    def written_path(self) -> Path | None:
        """The file, where there is one."""
        return None if self._file is None else self._path

    def reject(self, line: int, case_id: str | None, field: str | None, reason: str) -> None:
        """Note a row that was not stored."""
        self.rejected += 1
        self._write("rejected", line, case_id, field, reason)

    def warn(self, line: int, case_id: str, reason: str) -> None:
        """Note a row that has an id which came before."""
        self.warnings += 1
        self._write("warning", line, case_id, "id", reason)

    def flush(self) -> None:
        """Hand what is noted to the system."""
        if self._file is not None:
            with self._writable():
                self._file.flush()

    def _write(self, kind: str, line: int, case_id: str | None, field: str | None, reason: str) -> None:
        masked = {
            "id": None if case_id is None else self._mask(case_id)[:_MAX_ID_CHARS],
            "field": None if field is None else self._mask(field),
            "reason": self._mask(reason),
        }
        note = {"kind": kind, "line": line} | masked
        with self._writable():
            if self._file is None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("wb")
            self._file.write(orjson.dumps(note, option=orjson.OPT_APPEND_NEWLINE))

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"The rejects file {self._path} cannot be written ({error.strerror}): make room or name another, then "
                "run the same import again; what was stored before stays."
            ) from error

    def __enter__(self) -> Self:
        with self._writable():
            if self._path.is_file():  # a device such as /dev/stdout is not ours to remove
                self._path.unlink()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            # What could not be flushed was said by flush(); closing must not hide the error on its way.
            with contextlib.suppress(OSError):
                self._file.close()


@contextlib.contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise Unavailable(
            f"The temporary folder cannot take the list of ids that a file has had ({error}): make room there or set "
            "TMPDIR to another folder, then run the same import again; what was stored before stays."
        ) from error
