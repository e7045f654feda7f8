"""Cosines of the nearest vectors, by blocks, for figures and fits; the service asks its index instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_BLOCK = 512


def nearest_cosines(
    reference: Sequence[NDArray[np.float32]], queries: Sequence[NDArray[np.float32]], *, k: int
) -> NDArray[np.float32]:
    """Cosines of the k nearest reference vectors of each query, shape (n_queries, min(k, n_reference)), falling."""
    if not len(reference) or not len(queries):
        return np.empty((len(queries), 0), dtype=np.float32)
    matrix = np.stack(reference)
    k = min(k, len(matrix))
    out = []
    for start in range(0, len(queries), _BLOCK):
        cosines = np.stack(queries[start : start + _BLOCK]) @ matrix.T
        out.append(-np.sort(-np.partition(cosines, -k, axis=1)[:, -k:], axis=1))
    return np.concatenate(out)
