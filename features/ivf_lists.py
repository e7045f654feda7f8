"""Inverted lists as faiss keeps them: made, trained, filled and added to. Only :mod:`features.dense_ivf` uses it."""

from __future__ import annotations

import itertools
import math
from typing import Any

import faiss
import numpy as np

from features.dense import Ids, Kind, Vectors
from features.vector_rows import Halves, VectorRows

_MAX_LISTS = 4_096  # more take many minutes to fill, and five million vectors do without
_TRAINING_ROWS = 39  # a list; fewer and faiss warns of poor centroids
_ITERATIONS = 6
_ROOM = 16  # a list has room for one in so many more

# One range for all numbers is read a third faster than one for each, and finds as much.
CODES: dict[Kind, int] = {
    "ivf-sq8": faiss.ScalarQuantizer.QT_8bit_uniform,
    "ivf-sq4": faiss.ScalarQuantizer.QT_4bit_uniform,
}


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
        centroids, dimension, n_lists(len(ids)), CODES[kind], faiss.METRIC_INNER_PRODUCT
    )
    lists.cp.niter = _ITERATIONS
    lists.cp.spherical = True
    lists.cp.min_points_per_centroid = 1
    lists.train(rows.read(sample).astype(np.float32))
    _fill(lists, rows, ids)
    return lists


def _fill(lists: Any, rows: VectorRows, ids: Ids) -> None:
    positions = np.arange(len(ids))
    places = np.concatenate([nearest_lists(lists, block.astype(np.float32)) for _, block in rows.blocks(positions)])
    order = np.argsort(places, kind="stable")
    bounds = np.searchsorted(places[order], np.arange(lists.nlist + 1)).tolist()
    for place, (start, stop) in enumerate(itertools.pairwise(bounds)):
        members = order[start:stop]
        if len(members):
            _fill_list(lists, place, np.ascontiguousarray(ids[members]), rows.read(members).astype(np.float32))


def nearest_lists(lists: Any, vectors: Vectors) -> Ids:
    """Find the list of each vector, shape (n,)."""
    _, places = lists.quantizer.search(np.ascontiguousarray(vectors, dtype=np.float32), 1)
    found: Ids = places[:, 0]
    return found


def append(lists: Any, ids: Ids, vectors: Vectors, places: Ids) -> None:
    """Append vectors to lists that are known; :meth:`IndexIVF.add_with_ids` would look for them again."""
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    ids, places = np.ascontiguousarray(ids, dtype=np.int64), np.ascontiguousarray(places, dtype=np.int64)
    lists.add_core(len(ids), faiss.swig_ptr(vectors), faiss.swig_ptr(ids), faiss.swig_ptr(places))


def give_room(lists: Any) -> None:
    """Copy lists that are mapped into memory, each with room to grow."""
    mapped, own = lists.invlists, faiss.ArrayInvertedLists(lists.nlist, lists.code_size)
    for place in range(lists.nlist):
        n = mapped.list_size(place)
        _make_room(own, place, n)
        own.add_entries(place, n, mapped.get_ids(place), mapped.get_codes(place))
    lists.replace_invlists(own, True)
    own.this.disown()


def _make_room(inverted: Any, place: int, n: int) -> None:
    """Let an empty list hold n vectors and some more: one without room is copied, and doubled, as it first grows."""
    inverted.resize(place, n + n // _ROOM + 1)
    inverted.resize(place, 0)


def _fill_list(lists: Any, place: int, ids: Ids, vectors: Vectors) -> None:
    """Put all vectors of an empty list in at once; one that grows bit by bit keeps up to twice the room it needs."""
    _make_room(lists.invlists, place, len(ids))
    codes, places = np.empty((len(ids), lists.code_size), dtype=np.uint8), np.full(len(ids), place, dtype=np.int64)
    lists.encode_vectors(len(ids), faiss.swig_ptr(vectors), faiss.swig_ptr(places), faiss.swig_ptr(codes))
    lists.invlists.add_entries(place, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(codes))
    lists.ntotal += len(ids)
