"""Calibrated linear models over the feature space: numbers in, probabilities out; no scikit-learn needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import FeatureRows

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear score for each output.

    Attributes
    ----------
    sparse_weights : ndarray of float32, shape (n_sparse_columns, n_outputs)
    dense_weights : ndarray of float32, shape (n_dense_columns, n_outputs)
    intercept : ndarray of float32, shape (n_outputs,)
    """

    sparse_weights: Floats
    dense_weights: Floats
    intercept: Floats

    def scores(self, rows: FeatureRows) -> Floats:
        """Linear scores, shape (n_rows, n_outputs)."""
        # One row at a time: a matrix product may sum in another order for another batch size, and a ticket must get
        # the same answer alone and among a thousand.
        dense = np.stack([row @ self.dense_weights for row in rows.dense]) if len(rows) else 0.0
        return np.asarray(rows.sparse.dot(self.sparse_weights) + dense + self.intercept, dtype=np.float32)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """Arrays that :meth:`from_arrays` makes the same head of."""
        return {
            "sparse_weights": self.sparse_weights,
            "dense_weights": self.dense_weights,
            "intercept": self.intercept,
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> LinearHead:
        """Restore a head from :meth:`to_arrays`."""
        return cls(
            sparse_weights=arrays["sparse_weights"].astype(np.float32),
            dense_weights=arrays["dense_weights"].astype(np.float32),
            intercept=arrays["intercept"].astype(np.float32),
        )


def softmax(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Probabilities of scores, shape (n, n_classes).

    Examples
    --------
    >>> softmax(np.array([[0.0, 0.0]])).tolist()
    [[0.5, 0.5]]
    """
    scaled = np.asarray(scores, dtype=np.float64)
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), dtype=np.float64)


def sigmoid(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    """Logistic function, safe for large scores."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(scores, dtype=np.float64))), dtype=np.float64)
