"""Feature rows as the matrices that scikit-learn takes, and its weights as heads."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.feature_space import FeatureRows
from features.sparse_rows import SparseRows
from serving.heads import LinearHead


def csr(rows: SparseRows) -> sparse.csr_matrix:
    """The same rows for scipy."""
    return sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=(len(rows), rows.n_columns))


def matrix(rows: FeatureRows, numbers: NDArray[np.intp]) -> sparse.csr_matrix:
    """N-grams and dense features of some rows side by side; float64."""
    return sparse.hstack(
        [csr(rows.sparse)[numbers], sparse.csr_matrix(rows.dense[numbers])], format="csr", dtype=np.float64
    )


def take_rows(rows: FeatureRows, numbers: NDArray[np.intp]) -> FeatureRows:
    """The feature rows of the given numbers."""
    taken = csr(rows.sparse)[numbers]
    return FeatureRows(
        SparseRows(
            indptr=taken.indptr.astype(np.int64),
            indices=taken.indices.astype(np.int32),
            data=taken.data.astype(np.float32),
            n_columns=rows.sparse.n_columns,
        ),
        rows.dense[numbers],
        rows.vectors[numbers],
        rows.context[numbers],
    )


def head_of(coefficients: NDArray[np.float64], intercepts: NDArray[np.float64], rows: FeatureRows) -> LinearHead:
    """Weights of scikit-learn, shape (n_outputs, n_columns), as a head; one binary output becomes two classes."""
    if len(coefficients) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.hstack([-intercepts, intercepts])
    n_sparse = rows.sparse.n_columns
    return LinearHead(
        sparse_weights=np.ascontiguousarray(coefficients[:, :n_sparse].T, dtype=np.float32),
        dense_weights=np.ascontiguousarray(coefficients[:, n_sparse:].T, dtype=np.float32),
        intercept=np.asarray(intercepts, dtype=np.float32),
    )
