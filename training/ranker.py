"""Learn a ranker from linked tickets: a logistic regression over the signals, calibrated, with its two tiers.

Weights are learned on the earlier linked tickets; what a score is worth as a probability, and from which probability a
case is shown, is learned on the later ones (Platt, 1999), with unlinked tickets counted as having no match.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evaluation.dataset import RankingGroup
from serving.ranking import UNTRAINED, Ranker
from training.params import TrainingParams
from training.thresholds import threshold_for_precision
from training.triage import fit_platt

MIN_LINKED = 20
"""Linked tickets with a match among their candidates that it takes to learn better weights than the untrained ones."""
SHOWN = 5
"""Candidates of a ticket that count when a score is calibrated: those that a suggestion shows by default."""
_FIT_SHARE = 0.7
_REGULARISATION = 0.1
# Related cases help a person even where few of them are known duplicates: this relevance is shown as possible whatever
# precision the links give it.
_POSSIBLE_RELEVANCE = 0.15
_NEVER = 1.01  # above any relevance: no case is strong

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
        In any order. Those without known matches are left out of the weights and count as negatives for calibration.

    Returns
    -------
    Ranker
        :data:`serving.ranking.UNTRAINED` with fewer than 20 linked tickets to learn from.
    """
    linked = sorted((group for group in groups if group.is_match.any()), key=lambda group: group.created_at)
    if len(linked) < MIN_LINKED:
        return UNTRAINED
    first_later = linked[int(len(linked) * _FIT_SHARE)].created_at
    weights = _fit_weights([group for group in linked if group.created_at < first_later])
    return calibrated(weights, [group for group in groups if group.created_at >= first_later], params)


def calibrated(weights: Floats, groups: Sequence[RankingGroup], params: TrainingParams) -> Ranker:
    """A ranker of given weights, its relevance a probability on the groups, and its tiers chosen on them.

    Parameters
    ----------
    weights : ndarray of float64, shape (n_signals,)
        Only their order of candidates counts; the calibration sets their scale.
    groups : sequence of RankingGroup
        Later than those that the weights were learned on.
    """
    shown = _shown(weights, groups)
    slope, intercept = fit_platt(shown.scores, shown.is_match)
    # A slope of zero would rank all alike; the order is still worth showing.
    slope = slope if slope > 0 else 1.0
    draft = Ranker(tuple(float(w) for w in weights * slope), intercept, strong=_NEVER, possible=0.0, trained=True)
    relevance = 1.0 / (1.0 + np.exp(-(shown.scores * slope + intercept)))
    strong = threshold_for_precision(relevance, shown.is_match, params.strong_precision)
    possible = threshold_for_precision(relevance, shown.is_match, params.possible_precision)
    lowest = _POSSIBLE_RELEVANCE if possible is None else min(possible, _POSSIBLE_RELEVANCE)
    return Ranker(draft.weights, intercept, _NEVER if strong is None else max(strong, lowest), lowest, trained=True)


def _fit_weights(groups: Sequence[RankingGroup]) -> Floats:
    """Weights over the raw signals, shape (n_signals,), of a regression over the standardised ones."""
    matrix = np.vstack([group.matrix for group in groups])
    is_match = np.concatenate([group.is_match for group in groups])
    scale = matrix.std(axis=0)
    scale[scale == 0] = 1.0  # a signal that never varies gets no weight either way
    model = LogisticRegression(C=_REGULARISATION, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit((matrix - matrix.mean(axis=0)) / scale, is_match)
    return np.asarray(model.coef_[0] / scale, dtype=np.float64)


def _shown(weights: Floats, groups: Sequence[RankingGroup]) -> _Shown:
    scores, is_match = [np.empty(0)], [np.empty(0, dtype=np.bool_)]
    for group in groups:
        values = group.matrix @ weights
        best = np.argsort(-values, kind="stable")[:SHOWN]
        scores.append(values[best])
        is_match.append(group.is_match[best])
    return _Shown(np.concatenate(scores), np.concatenate(is_match))
