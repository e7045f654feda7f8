"""Splits that keep a figure honest: by time where rows are dated, else with near-duplicates on one side."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TEST_SHARE = 0.2
CALIBRATION_SHARE = 0.25
"""Newest share of the rows before the cut that calibrates: the product's 0.6 to fit, 0.2 to calibrate, 0.2 to test."""

Rows = NDArray[np.intp]


def before_cut(created: NDArray[np.float64], *, test_share: float = TEST_SHARE) -> Rows:
    """Rows created before the first row of the newest share.

    Parameters
    ----------
    created : ndarray of float, shape (n,)
        Seconds since the epoch, in order of time.

    Examples
    --------
    >>> before_cut(np.array([1.0, 2.0, 3.0, 4.0, 4.0]), test_share=0.2).tolist()
    [0, 1, 2]
    """
    n = len(created)
    first = min(round(n * (1 - test_share)), n - 1) if n else 0
    return np.flatnonzero(created < created[first]) if n else np.empty(0, dtype=np.intp)


def fit_and_calibration(n: int) -> tuple[Rows, Rows]:
    """Split n rows in order of time into those to fit on and the newer ones to calibrate on."""
    first = round(n * (1 - CALIBRATION_SHARE))
    return np.arange(first), np.arange(first, n)


def grouped_folds(
    labels: Sequence[str], groups: NDArray[np.int64], n_folds: int, *, seed: int = 0
) -> NDArray[np.int64]:
    """Number of the fold of each row: stratified by label, every group whole.

    Parameters
    ----------
    labels : sequence of str, length n
    groups : ndarray of int64, shape (n,)
        Rows of one number stay together; a group counts to the label that most of its rows have.

    Examples
    --------
    >>> folds = grouped_folds(["a"] * 4 + ["b"] * 4, np.array([0, 0, 1, 2, 3, 4, 5, 6]), 2)
    >>> bool(folds[0] == folds[1]), sorted(folds[:4].tolist()), sorted(folds[4:].tolist())
    (True, [0, 0, 1, 1], [0, 0, 1, 1])
    """
    members: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(groups.tolist()):
        members[group].append(row)
    by_label: dict[str, list[list[int]]] = defaultdict(list)
    for rows in members.values():
        # Of equally frequent labels the first by name, so that the order of rows decides nothing.
        counts = Counter(labels[row] for row in rows)
        by_label[min(counts, key=lambda label: (-counts[label], label))].append(rows)
    generator = np.random.default_rng(seed)
    folds = np.empty(len(labels), dtype=np.int64)
    for label in sorted(by_label):
        shuffled = [by_label[label][i] for i in generator.permutation(len(by_label[label]))]
        filled = np.zeros(n_folds, dtype=np.int64)
        # Large groups first, each to the emptiest fold; the sort is stable, so the shuffle decides among equals.
        for rows in sorted(shuffled, key=len, reverse=True):
            fold = int(np.argmin(filled))
            folds[rows] = fold
            filled[fold] += len(rows)
    return folds


def held_out_tenth(labels: Sequence[str], parts: Sequence[str], groups: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Mark a tenth of the rows of the part ``train`` as test rows; shape (n,).

    A group with a member in another part is not taken, so that no near-duplicate of a test row is left anywhere.
    """
    is_train = np.array([part == "train" for part in parts], dtype=np.bool_)
    free = is_train & ~np.isin(groups, np.unique(groups[~is_train]))
    rows = np.flatnonzero(free)
    marked = np.zeros(len(parts), dtype=np.bool_)
    if len(rows):
        n_folds = max(1, round(10 * len(rows) / int(is_train.sum())))
        marked[rows] = grouped_folds([labels[i] for i in rows.tolist()], groups[rows], n_folds) == 0
    return marked
