"""Figures of ranked retrieval: recall at k, mean reciprocal rank, the gain of one method over another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Interval, bootstrap_interval, mean_interval

NOT_FOUND = 2**31 - 1


def rank_of_best_hit(scores: NDArray[np.floating], is_hit: NDArray[np.bool_]) -> int:
    """Rank, from 1, of the best scored hit; ties count against us.

    Parameters
    ----------
    scores : ndarray of float, shape (n_candidates,)
    is_hit : ndarray of bool, shape (n_candidates,)

    Returns
    -------
    int
        :data:`NOT_FOUND` when no candidate is a hit.

    Examples
    --------
    >>> rank_of_best_hit(np.array([3.0, 2.0, 2.0]), np.array([False, True, False]))
    3
    """
    if not is_hit.any():
        return NOT_FOUND
    best = float(np.max(scores[is_hit]))
    ahead = int(np.sum(scores > best)) + int(np.sum((scores == best) & ~is_hit))
    return ahead + 1


@dataclass(frozen=True, slots=True)
class RetrievalFigures:
    """Figures over queries; each query counts by the rank of its best hit."""

    n: int
    recall_at_1: float
    recall_at_3: float
    recall_at_5: float
    recall_at_10: float
    mrr: float
    recall_at_10_ci95: Interval
    mrr_ci95: Interval

    def to_json(self) -> dict[str, object]:
        """The figures under the keys of the benchmark."""
        return {
            "recall@1": self.recall_at_1,
            "recall@5": self.recall_at_5,
            "recall@10": self.recall_at_10,
            "mrr": self.mrr,
            "ci95": {"recall@10": list(self.recall_at_10_ci95), "mrr": list(self.mrr_ci95)},
        }


def retrieval_figures(ranks: Sequence[int]) -> RetrievalFigures:
    """Score queries by the ranks of their best hits (Voorhees, TREC-8, for the mean reciprocal rank)."""
    array = np.asarray(ranks, dtype=np.float64)
    found10, reciprocal = (array <= 10).astype(float), np.where(array < NOT_FOUND, 1.0 / array, 0.0)
    n = len(array)
    return RetrievalFigures(
        n=n,
        recall_at_1=recall_at_k(ranks, 1),
        recall_at_3=recall_at_k(ranks, 3),
        recall_at_5=recall_at_k(ranks, 5),
        recall_at_10=recall_at_k(ranks, 10),
        mrr=float(reciprocal.mean()) if n else float("nan"),
        recall_at_10_ci95=mean_interval(found10),
        mrr_ci95=mean_interval(reciprocal),
    )


def recall_at_k(ranks: Sequence[int], k: int) -> float:
    """Share of queries whose best hit is among the first k.

    Examples
    --------
    >>> recall_at_k([1, 3, NOT_FOUND], 3)
    0.6666666666666666
    """
    return float(np.mean(np.asarray(ranks) <= k)) if len(ranks) else float("nan")


@dataclass(frozen=True, slots=True)
class Gain:
    """Mean difference of recall@10 between two methods on the same queries."""

    over: str
    mean: float
    ci95: Interval


def gain_over_better(ranks: Sequence[int], singles: dict[str, Sequence[int]], *, k: int = 10) -> Gain:
    """Gain of a method over the better of the single ones, by paired bootstrap over queries."""
    over = max(singles, key=lambda name: recall_at_k(singles[name], k))
    ours = (np.asarray(ranks) <= k).astype(float)
    theirs = (np.asarray(singles[over]) <= k).astype(float)
    difference = ours - theirs
    interval = bootstrap_interval(lambda rows: float(difference[rows].mean()), len(difference))
    return Gain(over=over, mean=float(difference.mean()) if len(difference) else float("nan"), ci95=interval)
