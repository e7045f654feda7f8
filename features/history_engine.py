"""The history's database: one engine, short transactions, errors in our own words.

SQLite runs in WAL mode, so a reader never waits for the writer; a write takes its lock when it begins (``BEGIN
IMMEDIATE``), so it never fails half way for want of it. PostgreSQL does the same by locking the counter's row
(:func:`features.history_writes.lock`).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, table
from sqlalchemy import column as named_column
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from features.errors import HistoryFull, HistoryUnavailable, SettingsInvalid
from features.history_sqlite import SqliteFile, set_up_sqlite
from features.schema import HEAD_REVISION, SCHEMA_FLOOR, change_counter

_CONNECT_SECONDS = 5
_SHRINK_SECONDS = 1
_MIGRATION_LOCK = 7_305_100  # any number that no other program of the database uses
_WRITES = "precedent_writes"
# SQLite says "I/O error" where a file-size limit or a quota stops it, and FULL only where the disk itself is full.
_FULL_CODES = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE"})
_PG_DISK_FULL = "53100"
# Mistakes in our own statements or values: never the database's state, so they stay what they are.
_OURS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a database is waited for.

    Attributes
    ----------
    wait_seconds : float
        Longest wait for a lock or a free connection.
    rest_seconds : float
        After it did not answer, how long it is not asked again but said at once not to answer; one caller asks then,
        and the others go without meanwhile. With 0 everybody asks.
    """

    wait_seconds: float = 10.0
    rest_seconds: float = 0.0

    @property
    def wait_milliseconds(self) -> int:
        """The longest wait in milliseconds."""
        return ceil(self.wait_seconds * 1000)


PATIENT = Patience()
IMPATIENT = Patience(wait_seconds=1.0, rest_seconds=1.0)
"""For reading what an answer can do without."""


class Database:
    """Engine of a history, with a transaction for reading and one for writing.

    Attributes
    ----------
    engine : Engine
        Safe to use from several threads.
    label : str
        The URL without its password, for messages.
    """

    def __init__(self, url: str, patience: Patience = PATIENT) -> None:
        parsed = _parse(url)
        self.label = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self._patience = patience
        self._failure: str | None = None
        self._asked_again_at = 0.0
        self._file = SqliteFile(Path(str(parsed.database))) if self.is_sqlite else None
        self.engine = _engine(parsed, patience, self._file)

    @property
    def is_answering(self) -> bool:
        """Whether the database answered when it was last asked."""
        return self._failure is None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the history for every statement inside.

        Raises
        ------
        HistoryUnavailable
            If the database does not answer.
        """
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self._noted(), self.translated():
            self._check_file()
            with self.engine.connect() as connection:
                connection.execution_options(**options)
                yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it is stored on leaving, or none of it where an error leaves.

        Raises
        ------
        HistoryUnavailable
            If the database does not answer, or another writer holds it for longer than the patience lasts.
        HistoryFull
            If it has no room to grow.
        """
        with self._noted(), self.translated():
            self._check_file()
            with self.engine.connect() as connection:
                connection.execution_options(**{_WRITES: True})
                with connection.begin():
                    yield connection
            # What was committed to a file that was moved meanwhile may be lost: it is not said to be stored.
            self._check_file()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Note whether the database answers; one that did not a moment ago is not asked."""
        now = time.monotonic()
        if self._failure is not None and self._patience.rest_seconds:
            if now < self._asked_again_at:
                raise HistoryUnavailable(self._failure)
            self._asked_again_at = now + self._patience.rest_seconds
        try:
            yield
        except HistoryUnavailable as error:
            self._failure = error.message
            self._asked_again_at = time.monotonic() + self._patience.rest_seconds
            raise
        self._failure = None

    def _check_file(self) -> None:
        if self._file is not None and not self._file.is_there():
            raise HistoryUnavailable(
                f"The history's file {self._file.path} was moved, removed or replaced while it was in use: put it "
                "back, or restart what uses it."
            )

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the database says into :class:`HistoryUnavailable` or :class:`HistoryFull`."""
        try:
            yield
        except _OURS:
            raise
        except DBAPIError as error:
            if _is_full(error.orig):
                raise HistoryFull(
                    f"The history at {self.label} cannot grow ({_reason(error)}): free disk space or raise the limit, "
                    "then run the same again; what was stored before stays."
                ) from error
            raise HistoryUnavailable(
                f"The history at {self.label} does not answer ({_reason(error)}): check that it is reachable, that no "
                "other program holds it locked, and that this user may write it."
            ) from error
        except PoolTimeout as error:
            raise HistoryUnavailable(
                f"The history at {self.label} is busy: no connection came free in time; try again."
            ) from error

    def migrate(self) -> None:
        """Bring the tables to this version's schema; a glance when they are there already, or newer and fit for it.

        Raises
        ------
        HistoryUnavailable
            If the database does not answer, or was written by a newer version that this one may not work beside.
        """
        with self.reading() as connection:
            if _is_fit(connection, _revision(connection)):
                return
        from alembic.util import CommandError  # 0.3 s to import, and rarely needed

        from features.migrations import upgrade

        with self.writing() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            found = _revision(connection)
            if _is_fit(connection, found):
                return
            try:
                upgrade(connection)
            except CommandError as error:
                raise HistoryUnavailable(
                    f"The history at {self.label} has schema {found!r}, which this version does not know (its own is "
                    f"{HEAD_REVISION!r}): upgrade Precedent, or restore a backup made with this version."
                ) from error

    def shrink_log(self) -> None:
        """Fold SQLite's write-ahead log into the database and cut it, so that erased text leaves it too.

        Where a reader is in the way, the log is cut at the next chance that SQLite has.
        """
        if not self.is_sqlite:
            return
        with suppress(DBAPIError, PoolTimeout, sqlite3.Error):
            connection = self.engine.raw_connection()
            connection.detach()  # its waiting time is changed, so it must not go back to the pool
            try:
                cursor = connection.cursor()
                cursor.execute(f"PRAGMA busy_timeout = {_SHRINK_SECONDS * 1000}")
                cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            finally:
                connection.close()


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise SettingsInvalid(
            "The setting database_url is not a URL; write it like sqlite:////srv/precedent/history.db or "
            "postgresql://user:password@host/name.",
            field="database_url",
        ) from None
    backend = parsed.get_backend_name()
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if backend != "sqlite":
        raise SettingsInvalid(
            f"The history cannot be kept in {backend!r}; database_url takes sqlite:/// or postgresql://.",
            field="database_url",
        )
    if parsed.database in (None, "", ":memory:"):
        raise SettingsInvalid(
            f"The history needs a file, and {url!r} names none; write sqlite:////path/to/history.db.",
            field="database_url",
        )
    return parsed


def _engine(url: URL, patience: Patience, file: SqliteFile | None) -> Engine:
    wait = patience.wait_seconds
    if file is not None:
        uri = file.uri
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_timeout=wait,
            creator=lambda: sqlite3.connect(uri, uri=True, timeout=wait, check_same_thread=False),
        )
        event.listen(engine, "connect", lambda connection, _record: set_up_sqlite(connection, wait))
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=wait,
            connect_args=_postgresql_limits(patience),
        )
    except ImportError:
        raise SettingsInvalid(
            "A history in PostgreSQL needs the driver psycopg; install precedent[postgres].", field="database_url"
        ) from None
    event.listen(engine, "begin", lambda connection: _begin_postgresql(connection, patience))
    return engine


def _postgresql_limits(patience: Patience) -> dict[str, Any]:
    if not patience.rest_seconds:
        return {"connect_timeout": _CONNECT_SECONDS}
    return {
        "connect_timeout": max(2, ceil(patience.wait_seconds)),  # libpq takes no less
        "tcp_user_timeout": patience.wait_milliseconds,
    }


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # waits for nobody and cannot fail; by SQLAlchemy it would take as long as a statement of a suggestion
        connection.connection.cursor().execute("BEGIN")


def _begin_postgresql(connection: Connection, patience: Patience) -> None:
    wait = f"'{patience.wait_milliseconds}ms'"
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {wait}")
    if patience.rest_seconds:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {wait}")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    number: str | None = connection.scalar(select(named_column("version_num")).select_from(table("alembic_version")))
    return number


def _is_fit(connection: Connection, revision: str | None) -> bool:
    """Whether this program may work on a history of a revision: its own, or a newer one that says so."""
    if revision is None or revision <= HEAD_REVISION:
        return revision == HEAD_REVISION
    query = select(change_counter.c.value).where(change_counter.c.name == SCHEMA_FLOOR)
    floor: int | None = connection.scalar(query)
    return floor is not None and floor <= int(HEAD_REVISION)


def _is_full(original: BaseException | None) -> bool:
    return (
        getattr(original, "sqlite_errorname", None) in _FULL_CODES
        or getattr(original, "sqlstate", None) == _PG_DISK_FULL
    )


def _reason(error: DBAPIError) -> str:
    """First line of what the database said; PostgreSQL's further lines may quote values."""
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__
