"""The history's database: one engine, short transactions, errors in our own words.

SQLite runs in WAL mode, so a reader never waits for the writer; a write takes its lock when it begins (``BEGIN
IMMEDIATE``), so it never fails half way for want of it. PostgreSQL does the same by locking the counter's row
(:func:`features.history_writes.lock`).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select, table
from sqlalchemy import column as named_column
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from features.errors import HistoryFull, HistoryUnavailable, SettingsInvalid
from features.schema import HEAD_REVISION, SCHEMA_FLOOR, change_counter

LOCK_SECONDS = 10
_CONNECT_SECONDS = 5
_SHRINK_SECONDS = 1
_WAL_SECONDS = 10
_MIGRATION_LOCK = 7_305_100  # any number that no other program of the database uses
_WRITES = "precedent_writes"
# SQLite says "I/O error" where a file-size limit or a quota stops it, and FULL only where the disk itself is full.
_FULL_CODES = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_IOERR_TRUNCATE"})
_PG_DISK_FULL = "53100"
# Mistakes in our own statements or values: never the database's state, so they stay what they are.
_OURS = (IntegrityError, DataError, ProgrammingError, NotSupportedError)


class Database:
    """Engine of a history, with a transaction for reading and one for writing.

    Attributes
    ----------
    engine : Engine
        Safe to use from several threads.
    label : str
        The URL without its password, for messages.
    """

    def __init__(self, url: str) -> None:
        parsed = _parse(url)
        self.label = parsed.render_as_string(hide_password=True)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if self.is_sqlite:
            _make_private_file(Path(str(parsed.database)))
        self.engine = _engine(parsed, is_sqlite=self.is_sqlite)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One state of the history for every statement inside.

        Raises
        ------
        HistoryUnavailable
            If the database does not answer.
        """
        options: dict[str, Any] = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(**options)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction: all of it is stored on leaving, or none of it where an error leaves.

        Raises
        ------
        HistoryUnavailable
            If the database does not answer, or another writer holds it for longer than ``LOCK_SECONDS``.
        HistoryFull
            If it has no room to grow.
        """
        with self.translated(), self.engine.connect() as connection:
            connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

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


def _engine(url: URL, *, is_sqlite: bool) -> Engine:
    if is_sqlite:
        engine = create_engine(
            url, hide_parameters=True, pool_timeout=LOCK_SECONDS, connect_args={"timeout": LOCK_SECONDS}
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            hide_parameters=True,
            pool_pre_ping=True,
            pool_timeout=LOCK_SECONDS,
            connect_args={"connect_timeout": _CONNECT_SECONDS},
        )
    except ImportError:
        raise SettingsInvalid(
            "A history in PostgreSQL needs the driver psycopg; install precedent[postgres].", field="database_url"
        ) from None
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    # Python's sqlite3 begins a transaction before the first write only; ours begin where _begin_sqlite says so.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    # Deleted content is overwritten, so that an erased ticket is not left in free pages.
    cursor.execute("PRAGMA secure_delete = ON")
    _switch_to_wal(cursor)
    cursor.close()


def _switch_to_wal(cursor: sqlite3.Cursor) -> None:
    """Turn on the write-ahead log, which is kept in the file: only the first to open a new one has anything to do.

    SQLite's busy timeout does not cover the switch, so those who come at the same moment ask again for a while.
    """
    deadline = time.monotonic() + _WAL_SECONDS
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    else:  # waits for nobody and cannot fail; by SQLAlchemy it would take as long as a statement of a suggestion
        connection.connection.cursor().execute("BEGIN")


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITES):
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LOCK_SECONDS}s'")


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
