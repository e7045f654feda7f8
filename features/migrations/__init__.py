"""Schema changes of the history, run by Alembic inside the process that opens it (:mod:`features.history_engine`).

A new one: write ``versions/000N_<what>.py``, change :mod:`features.schema` to match, and raise ``HEAD_REVISION`` there.
"""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Bring the database to the newest schema, inside the transaction that ``connection`` is in.

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
