"""Vectors of a benchmark's texts, kept between runs: embedding is slow, and a killed run goes on where it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.encoder import Encoder
from features.vectors import vector_key

Progress = Callable[[str], None]

# A vector depends on the encoder and the text it is given, whichever rules made that text; one name for all of them
# lets a raw text and an equal model text share theirs.
_RULES = "given"
_CHUNK = 256
_PAGE = 500  # below SQLite's smallest limit of parameters a statement


class VectorStore:
    """Embeds texts with one encoder, and keeps what it embedded in a file.

    Parameters
    ----------
    folder : Path
        Made when missing; holds ``vectors.db``.
    encoder : Encoder
    progress : callable
        Takes one line of text, after each chunk that had to be embedded.
    """

    def __init__(self, folder: Path, encoder: Encoder, progress: Progress) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "vectors.db"
        self._encoder = encoder
        self._progress = progress
        with closing(self._connect()) as database, database:
            database.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB) WITHOUT ROWID")

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, shape (n, dimension), L2-normalised, in their order.

        Blanks at either end are dropped first: no encoder reads them.
        """
        given = [text.strip() for text in texts]
        keys = [vector_key(self._encoder.fingerprint, _RULES, text) for text in given]
        known = self.vectors(keys)
        missing = {key: text for key, text in zip(keys, given, strict=True) if key not in known}
        # Texts of like length in one chunk leave little to pad.
        todo = sorted(missing, key=lambda key: (len(missing[key]), key))
        for start in range(0, len(todo), _CHUNK):
            chunk = todo[start : start + _CHUNK]
            made = dict(zip(chunk, self._encoder.encode([missing[key] for key in chunk]), strict=True))
            self.put_vectors(made)
            known |= made
            self._progress(f"embedded {start + len(chunk):,} of {len(todo):,} texts")
        if not keys:
            return np.empty((0, self._encoder.dimension), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def vectors(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Known vectors by key."""
        found: dict[str, NDArray[np.float32]] = {}
        wanted = list(dict.fromkeys(keys))
        with closing(self._connect()) as database:
            for start in range(0, len(wanted), _PAGE):
                page = wanted[start : start + _PAGE]
                marks = ",".join("?" * len(page))
                rows = database.execute(f"SELECT key, vector FROM vectors WHERE key IN ({marks})", page)  # noqa: S608
                found |= {key: np.frombuffer(data, dtype=np.float32) for key, data in rows}
        return found

    def put_vectors(self, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep vectors."""
        with closing(self._connect()) as database, database:
            database.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?)",
                [(key, np.ascontiguousarray(vector, dtype=np.float32).tobytes()) for key, vector in vectors.items()],
            )

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=60)
