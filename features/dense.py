"""Nearest neighbours by cosine: what every kind of index does, and which kind a number of vectors gets.

A kind is chosen when the parts of a case index are made anew (:mod:`features.dense_kinds`), never in the middle of an
addition.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from features.errors import EncoderMismatch

Kind = Literal["exact", "ivf-sq8", "ivf-sq4"]
"""``exact`` compares every vector; ``ivf-sq8`` and ``ivf-sq4`` compare those of the nearest lists by codes of 8 and 4
bits a number, and the best of them again by the vectors themselves, which lie on disk."""

KINDS: tuple[Kind, ...] = get_args(Kind)
"""From the one that needs most memory to the one that needs least."""

DENSE_FILE = "dense.faiss"

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]

Exclusively = Callable[[], AbstractContextManager[None]]
"""Gives a context in which no search runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DenseLimits:
    """Up to where each kind is used.

    Attributes
    ----------
    exact_below : int
        Number of vectors from which on comparing them all takes too long; at least 1.
    memory_bytes : int
        What the vectors may take of memory. Where the smallest kind takes more, it is used all the same.
    """

    exact_below: int = 200_000
    memory_bytes: int = 3 * 1024**3

    def kind(self, n_vectors: int, dimension: int, current: Kind = "exact") -> Kind:
        """Choose a kind; for one that needs more memory than the current one there must be room twice over.

        Without that margin, a number of vectors about a limit would change the kind again and again.

        Examples
        --------
        >>> limits = DenseLimits()
        >>> limits.kind(199_999, 384), limits.kind(200_000, 384), limits.kind(10_000_000, 384)
        ('exact', 'ivf-sq8', 'ivf-sq4')
        >>> limits.kind(199_999, 384, "ivf-sq8"), limits.kind(99_999, 384, "ivf-sq8")
        ('ivf-sq8', 'exact')
        """
        for kind in KINDS[:-1]:
            n = n_vectors * (2 if KINDS.index(kind) < KINDS.index(current) else 1)
            is_slow = kind == "exact" and n >= self.exact_below
            if not is_slow and n * bytes_a_vector(kind, dimension) <= self.memory_bytes:
                return kind
        return KINDS[-1]


def bytes_a_vector(kind: Kind, dimension: int) -> int:
    """Memory of one vector with its id, in bytes.

    Examples
    --------
    >>> [bytes_a_vector(kind, 384) for kind in KINDS]
    [1168, 396, 204]
    """
    code = {"exact": 3 * dimension, "ivf-sq8": dimension, "ivf-sq4": (dimension + 1) // 2}[kind]
    return code + (16 if kind == "exact" else 12)


@dataclass(frozen=True, slots=True, eq=False)
class Staged:
    """Vectors on their way into an index.

    Attributes
    ----------
    rows, lists : ndarrays of int64, shape (n,)
        Where on disk they lie, and which lists they belong to; 0 where the kind has neither.
    """

    rows: Ids
    lists: Ids


class FrozenVectors(Protocol):
    """Vectors as they were at a moment, to be written while the index goes on."""

    def write(self, folder: Path) -> None:
        """Put the files into a folder; not synced, not atomic (:mod:`features.snapshot` is)."""
        ...


class DenseIndex(Protocol):
    """Unit vectors by id, searched by inner product, which for unit vectors is the cosine.

    Any number of threads may search at a time, and one may change it meanwhile; :meth:`add` and :meth:`remove` must
    have the index to themselves (:class:`features.case_index.CaseIndex` sees to that).
    """

    def __len__(self) -> int: ...

    @property
    def kind(self) -> Kind:
        """Which kind it is."""
        ...

    @property
    def dimension(self) -> int:
        """Length of every vector."""
        ...

    @property
    def ids(self) -> Ids:
        """Every id, ascending."""
        ...

    @property
    def n_bytes(self) -> int:
        """Memory of the vectors and their ids, in bytes."""
        ...

    @property
    def n_bytes_on_disk(self) -> int:
        """Size of the files that the index reads while it searches, in bytes."""
        ...

    @property
    def is_worn(self) -> bool:
        """Whether it should be made anew, although its kind may still be the right one."""
        ...

    def stage(self, ids: Ids, vectors: Vectors) -> Staged:
        """Do the slow part of adding vectors, unseen by searches, which go on; parameters as of :meth:`add`.

        Raises
        ------
        EncoderMismatch
            If the vectors have another dimension.
        OSError
            If they cannot be written.
        """
        ...

    def settle(self, exclusively: Exclusively) -> None:
        """Bring what was added, which searches find at once, to where they find it fast.

        Searches go on, but for moments of a millisecond or so.
        """
        ...

    def add(self, ids: Ids, vectors: Vectors, staged: Staged | None = None) -> None:
        """Add vectors.

        Parameters
        ----------
        ids : ndarray of int64, shape (n,), not negative
        vectors : ndarray of float32, shape (n, dimension), rows of length 1
        staged : Staged, optional
            What :meth:`stage` made of them.

        Raises
        ------
        EncoderMismatch
            If the vectors have another dimension.
        ValueError
            If an id is negative, given twice or already held.
        """
        ...

    def remove(self, ids: Ids) -> int:
        """Remove vectors; unknown ids are passed over. Returns how many were there."""
        ...

    def search(self, vector: Vectors, k: int, allowed: Ids | None = None) -> tuple[Ids, Vectors]:
        """Find the k nearest.

        Parameters
        ----------
        vector : ndarray of float32, shape (dimension,), of length 1
        k : int
        allowed : ndarray of int64, optional
            Only these ids are looked at.

        Returns
        -------
        ids : ndarray of int64, shape (n,), n <= k
        cosines : ndarray of float32, shape (n,), -1 to 1, descending
        """
        ...

    def search_exactly(self, vectors: Vectors, k: int) -> Ids:
        """Find the k nearest of several vectors by comparing all; slow, to measure the others by.

        Returns
        -------
        ndarray of int64, shape (n_vectors, min(k, len(self))), nearest first
        """
        ...

    def reconstruct(self, ids: Ids) -> Vectors:
        """Give back vectors, as half precision kept them; shape (n, dimension).

        Raises
        ------
        KeyError
            If an id is not held.
        """
        ...

    def write_rows(self, path: Path) -> Ids:
        """Write every vector, in half precision, one after the other, to a new file; returns their ids in that order.

        Searches may go on meanwhile, changes may not.
        """
        ...

    def freeze(self, folder: Path, *, is_clean: bool) -> FrozenVectors:
        """Take a copy.

        Parameters
        ----------
        folder : Path
            An empty one, which may hold files of the copy until it is written.
        is_clean : bool
            Whether nothing was removed that must not be kept; otherwise only live vectors are written, and it takes
            longer.
        """
        ...


def check_addition(ids: Ids, vectors: Vectors, dimension: int, is_held: NDArray[np.bool_]) -> None:
    """Refuse what cannot be added; errors as of :meth:`DenseIndex.add`."""
    if vectors.shape != (len(ids), dimension):
        raise EncoderMismatch(
            f"Vectors of shape {vectors.shape} do not fit {len(ids)} ids in an index of dimension {dimension}; embed "
            "them with the encoder that the index was made with."
        )
    wrong = ids[(ids < 0) | is_held]
    if len(wrong) or not np.diff(np.sort(ids)).all():
        raise ValueError(f"Ids must be new, not negative and given once (among them {wrong[:3].tolist()}); remove.")


def bitmap(ids: Ids) -> NDArray[np.uint8]:
    """One bit an id. At 200,000 vectors a third faster than faiss's set of ids, most of which is making the set."""
    mask = np.zeros(int(ids.max(initial=-1)) + 1, dtype=np.bool_)
    mask[ids] = True
    return np.packbits(mask, bitorder="little")


def is_set(bits: NDArray[np.uint8], ids: Ids) -> NDArray[np.bool_]:
    """Which ids a bitmap has.

    Examples
    --------
    >>> is_set(bitmap(np.array([3, 9])), np.array([9, 4, 3, 1_000])).tolist()
    [True, False, True, False]
    """
    inside = ids < 8 * len(bits)
    inside[inside] = bits[ids[inside] >> 3] >> (ids[inside] & 7) & 1
    return inside


def nothing_found() -> tuple[Ids, Vectors]:
    """What a search in nothing finds."""
    return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float32)
