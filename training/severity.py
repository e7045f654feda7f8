"""Fit the ordinal severity: heads over the words, then a second stage over what they say of rows they have not seen."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evaluation.dataset import LabelledRows, RecallThreshold
from evaluation.neighbours import neighbours_before
from features.feature_space import FeatureRows, FeatureSpace
from features.ticket import SEVERITIES
from serving.heads import LinearHead
from serving.severity_model import N_HEADS, N_INPUTS, N_LEVELS, SecondStage, SeverityModel, stage_inputs
from training.calibration import choose_thresholds
from training.matrices import head_of, matrix, take_rows
from training.params import TrainingParams
from training.split import in_time
from training.thresholds import threshold_for_recall

_N_BLOCKS = 5
_N_CALIBRATION_BLOCKS = 5
# The second stage forgets: of the rows in order of time, one that lies half of all rows back counts half.
_HALF_BACK = 0.5
_STAGE_CS = (0.01, 0.03, 0.1, 0.3)

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class StageRows:
    """What a second stage is fitted on: rows in order of time, those to calibrate on last.

    Attributes
    ----------
    head : LinearHead
        Fitted on all rows.
    inputs : ndarray of float64, shape (n, N_INPUTS)
        With the scores of heads that have not seen a row's stretch of time.
    levels : ndarray of int64, shape (n,)
        0 (sev1) to 3.
    n_train : int
        So many are before those to calibrate on.
    """

    head: LinearHead
    inputs: Floats
    levels: Levels
    n_train: int


def fit_severity(
    space: FeatureSpace, train: LabelledRows, calibration: LabelledRows, params: TrainingParams
) -> tuple[SeverityModel, RecallThreshold]:
    """Fit on every row that has a severity, the newest included, since habits drift; calibrate out of fold.

    The heads are fitted on all rows, the second stage on what heads fitted without a row's stretch of time say of it.
    Thresholds, and the promise of the Sev1 flag, are chosen on probabilities of the calibration rows that neither heads
    nor a second stage gave which had seen the row's stretch. (The final model has seen them all, so the promise is
    that of cross-conformal prediction: Vovk, Ann. Math. Artif. Intell. 2015.)

    Parameters
    ----------
    train, calibration : LabelledRows
        Calibration rows are those to choose thresholds on: the later ones.
    """
    known = stage_rows(space, train, calibration, params)
    stage, probabilities = fit_chosen_stage(known)
    truth = known.levels[known.n_train :]
    costs = np.array(params.costs)
    promise = threshold_for_recall(
        probabilities[truth == 0, 0], recall=params.sev1_recall, confidence=params.sev1_confidence
    )
    sev1 = promise if promise.certified else replace(promise, threshold=flag_threshold_by_cost(costs))
    # A level is a person's to confirm; what has to be precise is what is acted on unseen.
    asked = params.model_copy(update={"suggest_precision": params.severity_suggest_precision})
    thresholds = choose_thresholds(probabilities, truth, asked)
    return SeverityModel(known.head, stage, costs, thresholds, sev1.threshold, sev1.certified), sev1


def stage_rows(
    space: FeatureSpace, train: LabelledRows, calibration: LabelledRows, params: TrainingParams
) -> StageRows:
    """Fit the heads, and gather what the second stage reads of the rows that have a severity."""
    early, late = _labelled(train, params.seed), _labelled(calibration, params.seed)
    rows = early.joined(late)
    features = space.transform(rows.examples)
    number = {level: i for i, level in enumerate(SEVERITIES)}
    levels = np.array([number[level] for level in rows.severities if level is not None], dtype=np.int64)
    head = _fit_heads(features, np.arange(len(rows)), levels, params)
    inputs = stage_inputs(_held_out_scores(features, levels, params), features, neighbours_before(rows))
    return StageRows(head, inputs, levels, len(early))


def fit_chosen_stage(known: StageRows) -> tuple[SecondStage, Floats]:
    """Fit the second stage with the regularisation of least log-loss on the calibration rows.

    Returns
    -------
    stage : SecondStage
    probabilities : ndarray of float64, shape (n - n_train, 4)
        Of the calibration rows, each by a stage that has not seen its block of them.
    """
    truth = known.levels[known.n_train :]
    found = {c: _crossed(known, c) for c in _STAGE_CS}

    def log_loss(c: float) -> float:
        return float(-np.log(np.maximum(found[c][np.arange(len(truth)), truth], 1e-12)).sum())

    best = min(_STAGE_CS, key=log_loss)
    return fit_stage(known.inputs, known.levels, best), found[best]


def flag_threshold_by_cost(costs: Floats) -> float:
    """Risk from which a Sev1 flag costs less than none, where too few Sev1 tickets are known to promise a recall.

    It is the break-even of answering sev1 or sev2: a miss costs ``costs[0, 1]``, a false alarm ``costs[1, 0]``.

    Examples
    --------
    >>> flag_threshold_by_cost(np.array([[0.0, 4.0], [1.0, 0.0]]))
    0.2
    """
    miss, alarm = float(costs[0, 1]), float(costs[1, 0])
    return alarm / (alarm + miss) if alarm + miss > 0 else 0.5


def fit_stage(inputs: Floats, levels: Levels, c: float) -> SecondStage:
    """Fit the second stage on rows in order of time: a regularised multinomial regression that forgets.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n, N_INPUTS)
    levels : ndarray of int64, shape (n,)
        0 (sev1) to 3.
    c : float
        Inverse regularisation.
    """
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    # An input that never varies says nothing.
    by_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-9)
    weights, intercept = np.zeros((N_INPUTS, N_LEVELS)), np.zeros(N_LEVELS)
    stage = SecondStage(mean, by_scale, weights, intercept)
    standard = stage.standard(inputs)
    present = np.unique(levels)
    if len(present) > 1:
        n = len(levels)
        ages = (n - 1 - np.arange(n)) / n
        model = LogisticRegression(C=c, max_iter=1000)
        model.fit(standard, levels, sample_weight=0.5 ** (ages / _HALF_BACK))
        # Two levels have one vector of weights: that of the second against the first.
        coefficients = model.coef_ if len(present) > 2 else np.vstack([0 * model.coef_, model.coef_])
        offsets = model.intercept_ if len(present) > 2 else np.array([0.0, model.intercept_[0]])
        weights[:, present], intercept[present] = coefficients.T, offsets
    absent = np.setdiff1d(np.arange(N_LEVELS), present)
    # A level never seen: half a ticket's share, whatever the ticket says.
    usual = float(logsumexp((standard @ weights + intercept)[:, present], axis=1).mean())
    intercept[absent] = usual + np.log(0.5 / (len(levels) + 1.0))
    return replace(stage, weights=weights, intercept=intercept)


def _labelled(rows: LabelledRows, seed: int) -> LabelledRows:
    """The rows that have a severity, in the order of their creation."""
    order = in_time([example.ticket.created_at for example in rows.examples], seed=seed)
    return rows.take([i for i in order if rows.severities[i] is not None])


def _held_out_scores(rows: FeatureRows, y: Levels, params: TrainingParams) -> Floats:
    """Score each fifth of the rows by heads of the other four."""
    scores = np.empty((len(rows), N_HEADS))
    blocks = np.arange(len(rows)) * _N_BLOCKS // max(len(rows), 1)
    for block in np.unique(blocks):
        inside, outside = np.flatnonzero(blocks == block), np.flatnonzero(blocks != block)
        head = _fit_heads(rows, outside, y[outside], params)
        scores[inside] = head.scores(take_rows(rows, inside))
    return scores


def _crossed(known: StageRows, c: float) -> Floats:
    """Probabilities of the calibration rows, each by a second stage that has not seen its block of them."""
    n = len(known.levels) - known.n_train
    out = np.empty((n, N_LEVELS))
    blocks = np.concatenate([np.full(known.n_train, -1), np.arange(n) * _N_CALIBRATION_BLOCKS // max(n, 1)])
    for block in range(_N_CALIBRATION_BLOCKS):
        inside = blocks == block
        if inside.any():
            stage = fit_stage(known.inputs[~inside], known.levels[~inside], c)
            out[inside[known.n_train :]] = stage.probabilities(known.inputs[inside])
    return out


def _fit_heads(rows: FeatureRows, numbers: NDArray[np.intp], y: Levels, params: TrainingParams) -> LinearHead:
    """Three regressions, P(severity <= sev1), (<= sev2), (<= sev3), on the rows of the given numbers."""
    features: sparse.csr_matrix = matrix(rows, numbers)
    weights, intercepts = np.zeros((N_HEADS, features.shape[1])), np.zeros(N_HEADS)
    for k in range(N_HEADS):
        positive = y <= k
        if positive.all() or not positive.any():
            # A level never seen: its share with half a ticket added, whatever the text says.
            share = (positive.sum() + 0.5) / (len(y) + 1.0)
            intercepts[k] = np.log(share / (1.0 - share))
            continue
        model = LogisticRegression(C=params.severity_c, max_iter=60)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(features, positive)
        weights[k], intercepts[k] = model.coef_[0], model.intercept_[0]
    return head_of(weights, intercepts, rows)
