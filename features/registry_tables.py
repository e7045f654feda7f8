"""MLflow's own SQLite tables, without MLflow: where its artifacts lie, and which release is the champion.

MLflow stores the absolute address of every artifact, so a workspace that was moved, copied or restored would write to
the folder that it came from and load what lies there. The addresses are brought in step with where the database lies
(MLflow has no call for it; issue mlflow/mlflow#3144 asks for relative ones, which would let this go).
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

MODEL_NAME: Final = "precedent"
EXPERIMENT: Final = "precedent"
CHAMPION: Final = "champion"
RELEASE_TAG: Final = "release"
_ADDRESSES: Final = {
    "experiments": ("artifact_location",),
    "runs": ("artifact_uri",),
    "logged_models": ("artifact_location",),
    "model_versions": ("source", "storage_location"),
}
_BUSY_SECONDS: Final = 20.0  # what MLflow itself waits


def artifact_root(mlflow_dir: Path) -> str:
    """Address of the folder that holds the artifacts of a workspace's own MLflow store."""
    return (mlflow_dir / "artifacts").resolve().as_uri()


def relocate(database: Path, root: str) -> bool:
    """Have every address of an artifact begin with the root that is right now; tells whether any did not.

    Parameters
    ----------
    database : Path
        MLflow's database; one that is not there, or holds no experiment of ours, is left alone.
    root : str
        As :func:`artifact_root` gives it. Addresses outside of the root before, which somebody chose, stay.
    """
    if not database.exists():
        return False
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
        before = _root_before(connection)
        if before is None or before == root:
            return False
        connection.execute("BEGIN IMMEDIATE")
        for table, columns in _ADDRESSES.items():
            there = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            for column in there.intersection(columns):
                connection.execute(
                    f"UPDATE {table} SET {column} = :root || substr({column}, length(:before) + 1) "  # noqa: S608
                    f"WHERE {column} = :before OR substr({column}, 1, length(:before) + 1) = :before || '/'",
                    {"root": root, "before": before},
                )
        connection.execute("COMMIT")
    return True


def champion_of(database: Path) -> str | None:
    """Release id of the champion; None where the registry has none."""
    with closing(sqlite3.connect(database, timeout=_BUSY_SECONDS)) as connection:
        if not _has(connection, "registered_model_aliases"):
            return None
        found = connection.execute(
            "SELECT tags.value FROM registered_model_aliases AS aliases JOIN model_version_tags AS tags "
            "ON tags.name = aliases.name AND tags.version = aliases.version "
            "WHERE aliases.name = ? AND aliases.alias = ? AND tags.key = ?",
            (MODEL_NAME, CHAMPION, RELEASE_TAG),
        ).fetchone()
    return None if found is None else str(found[0])


def _root_before(connection: sqlite3.Connection) -> str | None:
    if not _has(connection, "experiments"):
        return None
    found = connection.execute("SELECT artifact_location FROM experiments WHERE name = ?", (EXPERIMENT,)).fetchone()
    return None if found is None else str(found[0])


def _has(connection: sqlite3.Connection, table: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (table,)).fetchone() is not None
