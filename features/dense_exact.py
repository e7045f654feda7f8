"""The exact kind of dense index. With :mod:`features.dense_ivf` and its lists the only door to faiss.

Vectors are kept in half precision: cosines are off by at most 1e-3, a scan takes half the memory and half the time of
float32 (FACTS, part D).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import faiss
import numpy as np
from numpy.typing import NDArray

from features.dense import (
    DENSE_FILE,
    Exclusively,
    Ids,
    Kind,
    Staged,
    Vectors,
    bitmap,
    bytes_a_vector,
    check_addition,
    nothing_found,
)
from features.errors import IndexDamaged

# Several threads make each scan slower as soon as two requests share the cores (FACTS, part C).
faiss.omp_set_num_threads(1)


class ExactIndex:
    """Vectors compared one by one; see :class:`features.dense.DenseIndex`.

    Parameters
    ----------
    dimension : int
        Length of every vector.

    Examples
    --------
    >>> index = ExactIndex(2)
    >>> index.add(np.array([5, 9]), np.array([[1, 0], [0, 1]], dtype=np.float32))
    >>> ids, cosines = index.search(np.array([1, 0], dtype=np.float32), k=2)
    >>> ids.tolist(), cosines.tolist()
    ([5, 9], [1.0, 0.0])
    """

    kind: ClassVar[Kind] = "exact"
    n_bytes_on_disk: ClassVar[int] = 0
    is_worn: ClassVar[bool] = False

    def __init__(self, dimension: int) -> None:
        codes = faiss.IndexScalarQuantizer(dimension, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        self._index = faiss.IndexIDMap2(codes)
        self._is_held = np.zeros(0, dtype=np.bool_)  # by id; faiss itself takes an id twice without a word

    @classmethod
    def of_faiss(cls, index: Any) -> ExactIndex | None:
        """Take over an index that faiss read; None where it is of another kind."""
        codes = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else None
        if not isinstance(codes, faiss.IndexScalarQuantizer) or codes.metric_type != faiss.METRIC_INNER_PRODUCT:
            return None
        loaded = cls.__new__(cls)
        loaded._index = index
        loaded._is_held = np.zeros(0, dtype=np.bool_)
        loaded._mark(faiss.vector_to_array(index.id_map))
        return loaded

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
        return len(self) * bytes_a_vector(self.kind, self.dimension)

    def stage(self, ids: Ids, vectors: Vectors) -> Staged:  # noqa: ARG002
        """Nothing to do: adding them is fast."""
        nowhere = np.zeros(len(ids), dtype=np.int64)
        return Staged(nowhere, nowhere)

    def settle(self, exclusively: Exclusively) -> None:
        """Nothing to do."""

    def add(self, ids: Ids, vectors: Vectors, staged: Staged | None = None) -> None:  # noqa: ARG002
        """Add vectors."""
        check_addition(ids, vectors, self.dimension, self._holds(ids))
        if len(ids) == 0:
            return
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
        """Find the k nearest; exact under every filter."""
        k = min(k, len(self))
        if k <= 0 or (allowed is not None and len(allowed) == 0):
            return nothing_found()
        query = np.ascontiguousarray(vector, dtype=np.float32)[None, :]
        if allowed is None:
            cosines, ids = self._index.search(query, k)
        else:
            # faiss keeps only a pointer to the bits: bits and selector must outlive the call, and as locals they do.
            bits = bitmap(allowed)
            selector = faiss.IDSelectorBitmap(bits)
            cosines, ids = self._index.search(query, k, params=faiss.SearchParameters(sel=selector))
        found = ids[0] >= 0
        return ids[0][found], np.clip(cosines[0][found], -1.0, 1.0)

    def search_exactly(self, vectors: Vectors, k: int) -> Ids:
        """What every search here is."""
        return np.stack([self.search(vector, k)[0] for vector in vectors])

    def reconstruct(self, ids: Ids) -> Vectors:
        """Give back vectors, as half precision kept them; shape (n, dimension)."""
        missing = ids[~self._holds(ids)]
        if len(missing):
            raise KeyError(f"The index holds no vector of id {missing[0]}.")
        if len(ids) == 0:
            return np.empty((0, self.dimension), dtype=np.float32)
        vectors: Vectors = self._index.reconstruct_batch(ids.astype(np.int64))
        return vectors

    def write_rows(self, path: Path) -> Ids:
        """Write every vector to a new file; faiss keeps them just as the file has them."""
        if len(self):
            codes = faiss.downcast_index(self._index.index).codes
            faiss.rev_swig_ptr(codes.data(), codes.size()).tofile(path)
        else:
            path.touch()
        ids: Ids = faiss.vector_to_array(self._index.id_map)
        return ids

    def freeze(self, folder: Path, *, is_clean: bool) -> ExactIndex:  # noqa: ARG002
        """Copy the index; no file is needed, and it holds nothing of what was removed."""
        other = ExactIndex.__new__(ExactIndex)
        other._index = faiss.clone_index(self._index)
        other._is_held = self._is_held.copy()
        return other

    def write(self, folder: Path) -> None:
        """Write the index to a new file of a folder."""
        faiss.write_index(self._index, str(folder / DENSE_FILE))

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


def read_faiss(path: Path) -> Any:
    """Read a file that faiss wrote; inverted lists stay in it and are mapped, all else is read into memory.

    Raises
    ------
    IndexDamaged
        If it cannot be read.
    """
    try:
        return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)
    except RuntimeError as error:
        raise IndexDamaged(f"The vectors {path} cannot be read ({error}); rebuild the index.") from None
