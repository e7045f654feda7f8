"""The exact kind of dense index. With :mod:`features.dense_ivf` and its lists the only door to faiss.

Vectors are kept in half precision: cosines are off by at most 1e-3. A search compares them all by codes of 8 bits a
number, and again those that may be among the nearest, by how far a code can be off at most: that takes less than half
the time of comparing them all in half precision, and finds just the same.
"""

from __future__ import annotations

from dataclasses import dataclass
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

_NOWHERE = -1
_BLOCK = 16_384  # vectors turned into codes at a time
_MOST = 127.0
_SPARE = 200  # how many more are looked at again, beside twice as many as are wanted
_ROUGH_FROM = 10  # times as many vectors: comparing fewer by codes first takes longer
# An index of more vectors is exact only for others to be measured by (features.dense.DenseLimits): it is scanned whole.
_ROUGH_UP_TO = 500_000
_ROUNDING = 1e-5  # of a cosine that is summed in another order


class _Rough:
    """Codes of 8 bits a number, in the order of the vectors.

    By how much the cosine of a code can be off follows from the length of what rounding took away (the inequality of
    Cauchy and Schwarz): the largest one of all vectors is kept.
    """

    def __init__(self, dimension: int) -> None:
        # faiss multiplies these as integers, the query's too: twice as fast as decoding them.
        self._index = faiss.IndexScalarQuantizer(
            dimension, faiss.ScalarQuantizer.QT_8bit_direct_signed, faiss.METRIC_INNER_PRODUCT
        )
        # A number beyond seven times the usual one is rare in a unit vector. It is cut, which makes the error larger.
        self._scale = _MOST / min(1.0, 7.0 / dimension**0.5)
        self._error = 0.0

    def add(self, vectors: NDArray[np.float16]) -> None:
        for start in range(0, len(vectors), _BLOCK):
            codes, error = _coded(vectors[start : start + _BLOCK].astype(np.float32), self._scale)
            self._error = max(self._error, error)
            self._index.add(codes)

    def remove(self, places: Ids) -> None:
        self._index.remove_ids(places)

    def search(self, query: Vectors, k: int, places: Ids | None) -> tuple[Ids, float]:
        """Places of the k best, of all or of some, and a cosine that none of the others exceeds."""
        scale = _MOST / max(float(np.abs(query).max()), 1e-9)
        codes, error = _coded(query[None, :], scale)
        found, scores = _best(self._index, codes, k, places)
        if len(found) < k:
            return found, -np.inf
        length = float(np.linalg.norm(query))
        off = self._error * length + error * (1.0 + self._error) + _ROUNDING
        return found, scores.item(-1) / (self._scale * scale) + off


def _best(index: Any, query: Vectors, k: int, places: Ids | None) -> tuple[Ids, Vectors]:
    """Places of the k best of all, or of some, and their scores; the query has shape (1, dimension)."""
    if places is None:
        scores, found = index.search(query, k)
    else:
        # faiss keeps only a pointer to the bits: bits and selector must outlive the call, and as locals they do.
        bits = bitmap(places)
        selector = faiss.IDSelectorBitmap(bits)
        scores, found = index.search(query, k, params=faiss.SearchParameters(sel=selector))
    is_there = found[0] >= 0
    return found[0][is_there], scores[0][is_there]


def _coded(vectors: Vectors, scale: float) -> tuple[Vectors, float]:
    """Whole numbers from -127 to 127, and the most that a vector differs by."""
    codes = np.clip(np.rint(vectors * np.float32(scale)), -_MOST, _MOST)
    return codes, float(np.linalg.norm(vectors - codes / np.float32(scale), axis=1).max(initial=0.0))


@dataclass(frozen=True, slots=True, eq=False)
class FrozenExact:
    """A copy of an index, to be written."""

    index: Any

    def write(self, folder: Path) -> None:
        """Write the index to a new file of a folder."""
        faiss.write_index(self.index, str(folder / DENSE_FILE))


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
        self._take_over(faiss.IndexIDMap2(codes))

    @classmethod
    def of_faiss(cls, index: Any) -> ExactIndex | None:
        """Take over an index that faiss read; None where it is of another kind."""
        codes = faiss.downcast_index(index.index) if isinstance(index, faiss.IndexIDMap2) else None
        if not isinstance(codes, faiss.IndexScalarQuantizer) or codes.metric_type != faiss.METRIC_INNER_PRODUCT:
            return None
        loaded = cls.__new__(cls)
        loaded._take_over(index)
        return loaded

    def _take_over(self, index: Any) -> None:
        self._index = index
        self._half = faiss.downcast_index(index.index)
        self._place = np.zeros(0, dtype=np.int64)  # by id; faiss itself takes an id twice without a word
        self._rough: _Rough | None = _Rough(index.d)
        self._note(0)

    def __len__(self) -> int:
        return int(self._index.ntotal)

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return int(self._index.d)

    @property
    def ids(self) -> Ids:
        """Every id, ascending."""
        return np.flatnonzero(self._place != _NOWHERE).astype(np.int64)

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
        n_before = len(self)
        self._index.add_with_ids(np.ascontiguousarray(vectors, dtype=np.float32), ids.astype(np.int64))
        self._note(n_before)

    def remove(self, ids: Ids) -> int:
        """Remove vectors; unknown ids are passed over. Returns how many were there."""
        ids = np.unique(ids[self._holds(ids)]).astype(np.int64)
        if len(ids):
            if self._rough is not None:
                self._rough.remove(self._place[ids])
            self._index.remove_ids(ids)
            self._place[ids] = _NOWHERE
            self._note_places(0)
        return len(ids)

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """Find the k nearest; exact under every filter."""
        places = None if allowed is None else self._place[allowed[self._holds(allowed)]]
        k = min(k, len(self) if places is None else len(places))
        if k <= 0:
            return nothing_found()
        query = np.ascontiguousarray(vector, dtype=np.float32)
        found, cosines = self._nearest(query, k, places)
        return self._ids_at(found), np.clip(cosines, -1.0, 1.0)

    def _nearest(self, query: Vectors, k: int, places: Ids | None) -> tuple[Ids, Vectors]:
        """Places and cosines, of all or of some."""
        n_rough = 2 * k + _SPARE
        n_compared = len(self) if places is None else len(places)
        if self._rough is not None and n_compared >= _ROUGH_FROM * n_rough:
            near, bound = self._rough.search(query, n_rough, places)
            # Not as a product of matrix and vector, in which equal rows may give unequal sums.
            cosines = np.einsum("ij,j->i", self._vectors[near].astype(np.float32), query)
            best = np.lexsort((near, -cosines))[:k]
            if cosines[best[-1]] > bound:  # which it is not among many copies of a text
                return near[best], cosines[best]
        return _best(self._half, query[None, :], k, places)

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
        return self._vectors[self._place[ids]].astype(np.float32)

    def write_rows(self, path: Path) -> Ids:
        """Write every vector to a new file; faiss keeps them just as the file has them."""
        self._vectors.tofile(path)
        ids: Ids = faiss.vector_to_array(self._index.id_map)
        return ids

    def freeze(self, folder: Path, *, is_clean: bool) -> FrozenExact:  # noqa: ARG002
        """Copy the index; no file is needed, and it holds nothing of what was removed."""
        return FrozenExact(faiss.clone_index(self._index))

    @property
    def _vectors(self) -> NDArray[np.float16]:
        """All vectors, in the order in which faiss has them: a view of its memory, valid until the next change."""
        if len(self) == 0:
            return np.empty((0, self.dimension), dtype=np.float16)
        codes = faiss.rev_swig_ptr(self._half.codes.data(), self._half.codes.size())
        vectors: NDArray[np.float16] = codes.view(np.float16).reshape(len(self), self.dimension)
        return vectors

    def _ids_at(self, places: Ids) -> Ids:
        ids: Ids = faiss.rev_swig_ptr(self._index.id_map.data(), len(self))[places]
        return ids

    def _holds(self, ids: Ids) -> NDArray[np.bool_]:
        inside = (ids >= 0) & (ids < len(self._place))
        inside[inside] = self._place[ids[inside]] != _NOWHERE
        return inside

    def _note(self, first: int) -> None:
        """Take notice of the vectors from a place on."""
        if len(self) > _ROUGH_UP_TO:
            self._rough = None
        if self._rough is not None:
            self._rough.add(self._vectors[first:])
        self._note_places(first)

    def _note_places(self, first: int) -> None:
        """Note where the vectors from a place on are."""
        places = np.arange(first, len(self))
        if not len(places):
            return
        ids = self._ids_at(places)
        top = int(ids.max()) + 1
        if top > len(self._place):
            grown = np.full(max(top, 2 * len(self._place)), _NOWHERE, dtype=np.int64)
            grown[: len(self._place)] = self._place
            self._place = grown
        self._place[ids] = places


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
