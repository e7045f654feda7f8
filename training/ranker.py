"""Learn a ranker from linked tickets: a conditional logistic regression over the signals, calibrated, with its tiers.

Weights are learned on the earlier linked tickets; what a score is worth as a probability, and from which probability a
case is shown, is learned on the later ones (Platt, 1999), with unlinked tickets counted as having no match.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluation.dataset import RankingGroup
from serving.heads import sigmoid
from serving.ranking import SIGNALS, UNTRAINED, Ranker
from training.calibration import ERROR_RATE, fit_platt
from training.params import TrainingParams
from training.thresholds import threshold_for_precision

MIN_LINKED = 20
"""Linked tickets with a match among their candidates that it takes to learn better weights than the untrained ones."""
SHOWN = 5
"""Candidates of a ticket that count when a score is calibrated: those that a suggestion shows by default."""
REGULARISATION = 0.3
"""Variance of the weights of standardised signals around their prior; chosen as ``docs/benchmarks.md`` tells."""
_FIT_SHARE = 0.7
# Related cases help a person even where hardly any is a known duplicate: from this relevance on a case is possible,
# whatever precision the links give it. On the public issues it lets something through for 6 of 10 unlinked tickets.
_POSSIBLE_RELEVANCE = 0.02

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Shown:
    """The best candidates of groups: their linear scores and whether they are matches; both of shape (n,)."""

    scores: Floats
    is_match: NDArray[np.bool_]


def fit_ranker(groups: Sequence[RankingGroup], params: TrainingParams) -> Ranker:
    """Learn a ranker from groups, or fall back to the untrained one where there are too few links.

    Parameters
    ----------
    groups : sequence of RankingGroup
        In any order. Those without a match among their candidates say nothing about weights, and count as negatives
        for calibration.

    Returns
    -------
    Ranker
        :data:`serving.ranking.UNTRAINED` with fewer than 20 linked tickets to learn from.
    """
    linked = sorted((group for group in groups if group.is_match.any()), key=lambda group: group.created_at)
    if len(linked) < MIN_LINKED:
        return UNTRAINED
    first_later = linked[int(len(linked) * _FIT_SHARE)].created_at
    earlier = [group for group in linked if group.created_at < first_later]
    weights = fit_weights(earlier, prior=np.array(UNTRAINED.weights)) if earlier else np.array(UNTRAINED.weights)
    return calibrated(weights, [group for group in groups if group.created_at >= first_later], params)


def fit_weights(
    groups: Sequence[RankingGroup], *, prior: Floats | None = None, regularisation: float = REGULARISATION
) -> Floats:
    """Weights under which the matches of each query are the likeliest of its candidates (McFadden, 1974).

    No weight is below zero, so that every signal speaks for a case or not at all; each is pulled to its prior.

    Parameters
    ----------
    groups : sequence of RankingGroup
        Each with a match.
    prior : ndarray of float64, shape (n_signals,), optional
        Over the raw signals; default: zero.
    regularisation : float
        The larger, the further weights may go from the prior.

    Returns
    -------
    ndarray of float64, shape (n_signals,)
        Over the raw signals.
    """
    stacked = np.vstack([group.matrix for group in groups])
    scale = stacked.std(axis=0)
    varies = scale > 0
    scale[~varies] = 1.0
    # The mean of a signal cancels out within a query; only its spread counts.
    matrices = [group.matrix / scale for group in groups]
    start = np.zeros(len(SIGNALS)) if prior is None else np.maximum(prior, 0.0) * scale

    def loss(weights: Floats) -> tuple[float, Floats]:
        value, gradient = 0.0, np.zeros_like(weights)
        for matrix, group in zip(matrices, groups, strict=True):
            scores = matrix @ weights
            odds = np.exp(scores - scores.max())
            matched = odds * group.is_match
            value += np.log(odds.sum()) - np.log(matched.sum())
            gradient += (odds / odds.sum() - matched / matched.sum()) @ matrix
        away = (weights - start) / regularisation
        return value + 0.5 * float(away @ (weights - start)), gradient + away

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(0.0, None)] * len(start)).x
    return np.asarray(np.where(varies, found / scale, 0.0 if prior is None else prior), dtype=np.float64)


def calibrated(weights: Floats, groups: Sequence[RankingGroup], params: TrainingParams) -> Ranker:
    """A ranker of given weights, its relevance a probability on the groups, and its tiers chosen on them.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_signals,)
        Only the order that they give counts; calibration sets their scale.
    groups : sequence of RankingGroup
        Later than those that the weights were learned on.
    """
    shown = _shown(weights, groups)
    slope, intercept = fit_platt(shown.scores, shown.is_match)
    # A slope of zero would rank all alike; the order is still worth showing.
    slope = slope if slope > 0 else 1.0
    relevance = sigmoid(shown.scores * slope + intercept)
    strong = threshold_for_precision(relevance, shown.is_match, params.strong_precision, error_rate=ERROR_RATE)
    possible = threshold_for_precision(relevance, shown.is_match, params.possible_precision)
    lowest = _POSSIBLE_RELEVANCE if possible is None else min(possible, _POSSIBLE_RELEVANCE)
    if strong is None:  # too few cases to count: a calibrated relevance promises its own precision
        strong = params.strong_precision
    return Ranker(
        weights=tuple((weights * slope).tolist()),
        intercept=intercept,
        strong=max(strong, lowest),
        possible=lowest,
        trained=True,
    )


def _shown(weights: Floats, groups: Sequence[RankingGroup]) -> _Shown:
    scores, is_match = [np.empty(0)], [np.empty(0, dtype=np.bool_)]
    for group in groups:
        values = group.matrix @ weights
        best = np.argsort(-values, kind="stable")[:SHOWN]
        scores.append(values[best])
        is_match.append(group.is_match[best])
    return _Shown(np.concatenate(scores), np.concatenate(is_match))
