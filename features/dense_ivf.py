"""Inverted lists: the dense index for more vectors than can be compared one by one.

Vectors belong to the nearest of some thousand centroids, and a search looks only at the lists of the centroids nearest
to it. A list holds short codes; the best by them are compared again by the vectors themselves, which lie in a mapped
file (:mod:`features.vector_rows`). What was just added is compared with every query until it is in the lists, which
takes it in bit by bit: no search waits for a whole page.

faiss's own refinement cannot remove vectors, and its graph index can neither remove nor filter (FACTS, part D);
inverted lists do both.
"""

from __future__ import annotations

import math
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    is_set,
    nothing_found,
)
from features.errors import EncoderMismatch, IndexDamaged
from features.files import link_file
from features.ivf_lists import CODES, append, give_room, n_lists, nearest_lists, nearest_rows
from features.vector_rows import BASE_FILE, TAIL_FILE, Halves, VectorRows

POSITIONS_FILE = "vectors.npy"

_MOST_GROWN = 1.4  # as many times the lists that it has would suit the number of vectors: time to train again

_MOST_PROBES = 160  # lists that a search without a filter looks at,
_MOST_SCANNED = 80_000  # as long as they hold no more vectors than these
_FARTHER = 0.3  # power of one over the share that a filter keeps, by which lists are looked at as far out
_SPARE: dict[Kind, int] = {"ivf-sq8": 50, "ivf-sq4": 300}  # as many more than k are compared by their vectors
_ROW_COST = 30  # reading and comparing a vector on disk costs as much as looking up so many ids in lists

_SETTLED_AT_A_TIME = 8  # vectors
_HELD_SECONDS = 0.002  # about as long does a search wait for others to be taken into the lists

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class _Recent:
    """Ids of vectors that are in no list yet, and the lists that they belong to; both of shape (n,)."""

    ids: Ids
    lists: Ids

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, kept: NDArray[np.bool_] | slice) -> _Recent:
        """Some of them."""
        return _Recent(self.ids[kept], self.lists[kept])


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
        self._recent = _Recent(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        self._position = np.full(int(ids.max(initial=-1)) + 1, -1, dtype=np.int32)  # by id; -1 where not held
        self._position[ids] = positions

    @classmethod
    def of_faiss(cls, index: Any, snapshot: Path, folder: Path) -> IvfIndex | None:
        """Take over an index that faiss mapped, with its files in a snapshot; None where it is of another kind.

        Raises
        ------
        IndexDamaged
            If the files do not fit each other.
        """
        if not isinstance(index, faiss.IndexIVFScalarQuantizer) or index.metric_type != faiss.METRIC_INNER_PRODUCT:
            return None
        if index.sq.qtype not in CODES.values():
            return None
        link_file(snapshot / BASE_FILE, folder / BASE_FILE)
        shutil.copyfile(snapshot / TAIL_FILE, folder / TAIL_FILE)
        rows = VectorRows(folder, index.d)
        ids, positions = np.load(snapshot / POSITIONS_FILE, allow_pickle=False)
        if len(ids) != index.ntotal or positions.max(initial=-1) >= len(rows):
            raise IndexDamaged(f"The vectors in {snapshot} do not fit each other; rebuild the index.")
        give_room(index)
        return cls(index, rows, ids, positions)

    def __len__(self) -> int:
        return int(self._lists.ntotal) + len(self._recent)

    @property
    def kind(self) -> Kind:
        """By the codes."""
        return next(kind for kind, code in CODES.items() if code == self._lists.sq.qtype)

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
        lists, recent = faiss.clone_index(self._lists), self._recent
        append(lists, recent.ids, self.reconstruct(recent.ids), recent.lists)
        return lists

    def stage(self, ids: Ids, vectors: Vectors) -> Staged:
        """Write vectors to disk, and find the nearest centroid of each."""
        if vectors.ndim != 2 or vectors.shape[1] != self.dimension:
            raise EncoderMismatch(
                f"Vectors of shape {vectors.shape} do not fit an index of dimension {self.dimension}; embed them with "
                "the encoder that the index was made with."
            )
        lists, first = nearest_lists(self._lists, vectors), len(self._rows)
        self._rows.append(vectors)
        self._make_room(int(ids.max(initial=-1)) + 1)
        return Staged(np.arange(first, first + len(vectors)), lists)

    def add(self, ids: Ids, vectors: Vectors, staged: Staged | None = None) -> None:
        """Add vectors, to be compared with every query until they are settled."""
        check_addition(ids, vectors, self.dimension, self._holds(ids))
        if len(ids) == 0:
            return
        staged = self.stage(ids, vectors) if staged is None else staged
        self._position[ids] = staged.rows
        recent = self._recent
        self._recent = _Recent(np.concatenate([recent.ids, ids]), np.concatenate([recent.lists, staged.lists]))

    def settle(self, exclusively: Exclusively) -> None:
        """Take what is recent into the lists, a few at a time: one that grows is copied, which takes its time."""
        vectors = self.reconstruct(self._recent.ids)
        while len(self._recent):
            with exclusively():
                until = time.perf_counter() + _HELD_SECONDS
                while len(self._recent) and time.perf_counter() < until:
                    some, rest = slice(_SETTLED_AT_A_TIME), slice(_SETTLED_AT_A_TIME, None)
                    append(self._lists, self._recent.ids[some], vectors[some], self._recent.lists[some])
                    self._recent, vectors = self._recent.only(rest), vectors[rest]

    def remove(self, ids: Ids) -> int:
        """Remove vectors; unknown ids are passed over. Returns how many were there."""
        ids = np.unique(ids[self._holds(ids)]).astype(np.int64)
        if len(ids):
            n_recent = len(self._recent)
            self._recent = self._recent.only(~np.isin(self._recent.ids, ids))
            if n_recent - len(self._recent) < len(ids):
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
        recent = self._recent.ids
        query, n_lists = np.ascontiguousarray(vector, dtype=np.float32)[None, :], int(self._lists.nlist)
        n_probes = min(_MOST_PROBES, max(1, _MOST_SCANNED * n_lists // len(self)))
        if allowed is None:
            _, ids = self._lists.search(query, k, params=faiss.SearchParametersIVF(nprobe=n_probes))
        else:
            # The nearest of few lie in more lists than the nearest of all: in four times as many at one in a hundred.
            n_probes = min(n_lists, math.ceil(n_probes * max(1.0, len(self) / len(allowed)) ** _FARTHER))
            if _ROW_COST * len(allowed) * n_lists <= n_probes * len(self):
                return allowed[self._holds(allowed)]
            # faiss keeps only a pointer to the bits: bits and selector must outlive the call, and as locals they do.
            bits = bitmap(allowed)
            selector = faiss.IDSelectorBitmap(bits)
            _, ids = self._lists.search(query, k, params=faiss.SearchParametersIVF(sel=selector, nprobe=n_probes))
            recent = recent[is_set(bits, recent)]
        return np.concatenate([ids[0][ids[0] >= 0], recent])

    def _holds(self, ids: Ids) -> NDArray[np.bool_]:
        inside = (ids >= 0) & (ids < len(self._position))
        inside[inside] = self._position[ids[inside]] >= 0
        return inside

    def _make_room(self, n_ids: int) -> None:
        if n_ids > len(self._position):
            grown = np.full(max(n_ids, len(self._position) * 5 // 4), -1, dtype=np.int32)
            grown[: len(self._position)] = self._position
            self._position = grown


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
