"""Recall against exact search and the time of a search, for any way of searching the same vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.benchmarks.rescored import Search
from evaluation.benchmarks.timing import Times
from features.dense import DenseIndex, Ids, Vectors

K = 10
_ROUNDS, _WARM_UP = 2, 20
_ROUNDING = 1e-5  # of a cosine that is summed in another order


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """The cosines of the ten nearest to each query, by exact search among the ids allowed.

    Attributes
    ----------
    queries : ndarray of float32, shape (n_queries, dimension)
    cosines : list of ndarrays of float32, descending
    took : Times
        Of the exact searches.
    """

    exact: DenseIndex
    queries: Vectors
    cosines: list[Vectors]
    took: Times

    @classmethod
    def of(cls, exact: DenseIndex, queries: Vectors, allowed: Ids | None = None) -> Truth:
        """Search exactly; ``allowed`` are ascending ids, or None for all."""
        took = Times()
        cosines: list[Vectors] = []
        for query in queries:
            with took.measured():
                _, found = exact.search(query, K, allowed)
            cosines.append(found)
        return cls(exact, queries, cosines, took)

    def recall(self, found: Sequence[Ids]) -> float:
        """Mean share of the ten nearest that were found.

        By cosine and not by id: of two at the same distance either is as good.
        """
        shares = [
            np.sum(self.exact.reconstruct(ids) @ query >= wanted[-1] - _ROUNDING) / len(wanted)
            for query, wanted, ids in zip(self.queries, self.cosines, found, strict=True)
        ]
        return round(float(np.mean(shares)), 4)


def search_figures(search: Search, truth: Truth) -> dict[str, float]:
    """Recall at 10 and times, over two rounds of all queries after some searches that are not counted."""
    for query in truth.queries[:_WARM_UP]:
        search(query, K)
    took = Times()
    found: list[Ids] = []
    for query in np.concatenate([truth.queries] * _ROUNDS):
        with took.measured():
            ids = search(query, K)
        found.append(ids)
    return {"recall@10": truth.recall(found[: len(truth.queries)]), **took.figures()}
