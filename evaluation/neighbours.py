"""The nearest of known rows, by blocks, for figures and fits; the service asks its index instead."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from serving.neighbours import N_NEIGHBOURS, Neighbours

_BLOCK = 512


def nearest_rows(
    known: Sequence[NDArray[np.float32]], queries: Sequence[NDArray[np.float32]], *, k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Cosines and numbers of the nearest known vectors of each query; of equals the first.

    Returns
    -------
    cosines : ndarray of float32, shape (n_queries, min(k, n_known))
        Falling.
    numbers : ndarray of int64, of the same shape
    """
    k = min(k, len(known))
    if not k or not len(queries):
        return np.empty((len(queries), k), dtype=np.float32), np.empty((len(queries), k), dtype=np.int64)
    matrix = np.stack(known)
    cosines, numbers = [], []
    for start in range(0, len(queries), _BLOCK):
        block = np.stack(queries[start : start + _BLOCK]) @ matrix.T
        found = np.sort(np.argpartition(-block, k - 1, axis=1)[:, :k], axis=1)
        values = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        cosines.append(np.take_along_axis(values, order, axis=1))
        numbers.append(np.take_along_axis(found, order, axis=1))
    return np.concatenate(cosines), np.concatenate(numbers).astype(np.int64)


def neighbours_among(known: LabelledRows, rows: LabelledRows) -> Neighbours:
    """The neighbours of rows among others that were there before them, with their labels."""
    cosines, numbers = nearest_rows(
        [example.vector for example in known.examples],
        [example.vector for example in rows.examples],
        k=N_NEIGHBOURS,
    )
    return Neighbours(cosines, numbers, labels_of(known))


def neighbours_before(rows: LabelledRows) -> Neighbours:
    """The neighbours of each row among those before it in the order given, with their labels.

    A label counts as known from its row's place on, as everywhere in training.
    """
    vectors = np.stack([example.vector for example in rows.examples])
    n = len(vectors)
    cosines = np.full((n, N_NEIGHBOURS), -1.0, dtype=np.float32)
    numbers = np.full((n, N_NEIGHBOURS), n, dtype=np.int64)  # nobody: has no label
    for start in range(0, n, _BLOCK):
        end = min(start + _BLOCK, n)
        block = vectors[start:end] @ vectors[:end].T
        block[np.arange(end)[None, :] >= np.arange(start, end)[:, None]] = -1.0
        k = min(N_NEIGHBOURS, end)
        found = np.argpartition(-block, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(block, found, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        cosines[start:end, :k] = np.take_along_axis(values, order, axis=1)
        numbers[start:end, :k] = np.take_along_axis(found, order, axis=1)
    numbers[cosines <= -1.0] = n
    return Neighbours(cosines, numbers, {name: [*labels, None] for name, labels in labels_of(rows).items()})


def labels_of(rows: LabelledRows) -> dict[str, Sequence[str | None]]:
    """The labels of rows by target, as :class:`serving.neighbours.Neighbours` takes them."""
    severities = [None if level is None else str(level) for level in rows.severities]
    return {"category": rows.categories, "severity": severities, **rows.targets}
