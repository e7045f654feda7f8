"""Queries of the similar-cases benchmark: later members of duplicate clusters, split by time."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.readers import DuplicatePair
from evaluation.ranking_data import duplicate_clusters
from features.errors import NotEnoughData

TEST_SHARE = 0.4


@dataclass(frozen=True, slots=True)
class DuplicateQuery:
    """A ticket with earlier members of its cluster, all by row number.

    ``is_hard`` tells that no pair of the query has the same summary as its target, or names it.
    """

    row: int
    earlier: frozenset[int]
    is_hard: bool


@dataclass(frozen=True, slots=True)
class SimilarQueries:
    """Queries in order of time, and what may be learned from before the first test query.

    Attributes
    ----------
    queries : tuple of DuplicateQuery
        Every later member of a cluster of all pairs.
    n_before : int
        Number of queries before the test ones.
    cut : float
        Seconds since the epoch at which the first test query was created.
    training : tuple of DuplicateQuery
        Later members of the clusters of those pairs whose query lies before the cut.
    training_rows : frozenset of int
        Every member of such a cluster.
    n_in_training_cluster : int
        Test queries whose cluster has a member in a training cluster.
    """

    queries: tuple[DuplicateQuery, ...]
    n_before: int
    cut: float
    training: tuple[DuplicateQuery, ...]
    training_rows: frozenset[int]
    n_in_training_cluster: int

    @property
    def test(self) -> tuple[DuplicateQuery, ...]:
        """The newest queries."""
        return self.queries[self.n_before :]


def similar_queries(ids: Sequence[str], created: NDArray[np.float64], pairs: Iterable[DuplicatePair]) -> SimilarQueries:
    """Make queries of duplicate pairs.

    Parameters
    ----------
    ids : sequence of str, length n
        Of the tickets in order of time.
    created : ndarray of float64, shape (n,)
        Seconds since the epoch, rising.
    pairs : iterable of DuplicatePair
        Those of tickets that are not there are passed over.

    Raises
    ------
    NotEnoughData
        If there are fewer than two queries.
    """
    number = {id_: row for row, id_ in enumerate(ids)}
    known = [pair for pair in pairs if pair.query in number and pair.target in number]
    easy = {number[pair.query] for pair in known if pair.is_easy}
    rows = [(number[pair.query], number[pair.target]) for pair in known]
    clusters = duplicate_clusters(rows)
    queries = later_members(clusters, created, easy)
    if len(queries) < 2:
        raise NotEnoughData(
            f"The duplicate pairs give {len(queries)} queries; a split by time needs at least 2: give more pairs."
        )
    n_before = int(len(queries) * (1 - TEST_SHARE))
    cut = float(created[queries[n_before].row])
    training_clusters = duplicate_clusters([pair for pair in rows if created[pair[0]] < cut])
    training_rows = frozenset(training_clusters)
    return SimilarQueries(
        queries=tuple(queries),
        n_before=n_before,
        cut=cut,
        training=tuple(later_members(training_clusters, created, easy)),
        training_rows=training_rows,
        n_in_training_cluster=sum(not training_rows.isdisjoint(clusters[q.row]) for q in queries[n_before:]),
    )


def later_members(
    clusters: Mapping[int, frozenset[int]], created: NDArray[np.float64], easy: Container[int] = ()
) -> list[DuplicateQuery]:
    """Members of clusters that have an earlier one, as queries, in the order of their rows.

    Parameters
    ----------
    clusters : mapping of int to frozenset of int
        Every row to all rows of its cluster.
    easy : container of int
        Rows of queries that are not hard.
    """
    queries = []
    for row in sorted(clusters):
        earlier = frozenset(other for other in clusters[row] if created[other] < created[row])
        if earlier:
            queries.append(DuplicateQuery(row, earlier, row not in easy))
    return queries
