"""Sparse feature rows without scipy, and one row taken apart into the words that it came from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class SparseRows:
    """Rows in compressed sparse form, as ``scipy.sparse.csr_matrix`` takes them, without needing scipy.

    Attributes
    ----------
    indptr : ndarray of int64, shape (n_rows + 1,)
    indices : ndarray of int32, shape (nnz,)
    data : ndarray of float32, shape (nnz,)
    n_columns : int
    """

    indptr: NDArray[np.int64]
    indices: NDArray[np.int32]
    data: NDArray[np.float32]
    n_columns: int

    def __len__(self) -> int:
        return len(self.indptr) - 1

    def dot(self, weights: NDArray[np.float32]) -> NDArray[np.float32]:
        """Multiply by a dense matrix.

        Parameters
        ----------
        weights : ndarray of float32, shape (n_columns, n_outputs)

        Returns
        -------
        ndarray of float32, shape (n_rows, n_outputs)
        """
        out = np.zeros((len(self), weights.shape[1]), dtype=np.float32)
        for row in range(len(self)):
            span = slice(self.indptr[row], self.indptr[row + 1])
            out[row] = self.data[span] @ weights[self.indices[span]]
        return out


@dataclass(frozen=True, slots=True)
class TermWeights:
    """The row of one text taken apart: each place of a known n-gram, its weight, and the phrase that it stands in.

    A phrase is a word, with the character n-grams within it, or two words in a row. The weight of an n-gram is shared
    out evenly among its places, so that the weights of a column add up to its value in the row.

    Attributes
    ----------
    phrases : tuple of str
    phrase : ndarray of int64, shape (n_places,)
        Number of the phrase of each place.
    column : ndarray of int64, shape (n_places,)
    weight : ndarray of float64, shape (n_places,)
    """

    phrases: tuple[str, ...]
    phrase: NDArray[np.int64]
    column: NDArray[np.int64]
    weight: NDArray[np.float64]

    def contributions(self, weights: NDArray[np.float32], outputs: NDArray[np.float64]) -> dict[str, float]:
        """What each phrase adds to ``row @ weights @ outputs``.

        Parameters
        ----------
        weights : ndarray of float32, shape (n_columns, n_outputs)
        outputs : ndarray of float64, shape (n_outputs,)
        """
        shares = self.weight * (weights[self.column] @ outputs)
        sums = np.bincount(self.phrase, shares, minlength=len(self.phrases))
        return dict(zip(self.phrases, sums.tolist(), strict=True))
