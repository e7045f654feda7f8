"""Inverted lists: the dense index for more vectors than can be compared one by one.

Vectors belong to the nearest of some thousand centroids, and a search looks only at the lists of the centroids nearest
to it. A list holds short codes; the best by them are compared again by the vectors themselves, which lie in a mapped
file (:mod:`features.vector_rows`). With :mod:`features.dense_exact` the only door to faiss.

faiss's own refinement cannot remove vectors, and its graph index can neither remove nor filter (FACTS, part D);
inverted lists do both.
"""

from __future__ import annotations

import itertools
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from features.dense import (
    DENSE_FILE,
    Ids,
    Kind,
    Vectors,
    bitmap,
    bytes_a_vector,
    check_addition,
    nothing_found,
)
from features.errors import EncoderMismatch, IndexDamaged
from features.files import link_file
from features.vector_rows import BASE_FILE, TAIL_FILE, Halves, VectorRows

POSITIONS_FILE = "vectors.npy"

_MAX_LISTS = 4_096  # more take many minutes to fill, and five million vectors do without
_TRAINING_ROWS = 39  # a list; fewer and faiss warns of poor centroids
_ITERATIONS = 6
_MOST_GROWN = 1.4  # as many times the lists that it has would suit the number of vectors: time to train again

_MOST_PROBES = 160  # lists that a search without a filter looks at,
_MOST_SCANNED = 200_000  # as long as they hold no more vectors than these
_SPARE: dict[Kind, int] = {"ivf-sq8": 50, "ivf-sq4": 300}  # as many more than k are compared by their vectors
_ROW_COST = 10  # reading and comparing a vector on disk costs as much as looking up so many ids in lists

# One range for all numbers is read a third faster than one for each, and finds as much.
_CODES: dict[Kind, int] = {
    "ivf-sq8": faiss.ScalarQuantizer.QT_8bit_uniform,
    "ivf-sq4": faiss.ScalarQuantizer.QT_4bit_uniform,
}

Positions = NDArray[np.int64]


class IvfIndex:
    """Vectors in inverted lists; see :class:`features.dense.DenseIndex`.

    Parameters
    ----------
    lists : faiss.IndexIVFScalarQuantizer
        The codes, by the ids of the vectors.
    rows : VectorRows
        The vectors.
    ids, positions : ndarrays of int64, shape (n,)
        Where each vector is among the rows; rows that no id points to are of vectors that were removed.
    """

    def __init__(self, lists: Any, rows: VectorRows, ids: Ids, positions: Positions) -> None:
        self._lists = lists
        self._rows = rows
        self._position = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int32)  # by id; -1 where not held
        self._position[ids] = positions

    @classmethod
    def of_faiss(cls, index: Any, snapshot: Path, folder: Path) -> IvfIndex | None:
        """Take over an index that faiss read, with its files in a snapshot; None where it is of another kind.

        Raises
        ------
        IndexDamaged
            If the files do not fit each other.
        """
        if not isinstance(index, faiss.IndexIVFScalarQuantizer) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            return None
        if index.sq.qtype not in _CODES.values():
            return None
        link_file(snapshot / BASE_FILE, folder / BASE_FILE)
        shutil.copyfile(snapshot / TAIL_FILE, folder / TAIL_FILE)
        rows = VectorRows(folder, index.d)
        ids, positions = np.load(snapshot / POSITIONS_FILE, allow_pickle=False)
        if len(ids) != index.ntotal or positions.max(initial=-1) >= len(rows):
            raise IndexDamaged(f"The vectors in {snapshot} do not fit each other; rebuild the index.")
        return cls(index, rows, ids, positions)

    def __len__(self) -> int:
        return int(self._lists.ntotal)

    @property
    def kind(self) -> Kind:
        """By the codes."""
        return next(kind for kind, code in _CODES.items() if code == self._lists.sq.qtype)

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        return int(self._lists.d)

    @property
    def ids(self) -> Ids:
        """Every id, ascending."""
        return np.flatnonzero(self._position >= 0).astype(np.int64)

    @property
    def n_bytes(self) -> int:
        """Memory of codes, ids, positions and centroids, in bytes; the room that lists keep to grow is not counted."""
        codes = len(self) * bytes_a_vector(self.kind, self.dimension)
        return codes + 4 * int(self._lists.nlist) * self.dimension

    @property
    def n_bytes_on_disk(self) -> int:
        """Size of the vectors."""
        return self._rows.n_bytes

    @property
    def is_worn(self) -> bool:
        """Whether most rows are newer than the base file, or there are too few lists."""
        return len(self._rows) > 2 * self._rows.n_base or self.needs_training

    @property
    def needs_training(self) -> bool:
        """Whether so many vectors call for more lists."""
        return n_lists(len(self)) > _MOST_GROWN * int(self._lists.nlist)

    def copy_lists(self) -> Any:
        """Copy the codes, for a new index of the same vectors."""
        return faiss.clone_index(self._lists)

    def place(self, vectors: Vectors) -> Ids:
        """Find the nearest centroid of each vector."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise EncoderMismatch(
                f"Vectors of shape {vectors.shape} do not fit an index of dimension {self.dimension}; embed them with "
                "the encoder that the index was made with."
            )
        return _nearest_lists(self._lists, vectors)

    def add(self, ids: Ids, vectors: Vectors, places: Ids | None = None) -> None:
        """Add vectors; fast where it is known which lists they go to."""
        check_addition(ids, vectors, self.dimension, self._holds(ids))
        if len(ids) == 0:
            return
        places = self.place(vectors) if places is None else places
        positions = np.arange(len(self._rows), len(self._rows) + len(ids))
        self._rows.append(vectors)
        _append(self._lists, ids, vectors, places)
        self._note(ids, positions)

    def remove(self, ids: Ids) -> int:
        """Remove vectors; unknown ids are passed over. Returns how many were there."""
        ids = np.unique(ids[self._holds(ids)]).astype(np.int64)
        if len(ids):
            bits = bitmap(ids)
            self._lists.remove_ids(faiss.IDSelectorBitmap(bits))
            self._position[ids] = -1
        return len(ids)

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """Find the k nearest: all but a few of them; the fewer a filter lets through, the more lists are looked at."""
        k = min(k, len(self))
        if k <= 0 or (allowed is not None and len(allowed) == 0):
            return nothing_found()
        found = self._candidates(vector, k + _SPARE[self.kind], allowed)
        if len(found) == 0:
            return nothing_found()
        best, cosines = nearest_rows(self._rows.read(self._position[found].astype(np.int64)), vector, k)
        return found[best], np.clip(cosines, -1.0, 1.0)

    def search_exactly(self, vectors: Vectors, k: int) -> Ids:
        """Compare every vector, block by block."""
        k = min(k, len(self))
        best = np.full((len(vectors), k), -np.inf, dtype=np.float32)
        best_ids = np.full((len(vectors), k), -1, dtype=np.int64)
        ids = self.ids
        for positions, rows in self._rows.blocks(self._position[ids].astype(np.int64)):
            block, ids = ids[: len(positions)], ids[len(positions) :]
            cosines = np.hstack([best, vectors @ rows.astype(np.float32).T])
            candidates = np.hstack([best_ids, np.broadcast_to(block, (len(vectors), len(block)))])
            order = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
            best = np.take_along_axis(cosines, order, axis=1)
            best_ids = np.take_along_axis(candidates, order, axis=1)
        return best_ids

    def reconstruct(self, ids: Ids) -> Vectors:
        """Give back vectors, as half precision kept them; shape (n, dimension)."""
        missing = ids[~self._holds(ids)]
        if len(missing):
            raise KeyError(f"The index holds no vector of id {missing[0]}.")
        return self._rows.read(self._position[ids].astype(np.int64)).astype(np.float32)

    def write_rows(self, path: Path) -> Ids:
        """Write every vector to a new file, in the order of the rows, so that each is read once and in turn."""
        ids = self.ids
        ids = ids[np.argsort(self._position[ids])]
        self._rows.write(self._position[ids].astype(np.int64), path)
        return ids

    def freeze(self, folder: Path, *, is_clean: bool) -> FrozenIvf:
        """Copy the codes; the base file is linked into the folder, and the tail that is there now never changes."""
        ids = self.ids
        self._rows.link_base(folder)
        where = np.stack([ids, self._position[ids]])
        return FrozenIvf(self.copy_lists(), where, self._rows.tail, folder, is_clean)

    def _candidates(self, vector: Vectors, k: int, allowed: Ids | None) -> Ids:
        """Find the k best by their codes in the nearest lists, or take all that a selective filter lets through."""
        query, n_lists = np.ascontiguousarray(vector, dtype=np.float32)[None, :], int(self._lists.nlist)
        n_probes = min(_MOST_PROBES, max(1, _MOST_SCANNED * n_lists // len(self)))
        if allowed is None:
            _, ids = self._lists.search(query, k, params=faiss.SearchParametersIVF(nprobe=n_probes))
        else:
            # The nearest of few lie in more lists than the nearest of all: ten times as far out at one in a hundred.
            n_probes = min(n_lists, math.ceil(n_probes * math.sqrt(max(1.0, len(self) / len(allowed)))))
            if _ROW_COST * len(allowed) * n_lists <= n_probes * len(self):
                return allowed[self._holds(allowed)]
            # faiss keeps only a pointer to the bits: bits and selector must outlive the call, and as locals they do.
            bits = bitmap(allowed)
            selector = faiss.IDSelectorBitmap(bits)
            _, ids = self._lists.search(query, k, params=faiss.SearchParametersIVF(sel=selector, nprobe=n_probes))
        found: Ids = ids[0][ids[0] >= 0]
        return found

    def _holds(self, ids: Ids) -> NDArray[np.bool_]:
        inside = (ids >= 0) & (ids < len(self._position))
        inside[inside] = self._position[ids[inside]] >= 0
        return inside

    def _note(self, ids: Ids, positions: Positions) -> None:
        top = int(ids.max()) + 1
        if top > len(self._position):
            grown = np.full(max(top, len(self._position) * 5 // 4), -1, dtype=np.int32)
            grown[: len(self._position)] = self._position
            self._position = grown
        self._position[ids] = positions


@dataclass(frozen=True, slots=True, eq=False)
class FrozenIvf:
    """An index as it was at a moment; ``where`` is its ids over their positions, shape (2, n).

    Rows that no position points to are left out where the copy is not clean.
    """

    lists: Any
    where: NDArray[np.int64]
    tail: Halves
    folder: Path
    is_clean: bool

    def write(self, folder: Path) -> None:
        """Put the files into a folder of the same file system."""
        faiss.write_index(self.lists, str(folder / DENSE_FILE))
        self.tail.tofile(self.folder / TAIL_FILE)
        where = self.where if self.is_clean else self._write_live_rows(folder)
        np.save(folder / POSITIONS_FILE, where, allow_pickle=False)
        for path in self.folder.iterdir():
            if self.is_clean:
                path.rename(folder / path.name)
            else:
                path.unlink()

    def _write_live_rows(self, folder: Path) -> NDArray[np.int64]:
        """Write a base file of what is live, in the order in which it lay, and an empty tail."""
        ids, positions = self.where[:, np.argsort(self.where[1])]
        VectorRows(self.folder, int(self.lists.d)).write(positions, folder / BASE_FILE)
        (folder / TAIL_FILE).touch()
        return np.stack([ids, np.arange(len(ids))])


def nearest_rows(rows: Halves, vector: Vectors, k: int) -> tuple[Ids, Vectors]:
    """Find the k nearest of some rows in half precision, nearest first; numpy alone takes ten times as long.

    Examples
    --------
    >>> rows = np.array([[0, 1], [1, 0]], dtype=np.float16)
    >>> best, cosines = nearest_rows(rows, np.array([1, 0], dtype=np.float32), 2)
    >>> best.tolist(), cosines.tolist()
    ([1, 0], [1.0, 0.0])
    """
    flat = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    flat.add_sa_codes(rows.view(np.uint8))
    cosines, best = flat.search(np.ascontiguousarray(vector, dtype=np.float32)[None, :], min(k, len(rows)))
    return best[0], cosines[0]


def n_lists(n_vectors: int) -> int:
    """Number of lists that suits a number of vectors.

    Examples
    --------
    >>> [n_lists(n) for n in (1, 40, 200_000, 5_000_000)]
    [1, 2, 1788, 4096]
    """
    return max(1, min(_MAX_LISTS, int(4 * math.sqrt(n_vectors)), n_vectors // _TRAINING_ROWS + 1))


def train_lists(rows: VectorRows, ids: Ids, kind: Kind) -> Any:
    """Make lists of the vectors of a base file; ``ids`` are theirs, in order. Takes a minute a million."""
    sample = np.linspace(0, len(ids) - 1, min(len(ids), _TRAINING_ROWS * n_lists(len(ids)))).astype(np.int64)
    dimension = rows.read(sample[:1]).shape[1]
    centroids = faiss.IndexFlatIP(dimension)
    lists = faiss.IndexIVFScalarQuantizer(
        centroids, dimension, n_lists(len(ids)), _CODES[kind], faiss.METRIC_INNER_PRODUCT
    )
    lists.cp.niter = _ITERATIONS
    lists.cp.spherical = True
    lists.cp.min_points_per_centroid = 1
    lists.train(rows.read(sample).astype(np.float32))
    _fill(lists, rows, ids)
    return lists


def _fill(lists: Any, rows: VectorRows, ids: Ids) -> None:
    positions = np.arange(len(ids))
    places = np.concatenate([_nearest_lists(lists, block.astype(np.float32)) for _, block in rows.blocks(positions)])
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(lists.nlist + 1)).tolist()
    for place, (start, stop) in enumerate(itertools.pairwise(bounds)):
        members = order[start:stop]
        if len(members):
            _fill_list(lists, place, np.ascontiguousarray(ids[members]), rows.read(members).astype(np.float32))


def _nearest_lists(lists: Any, vectors: Vectors) -> Ids:
    _, places = lists.quantizer.search(np.ascontiguousarray(vectors, dtype=np.float32), 1)
    found: Ids = places[:, 0]
    return found


def _append(lists: Any, ids: Ids, vectors: Vectors, places: Ids) -> None:
    """Append vectors to lists that are known; :meth:`IndexIVF.add_with_ids` would look for them again."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    ids, places = np.ascontiguousarray(ids, dtype=np.int64), np.ascontiguousarray(places, dtype=np.int64)
    lists.add_core(len(ids), faiss.swig_ptr(vectors), faiss.swig_ptr(ids), faiss.swig_ptr(places))


def _fill_list(lists: Any, place: int, ids: Ids, vectors: Vectors) -> None:
    """Put all vectors of an empty list in at once; one that grows bit by bit keeps up to twice the room it needs."""
    codes, places = np.empty((len(ids), lists.code_size), dtype=np.uint8), np.full(len(ids), place, dtype=np.int64)
    lists.encode_vectors(len(ids), faiss.swig_ptr(vectors), faiss.swig_ptr(places), faiss.swig_ptr(codes))
    lists.invlists.add_entries(place, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    lists.ntotal += len(ids)
