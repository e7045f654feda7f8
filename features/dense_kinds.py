"""Dense indexes of whichever kind: read from a snapshot, and made anew as the kind that suits their number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.dense import DENSE_FILE, DenseIndex, DenseLimits, Ids, Kind
from features.dense_exact import ExactIndex, read_faiss
from features.dense_ivf import IvfIndex
from features.errors import IndexDamaged
from features.ivf_lists import train_lists
from features.vector_rows import BASE_FILE, VectorRows


def empty_dense(dimension: int) -> DenseIndex:
    """Make an empty index, which is exact whatever the limits: there is nothing to train lists on."""
    return ExactIndex(dimension)


def load_dense(snapshot: Path, folder: Path) -> DenseIndex:
    """Read an index that a snapshot holds.

    Parameters
    ----------
    snapshot : Path
    folder : Path
        Of the index alone; files that it goes on reading are linked or copied into it.

    Raises
    ------
    IndexDamaged
        If it cannot be read, or holds another kind of index.
    OSError
        If a file is missing.
    """
    path = snapshot / DENSE_FILE
    index = read_faiss(path)
    loaded: DenseIndex | None = ExactIndex.of_faiss(index)
    if loaded is None:  # and not just empty
        loaded = IvfIndex.of_faiss(index, snapshot, folder)
    if loaded is None:
        raise IndexDamaged(f"The vectors {path} are of the wrong kind {type(index).__name__}; rebuild the index.")
    return loaded


def has_right_kind(dense: DenseIndex, limits: DenseLimits) -> bool:
    """Whether an index would be of the same kind if it were made anew."""
    return limits.kind(len(dense), dense.dimension, dense.kind) == dense.kind


def is_worn(dense: DenseIndex, limits: DenseLimits) -> bool:
    """Whether an index should be made anew: its kind does not suit it any more, or it has grown too much."""
    return dense.is_worn or not has_right_kind(dense, limits)


@dataclass(frozen=True, slots=True, eq=False)
class Renewal:
    """An index on its way to being made anew, out of the vectors that it held at a moment.

    Attributes
    ----------
    kind : Kind
        Of the new index.
    shared : DenseIndex or None
        The old index, where the new one is the same.
    ids : ndarray of int64, shape (n,)
        Of the vectors that lie in ``folder``.
    lists : faiss index or None
        A copy of the old index's lists, where they suit the new one.
    """

    kind: Kind
    dimension: int
    folder: Path
    shared: DenseIndex | None
    ids: Ids
    lists: Any

    @classmethod
    def begin(cls, dense: DenseIndex, limits: DenseLimits, folder: Path) -> Renewal:
        """Copy what is needed into a folder; changes must wait, searches need not.

        An exact index that stays one has nothing to leave behind, and is used on as it is.
        """
        kind = limits.kind(len(dense), dense.dimension, dense.kind)
        if kind == dense.kind == "exact":
            return cls(kind, dense.dimension, folder, dense, dense.ids, None)
        ids = dense.write_rows(folder / BASE_FILE)
        lists = None
        if isinstance(dense, IvfIndex) and dense.kind == kind and not dense.needs_training:
            lists = dense.copy_lists()
        return cls(kind, dense.dimension, folder, None, ids, lists)

    def finish(self) -> DenseIndex:
        """Make the index; slow, and safe while the old one goes on."""
        if self.shared is not None:
            return self.shared
        rows = VectorRows(self.folder, self.dimension)
        positions = np.arange(len(self.ids))
        if self.kind == "exact":
            index = ExactIndex(self.dimension)
            for page, vectors in rows.blocks(positions):
                index.add(self.ids[page], vectors.astype(np.float32))
            return index
        lists = self.lists if self.lists is not None else train_lists(rows, self.ids, self.kind)
        return IvfIndex(lists, rows, self.ids, positions)
