"""Exact nearest neighbours by cosine. The only door to faiss.

Vectors are kept in half precision: cosines are off by at most 1e-3, a scan takes half the memory and half the time of
float32 (FACTS, part D).
"""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from features.errors import EncoderMismatch, IndexDamaged

# Several threads make each scan slower as soon as two requests share the cores (FACTS, part C).
faiss.omp_set_num_threads(1)

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


class DenseIndex:
    """Unit vectors by id, searched by inner product, which for unit vectors is the cosine.

    Any number of threads may search at a time; a change must have the index to itself (:class:`CaseIndex` sees to
    that).

    Parameters
    ----------
    dimension : int
        Length of every vector.

    Examples
    --------
    >>> index = DenseIndex(2)
    >>> index.add(np.array([5, 9]), np.array([[1, 0], [0, 1]], dtype=np.float32))
    >>> ids, cosines = index.search(np.array([1, 0], dtype=np.float32), k=2)
    >>> ids.tolist(), cosines.tolist()
    ([5, 9], [1.0, 0.0])
    """

    def __init__(self, dimension: int) -> None:
        codes = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._index = faiss.IndexIDMap2(codes)
        self._is_held = np.zeros(0, dtype=np.bool_)  # by id; faiss itself takes an id twice without a word

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return int(self._index.d)

    @property
    def ids(self) -> Ids:
        """Every id, ascending."""
        return np.flatnonzero(self._is_held).astype(np.int64)

    @property
    def n_bytes(self) -> int:
        """Memory of the vectors and their ids, in bytes."""
        return len(self) * (2 * self.dimension + 8)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,), not negative
        vectors : ndarray of float32, shape (n, dimension), rows of length 1

        Raises
        ------
        EncoderMismatch
            If the vectors have another dimension.
        ValueError
            If an id is negative, given twice or already held.
        """
        if vectors.shape != (len(ids), self.dimension):
            raise EncoderMismatch(
                f"Vectors of shape {vectors.shape} do not fit {len(ids)} ids in an index of dimension "
                f"{self.dimension}; embed them with the encoder that the index was made with."
            )
        if len(ids) == 0:
            return
        wrong = ids[(ids < 0) | self._holds(ids)]
        if len(wrong) or len(np.unique(ids)) < len(ids):
            raise ValueError(f"Ids must be new, not negative and given once (among them {wrong[:3].tolist()}); remove.")
        self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids.astype(np.int64))
        self._mark(ids)

    def remove(self, ids: Ids) -> int:
        """Remove vectors; unknown ids are passed over. Returns how many were there."""
        ids = np.unique(ids[self._holds(ids)]).astype(np.int64)
        if len(ids):
            self._index.remove_ids(ids)
            self._is_held[ids] = False
        return len(ids)

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """Find the k nearest.

        Parameters
        ----------
        vector : ndarray of float32, shape (dimension,), of length 1
        k : int
        allowed : ndarray of int64, optional
            Only these ids are looked at; exact at every selectivity.

        Returns
        -------
        ids : ndarray of int64, shape (n,), n <= k
        cosines : ndarray of float32, shape (n,), -1 to 1, descending
        """
        k = min(k, len(self))
        if k <= 0 or (allowed is not None and len(allowed) == 0):
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
        query = np.ascontiguousarray(vector, dtype=np.float32)[None, :]
        if allowed is None:
            cosines, ids = self._index.search(query, k)
        else:
            # faiss keeps only a pointer to the bits: bits and selector must outlive the call, and as locals they do.
            bits = _bitmap(allowed)
            selector = faiss.IDSelectorBitmap(bits)
            cosines, ids = self._index.search(query, k, params=faiss.SearchParameters(sel=selector))
        found = ids[0] >= 0
        return ids[0][found], np.clip(cosines[0][found], -1.0, 1.0)

    def reconstruct(self, ids: Ids) -> Vectors:
        """Give back vectors, as half precision kept them; shape (n, dimension).

        Raises
        ------
        KeyError
            If an id is not held.
        """
        missing = ids[~self._holds(ids)]
        if len(missing):
            raise KeyError(f"The index holds no vector of id {missing[0]}.")
        if len(ids) == 0:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors: Vectors = self._index.reconstruct_batch(ids.astype(np.int64))
        return vectors

    def copy(self) -> DenseIndex:
        """Copy the index, so that it can be saved while the original changes."""
        other = DenseIndex.__new__(DenseIndex)
        other._index = faiss.clone_index(self._index)
        other._is_held = self._is_held.copy()
        return other

    def save(self, path: Path) -> None:
        """Write the index to a new file; not synced, not atomic (:mod:`features.snapshot` is)."""
        faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: Path) -> DenseIndex:
        """Read a file that :meth:`save` wrote.

        Raises
        ------
        IndexDamaged
            If it cannot be read, or holds another kind of index.
        """
        try:
            index = faiss.read_index(str(path))
        except RuntimeError as error:
            raise IndexDamaged(f"The vectors {path} cannot be read ({error}); rebuild the index.") from None
        codes = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else None
        if not isinstance(codes, faiss.IndexScalarQuantizer) or codes.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise IndexDamaged(f"The vectors {path} are of the wrong kind {type(index).__name__}; rebuild the index.")
        loaded = cls.__new__(cls)
        loaded._index = index
        loaded._is_held = np.zeros(0, dtype=np.bool_)
        loaded._mark(faiss.vector_to_array(index.id_map))
        return loaded

    def _holds(self, ids: Ids) -> NDArray[np.bool_]:
        inside = (ids >= 0) & (ids < len(self._is_held))
        inside[inside] = self._is_held[ids[inside]]
        return inside

    def _mark(self, ids: Ids) -> None:
        top = int(ids.max(initial=-1)) + 1
        if top > len(self._is_held):
            grown = np.zeros(max(top, 2 * len(self._is_held)), dtype=np.bool_)
            grown[: len(self._is_held)] = self._is_held
            self._is_held = grown
        self._is_held[ids] = True


def _bitmap(ids: Ids) -> NDArray[np.uint8]:
    """One bit an id. At 200,000 vectors a third faster than faiss's set of ids, most of which is making the set."""
    mask = np.zeros(int(ids.max()) + 1, dtype=np.bool_)
    mask[ids] = True
    return np.packbits(mask, bitorder="little")
