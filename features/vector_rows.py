"""Vectors on disk, in half precision, mapped into memory: pages that are read stay cached as long as there is room."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.files import link_file

BASE_FILE, TAIL_FILE = "vectors.f16", "vectors-new.f16"
_BLOCK = 16_384  # rows read at a time: 12 MB at 384 numbers
_FIRST_ROOM = 4_096  # rows of a tail that nothing was added to

Halves = NDArray[np.float16]
Vectors = NDArray[np.float32]
Positions = NDArray[np.int64]


class VectorRows:
    """Rows by position: those of a base file, which never changes, then those of a tail file, which only grows.

    So a snapshot may share the base by a hard link, and copies no more than the tail. Reading and appending may go on
    at once; one thread may append.

    Parameters
    ----------
    folder : Path
        Holds ``BASE_FILE``, and ``TAIL_FILE`` where rows were appended before; this object alone writes the tail.
    dimension : int
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self.folder = folder
        self._row_bytes = 2 * dimension
        self._dimension = dimension
        self._base = self._map(folder / BASE_FILE, (folder / BASE_FILE).stat().st_size // self._row_bytes)
        (folder / TAIL_FILE).touch()
        self._n_tail = (folder / TAIL_FILE).stat().st_size // self._row_bytes
        self._make_room(max(_FIRST_ROOM, self._n_tail))

    def __len__(self) -> int:
        return len(self._base) + self._n_tail

    @property
    def n_base(self) -> int:
        """Number of rows in the base file."""
        return len(self._base)

    @property
    def n_bytes(self) -> int:
        """Size on disk, in bytes."""
        return len(self) * self._row_bytes

    @property
    def tail(self) -> Halves:
        """View of the rows behind the base, as they are now; what is appended later does not change it."""
        return self._tail[: self._n_tail]

    def append(self, vectors: Vectors) -> None:
        """Append rows, shape (n, dimension)."""
        data = vectors.astype(np.float16).tobytes()
        if self._n_tail + len(vectors) > len(self._tail):
            self._make_room(2 * (self._n_tail + len(vectors)))
        # Written and not stored through the map: a full disk is then an error and not the end of the process.
        at = self._n_tail * self._row_bytes
        with (self.folder / TAIL_FILE).open("rb+") as file:
            file.seek(at)
            file.write(data)
        self._n_tail += len(vectors)

    def read(self, positions: Positions) -> Halves:
        """Rows at positions, shape (n, dimension)."""
        in_base = positions < len(self._base)
        if in_base.all():
            return self._base[positions]
        rows = np.empty((len(positions), self._dimension), dtype=np.float16)
        rows[in_base] = self._base[positions[in_base]]
        rows[~in_base] = self._tail[positions[~in_base] - len(self._base)]
        return rows

    def blocks(self, positions: Positions) -> Iterator[tuple[Positions, Halves]]:
        """Rows at positions, some thousand at a time, with those positions."""
        for start in range(0, len(positions), _BLOCK):
            page = positions[start : start + _BLOCK]
            yield page, self.read(page)

    def write(self, positions: Positions, path: Path) -> None:
        """Write the rows at positions to a new file, in that order."""
        with path.open("wb") as file:
            for _, rows in self.blocks(positions):
                file.write(rows.tobytes())

    def link_base(self, folder: Path) -> None:
        """Give another folder the base file, as a copy that nothing here can change."""
        link_file(self.folder / BASE_FILE, folder / BASE_FILE)

    def _make_room(self, n_rows: int) -> None:
        """Let the tail's map reach further than its rows; what is not written takes no room on disk."""
        os.truncate(self.folder / TAIL_FILE, n_rows * self._row_bytes)
        self._tail = self._map(self.folder / TAIL_FILE, n_rows)

    def _map(self, path: Path, n_rows: int) -> Halves:
        shape = (n_rows, self._dimension)
        return np.memmap(path, np.float16, "r", shape=shape).view(np.ndarray) if n_rows else np.empty(shape, np.float16)
