"""A graph index to compare the case index with: usearch's HNSW (https://github.com/unum-cloud/USearch, Apache-2.0).

The one door to usearch, which is no part of any install but the extra ``bench``. Its package for Python searches
without a predicate (2.26), so a filter can only be put behind a search.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from evaluation.benchmarks.memory import anonymous_bytes
from features.dense import Ids, Vectors
from features.errors import InvalidInput

Scalar = Literal["i8", "f16"]


def check_usearch() -> None:
    """Make sure that usearch is there.

    Raises
    ------
    InvalidInput
        If it is not installed.
    """
    if find_spec("usearch") is None:
        raise InvalidInput(
            "This benchmark compares with the package usearch, which is not installed; "
            "run `pip install --constraint constraints.txt '.[bench]'`."
        )


class GraphIndex:
    """Unit vectors in a graph, by inner product; everything runs on one thread.

    Parameters
    ----------
    dimension : int
    scalar : {"i8", "f16"}
        What a number of a vector is kept as.
    connectivity : int
        Neighbours of a node, and twice as many on the lowest level (M of HNSW).
    """

    def __init__(self, dimension: int, scalar: Scalar, connectivity: int) -> None:
        from usearch.index import Index

        self._index: Any = Index(ndim=dimension, metric="ip", dtype=scalar, connectivity=connectivity)

    @property
    def n_bytes(self) -> int:
        """What usearch itself says it has allocated, in bytes."""
        return int(self._index.memory_usage)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Add vectors."""
        self._index.add(ids.astype("uint64"), vectors, threads=1)

    def remove(self, ids: Ids) -> None:
        """Remove vectors."""
        self._index.remove(ids.astype("uint64"), threads=1)

    def search(self, vector: Vectors, k: int, expansion: int) -> Ids:
        """Ids of the k nearest, nearest first; ``expansion`` is the length of the list of candidates (ef of HNSW)."""
        self._index.expansion_search = expansion
        found: Ids = self._index.search(vector, k, threads=1).keys.astype("int64")
        return found

    def save(self, path: Path) -> None:
        """Write it to a file."""
        self._index.save(path)


def graph_memory(path: Path) -> tuple[int, int]:
    """Memory that a saved graph takes of this process when it is loaded, and what it says itself, in bytes."""
    from usearch.index import Index

    before = anonymous_bytes()
    index: Any = Index.restore(path)
    index.search(index[int(index.keys[0])], 1, threads=1)
    return anonymous_bytes() - before, int(index.memory_usage)
