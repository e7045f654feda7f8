"""Vectors in the history: a cache that any encoder fills, and that forgets with the tickets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Table, select
from sqlalchemy.dialects import postgresql, sqlite

from features.history_writes import pages
from features.schema import tickets, vector_uses, vectors

_STORED = np.dtype("<f4")


def read_vectors(connection: Connection, keys: Iterable[str]) -> dict[str, npt.NDArray[np.float32]]:
    """Vectors by key, float32 of shape (d,); keys that are not there are left out."""
    found: dict[str, npt.NDArray[np.float32]] = {}
    for page in pages(dict.fromkeys(keys)):
        for row in connection.execute(select(vectors).where(vectors.c.key.in_(page))):
            found[row.key] = np.frombuffer(row.vector, dtype=_STORED).astype(np.float32)
    return found


def read_uses(connection: Connection, row_ids: Iterable[int]) -> set[tuple[int, str]]:
    """Which rows' texts gave which keys, as far as noted."""
    found: set[tuple[int, str]] = set()
    for page in pages(row_ids):
        rows = connection.execute(select(vector_uses).where(vector_uses.c.row_id.in_(page)))
        found.update((row.row_id, row.key) for row in rows)
    return found


def write_vectors(
    connection: Connection,
    new: Mapping[str, npt.NDArray[np.float32]],
    uses: Mapping[str, Sequence[int]],
) -> None:
    """Store vectors and who uses them, inside a transaction that writes.

    A vector whose rows have all been erased meanwhile is not stored: nothing would ever remove it.
    """
    alive = _alive(connection, {row_id for rows in uses.values() for row_id in rows})
    wanted = [key for key in new if key not in uses or not alive.isdisjoint(uses[key])]
    _insert_new(
        connection, vectors, [{"key": key, "vector": np.asarray(new[key], dtype=_STORED).tobytes()} for key in wanted]
    )
    pairs = [{"row_id": row_id, "key": key} for key, rows in uses.items() for row_id in rows if row_id in alive]
    _insert_new(connection, vector_uses, pairs)


def _alive(connection: Connection, row_ids: Iterable[int]) -> set[int]:
    alive: set[int] = set()
    for page in pages(row_ids):
        # Held until the commit, so that no erasure passes in between (SQLite's writers wait for each other anyway).
        rows = select(tickets.c.row_id).where(tickets.c.row_id.in_(page)).with_for_update(read=True, key_share=True)
        alive.update(connection.scalars(rows))
    return alive


def _insert_new(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if rows:
        insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(insert(table).on_conflict_do_nothing(), rows)
