"""Learn a ranker from linked tickets: a conditional logistic regression over the signals, calibrated, with its tiers.

The weights that ship are learned on all links. What a score is worth as a probability, and from which probability a
case is shown, is learned on scores that weights of other tickets' links gave to each (Platt, 1999), in folds, tickets
without a link among them, in the proportion that the history has. How near the history comes to a ticket at all cannot
tell its candidates apart, but tells tickets that have a match from those that have none, and is weighed there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from evaluation.dataset import RankingGroup
from serving.heads import sigmoid
from serving.ranking import SIGNALS, UNTRAINED, Ranker
from training.calibration import ERROR_RATE, fit_platt
from training.params import TrainingParams
from training.thresholds import threshold_for_precision, threshold_for_share

MIN_LINKED = 20
"""Linked tickets with a match among their candidates that it takes to learn weights from."""
LOOKED_AT = 10
"""Best candidates of a ticket that count when a score is calibrated; hardly anybody reads on."""
REGULARISATION = 0.3
"""Variance of the weights of standardised signals around their prior; chosen as ``docs/benchmarks.md`` tells."""
_N_PARTS = 5
_ROUNDING = 1e-9  # the deviation of what never varies
# From this share of the linked tickets on, by time, tickets calibrate: as a history grows, more of it looks alike.
_CALIBRATED_FROM = 0.6
_EITHER_WAY = ("log_length",)
"""Signals that may speak against a case too: a long text shares words with everything."""
# Possible where no match is known among what is shown: nothing tells what a match scores.
_POSSIBLE_RELEVANCE = 0.02

Floats = NDArray[np.float64]

_NEAREST = SIGNALS.index("nearest_cosine")
_LOWEST = np.array([-np.inf if name in _EITHER_WAY else 0.0 for name in SIGNALS])


@dataclass(frozen=True, slots=True)
class _Shown:
    """The best candidates of tickets, by scores that knew nothing of them.

    Attributes
    ----------
    scores : ndarray of float64, shape (n,)
    nearest : ndarray of float64, shape (n,)
        Signal ``nearest_cosine`` of the ticket.
    is_match : ndarray of bool, shape (n,)
    of_linked : ndarray of bool, shape (n,)
        Whether the ticket has a known match, among the candidates or not.
    is_first : ndarray of bool, shape (n,)
        Whether it is the ticket's best candidate.
    stands_for : ndarray of float64, shape (n,)
        Number of tickets of the history that the ticket stands for.
    """

    scores: Floats
    nearest: Floats
    is_match: NDArray[np.bool_]
    of_linked: NDArray[np.bool_]
    is_first: NDArray[np.bool_]
    stands_for: Floats

    @classmethod
    def of(cls, scored: Sequence[tuple[RankingGroup, Floats]]) -> _Shown:
        """The best of each group by its scores, shape (n_candidates,)."""
        columns = [np.empty((0, 6))]
        for group, scores in scored:
            best = np.argsort(-scores, kind="stable")[:LOOKED_AT]
            n = len(best)
            columns.append(
                np.column_stack(
                    [
                        scores[best],
                        group.matrix[best, _NEAREST],
                        group.is_match[best],
                        np.full(n, group.n_matches > 0),
                        np.arange(n) == 0,
                        np.full(n, group.stands_for),
                    ]
                )
            )
        values, nearest, is_match, of_linked, is_first, stands_for = np.concatenate(columns).T
        return cls(values, nearest, is_match > 0, of_linked > 0, is_first > 0, stands_for)

    @property
    def best_of_unlinked(self) -> Floats:
        """The best score of each ticket without a known match."""
        return self.scores[self.is_first & ~self.of_linked]


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
    prior = np.array(UNTRAINED.weights)
    weights = fit_weights(linked, prior=prior)
    since = linked[int(len(linked) * _CALIBRATED_FROM)].created_at
    others = [group for group in groups if not group.is_match.any()]
    scored = [*_held_back(linked, weights, prior), *((group, group.matrix @ weights) for group in others)]
    shown = _Shown.of([each for each in scored if each[0].created_at >= since])
    weights[_NEAREST] = nearness = _weight_of_nearness(shown)
    return _with_tiers(weights, replace(shown, scores=shown.scores + shown.nearest * nearness), params)


def _weight_of_nearness(shown: _Shown) -> float:
    """What the cosine of a ticket's nearest case tells beside the scores, in terms of these; not below zero."""
    signals = np.column_stack([shown.scores, shown.nearest])
    scale = signals.std(axis=0)
    if shown.is_match.all() or not shown.is_match.any() or scale.min() < _ROUNDING:
        return 0.0
    standard = (signals - signals.mean(axis=0)) / scale
    model = LogisticRegression(max_iter=1000).fit(standard, shown.is_match, sample_weight=shown.stands_for)
    of_score, of_nearness = (model.coef_[0] / scale).tolist()
    return max(of_nearness / of_score, 0.0) if of_score > 0 else 0.0


def _held_back(linked: Sequence[RankingGroup], weights: Floats, prior: Floats) -> list[tuple[RankingGroup, Floats]]:
    """Linked groups, by time, with their scores by weights of the other parts, in terms of the weights that ship."""
    scored = []
    for part in np.array_split(np.arange(len(linked)), _N_PARTS):
        rest = fit_weights([group for i, group in enumerate(linked) if i not in part], prior=prior)
        groups = [linked[i] for i in part]
        stacked = np.vstack([group.matrix for group in groups])
        # Only differences within a query are learned, so two fits may differ by a constant.
        offset = float(np.mean(stacked @ (weights - rest)))
        scored += [(group, group.matrix @ rest + offset) for group in groups]
    return scored


def fit_weights(
    groups: Sequence[RankingGroup], *, prior: Floats | None = None, regularisation: float = REGULARISATION
) -> Floats:
    """Weights under which the matches of each query are the likeliest of its candidates (McFadden, 1974).

    No weight but that of a case's length is below zero, so that every signal speaks for a case or not at all; each is
    pulled to its prior.

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
    start = np.zeros(len(SIGNALS)) if prior is None else np.maximum(prior, _LOWEST) * scale

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

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[(lowest, None) for lowest in _LOWEST]).x
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
    return _with_tiers(weights, _Shown.of([(group, group.matrix @ weights) for group in groups]), params)


def _with_tiers(weights: Floats, shown: _Shown, params: TrainingParams) -> Ranker:
    slope, intercept = fit_platt(shown.scores, shown.is_match, shown.stands_for)
    if slope <= 0:  # it would rank all alike; the order is still worth showing, and the mean stays the share seen
        slope, intercept = 1.0, intercept - float(np.average(shown.scores, weights=shown.stands_for))
    tiers = np.array([_possible_score(shown, params), _strong_score(shown, params)])
    possible, strong = sigmoid(tiers * slope + intercept).tolist()
    possible = possible or _POSSIBLE_RELEVANCE
    return Ranker(
        weights=tuple((weights * slope).tolist()),
        intercept=intercept,
        strong=max(strong, possible),
        possible=possible,
        trained=True,
    )


def _possible_score(shown: _Shown, params: TrainingParams) -> float:
    """Score that all but a small share of the matches reach; minus infinity without a match."""
    matches = shown.scores[shown.is_match]
    return float(np.quantile(matches, 1 - params.possible_recall, method="lower")) if len(matches) else -np.inf


def _strong_score(shown: _Shown, params: TrainingParams) -> float:
    """Score from which a case is strong.

    Precision is that among tickets with a known match. Of the others many have one that nobody recorded, so that what
    they are shown is no error for certain; how often they are shown something is bounded instead.
    """
    scores, is_match = shown.scores[shown.of_linked], shown.is_match[shown.of_linked]
    strong = threshold_for_precision(scores, is_match, params.strong_precision, error_rate=ERROR_RATE)
    if strong is None:  # too few to count: where a logistic curve through them reaches the precision
        slope, intercept = fit_platt(scores, is_match)
        strong = (logit(params.strong_precision) - intercept) / slope if slope > 0 else np.inf
    return max(strong, threshold_for_share(shown.best_of_unlinked, params.strong_for_unlinked, error_rate=ERROR_RATE))
