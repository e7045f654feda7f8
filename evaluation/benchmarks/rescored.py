"""Searches in two steps: more candidates than are wanted by short codes, and the best of them by their vectors.

The case index searches so; here the same second step stands behind its lists at any number of probes and behind
another index, so that both are compared on the same terms and the index needs no option for it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from features.dense import DenseIndex, Ids, Kind, Vectors
from features.dense_ivf import IvfIndex
from features.ivf_lists import nearest_rows
from features.vector_rows import VectorRows

SPARE: dict[Kind, int] = {"ivf-sq8": 50, "ivf-sq4": 300}
"""As many more candidates than are wanted, as the index takes them."""

Search = Callable[[Vectors, int], Ids]
"""Gives the ids of the k nearest to a vector, nearest first."""


def compared_again(candidates: Search, rows: VectorRows, spare: int) -> Search:
    """Search for ``spare`` more than are wanted, and compare them again; ids must be positions among the rows."""

    def search(vector: Vectors, k: int) -> Ids:
        found = candidates(vector, k + spare)
        best, _ = nearest_rows(rows.read(found), vector, k)
        return found[best]

    return search


def copied_lists(index: DenseIndex) -> Any:
    """Copy the lists of an index that has some.

    Raises
    ------
    TypeError
        If it is of another kind.
    """
    if not isinstance(index, IvfIndex):
        raise TypeError(f"An index of kind {index.kind} has no lists; take one of {', '.join(SPARE)}.")
    return index.copy_lists()


def list_candidates(lists: Any, n_probes: int) -> Search:
    """Search by the codes in the nearest lists."""

    def search(vector: Vectors, k: int) -> Ids:
        lists.nprobe = n_probes
        _, ids = lists.search(np.ascontiguousarray(vector, dtype=np.float32)[None, :], k)
        found: Ids = ids[0][ids[0] >= 0]
        return found

    return search
