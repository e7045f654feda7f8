"""Schema changes of the history, run by Alembic inside the process that opens it (:mod:`features.history_engine`).

A new one: write ``versions/000N_<what>.py``, change :mod:`features.schema` to match, and raise ``HEAD_REVISION`` there.
It adds tables, and columns that may be left out; or, where that is not enough, it raises ``OLDEST_PROGRAM`` too.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, delete, insert

from features.schema import OLDEST_PROGRAM, SCHEMA_FLOOR, change_counter


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema and note who may work on it, in the transaction of ``connection``.

    Parameters
    ----------
    connection : Connection
        Holds the write lock, so that two processes that open a new history do not both make its tables.

    Raises
    ------
    alembic.util.CommandError
        If the database is at a revision that these scripts do not have.
    """
    config = Config()
    # A package path, not a file path: it is found in an installed wheel too.
    config.set_main_option("script_location", "features:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.execute(delete(change_counter).where(change_counter.c.name == SCHEMA_FLOOR))
    connection.execute(insert(change_counter).values(name=SCHEMA_FLOOR, value=int(OLDEST_PROGRAM)))
