"""How much of what is rare each of several cases shares with a query."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]


def sum_of_largest(
    weights: Scores, terms: NDArray[np.intp], owners: NDArray[np.int64], n_owners: int, k: int
) -> Scores:
    """Sum of the weights of the k heaviest terms of each owner, shape (n_owners,).

    Parameters
    ----------
    weights : ndarray of float64, shape (n_terms,)
    terms, owners : ndarrays of int, shape (n,)
        Each term of each owner once.

    Examples
    --------
    >>> weights = np.array([1.0, 3.0, 2.0, 5.0])
    >>> sum_of_largest(weights, np.array([0, 1, 2, 3]), np.array([0, 0, 0, 2]), 3, 2).tolist()
    [5.0, 0.0, 5.0]
    """
    by_weight = np.argsort(-weights, kind="stable")
    rank = np.empty(len(weights), dtype=np.int64)
    rank[by_weight] = np.arange(len(weights))
    # Owner and rank as one number: sorting those is several times as fast as sorting by two keys.
    owners, rank = np.divmod(np.sort(owners * len(weights) + rank[terms]), max(len(weights), 1))
    first = np.searchsorted(owners, np.arange(n_owners))
    is_counted = np.arange(len(owners)) - first[owners] < k
    heaviest = weights[by_weight][rank[is_counted]]
    return np.bincount(owners[is_counted], weights=heaviest, minlength=n_owners).astype(np.float64)


def rarest_among(terms: NDArray[np.intp], owners: NDArray[np.int64], n_owners: int, k: int) -> Scores:
    """The k rarest terms of each owner, rare meaning among these owners, over the k rarest that any of them has.

    A term of the query that most of its candidates share tells none of them from another, however rare it is
    elsewhere; and one that came up after the statistics of a release were counted is weighed by what it tells here.

    Parameters
    ----------
    terms, owners : ndarrays of int, shape (n,)
        Each term of each owner once.

    Returns
    -------
    ndarray of float64, shape (n_owners,), 0 to 1

    Examples
    --------
    >>> rarest_among(np.array([0, 0, 0, 7]), np.array([0, 1, 2, 1]), 3, 1).round(2).tolist()
    [0.14, 1.0, 0.14]
    """
    if not len(terms):
        return np.zeros(n_owners)
    frequency = np.bincount(terms)
    weights = np.log1p((n_owners - frequency + 0.5) / (frequency + 0.5))
    highest = np.sort(weights[frequency > 0])[-k:].sum()
    return np.asarray(sum_of_largest(weights, terms, owners, n_owners, k) / highest, dtype=np.float64)
