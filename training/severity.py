"""Fit the ordinal severity: heads over the words, then a second stage over what they say of rows they have not seen."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import logsumexp
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from evaluation.dataset import RecallThreshold
from features.feature_space import FeatureRows
from features.ticket import SEVERITIES, Severity
from serving.decision import Thresholds
from serving.heads import LinearHead
from serving.severity_model import N_HEADS, N_INPUTS, N_LEVELS, SecondStage, SeverityModel
from training.calibration import choose_thresholds
from training.matrices import head_of, matrix, take_rows
from training.params import TrainingParams
from training.thresholds import threshold_for_recall

_NEVER = 2.0  # no probability reaches it
_N_BLOCKS = 3
_N_CALIBRATION_BLOCKS = 5
# The second stage forgets: of the rows in order of time, one that lies half of all rows back counts half.
_HALF_BACK = 0.5

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


def fit_severity(
    train: FeatureRows,
    labels: Sequence[Severity | None],
    calibration: FeatureRows,
    calibration_labels: Sequence[Severity | None],
    params: TrainingParams,
) -> tuple[SeverityModel, RecallThreshold]:
    """Fit on rows in order of time, and calibrate on later ones, also in order of time.

    The second stage learns from both: of the training rows what heads fitted on the other two thirds say, of the
    calibration rows what the final heads say. Thresholds are chosen on probabilities that a second stage without the
    row's block of calibration rows gives.
    """
    rows, y = _labelled(train, labels)
    later, truth = _labelled(calibration, calibration_labels)
    head = _fit_heads(rows, np.arange(len(rows)), y, params)
    inputs = np.vstack([_inputs(_held_out_scores(rows, y, params), rows), _inputs(head.scores(later), later)])
    levels = np.concatenate([y, truth])
    stage = fit_stage(inputs, levels, params)
    probabilities = _crossed(inputs, levels, len(rows), params)
    costs = np.array(params.costs)
    promise = threshold_for_recall(
        probabilities[truth == 0, 0], recall=params.sev1_recall, confidence=params.sev1_confidence
    )
    sev1 = promise if promise.certified else replace(promise, threshold=flag_threshold_by_cost(costs))
    thresholds = choose_thresholds(probabilities, truth, params) if len(truth) else Thresholds(0.5, None)
    return SeverityModel(head, stage, costs, thresholds, sev1_threshold=sev1.threshold), sev1


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


def fit_stage(inputs: Floats, levels: Levels, params: TrainingParams) -> SecondStage:
    """Fit the second stage on rows in order of time: a regularised multinomial regression that forgets.

    Parameters
    ----------
    inputs : ndarray of float64, shape (n, N_INPUTS)
    levels : ndarray of int64, shape (n,)
        0 (sev1) to 3.
    """
    mean, scale = inputs.mean(axis=0), inputs.std(axis=0)
    # An input that never varies says nothing.
    by_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-9)
    standard = (inputs - mean) * by_scale
    present = np.unique(levels)
    weights, intercept = np.zeros((N_INPUTS, N_LEVELS)), np.zeros(N_LEVELS)
    if len(present) > 1:
        n = len(levels)
        ages = (n - 1 - np.arange(n)) / n
        model = LogisticRegression(C=params.severity_stage_c, max_iter=1000)
        model.fit(standard, levels, sample_weight=0.5 ** (ages / _HALF_BACK))
        # Two levels have one vector of weights: that of the second against the first.
        coefficients = model.coef_ if len(present) > 2 else np.vstack([0 * model.coef_, model.coef_])
        offsets = model.intercept_ if len(present) > 2 else np.array([0.0, model.intercept_[0]])
        weights[:, present], intercept[present] = coefficients.T, offsets
    absent = np.setdiff1d(np.arange(N_LEVELS), present)
    # A level never seen: half a ticket's share, whatever the ticket says.
    usual = float(logsumexp((standard @ weights + intercept)[:, present], axis=1).mean())
    intercept[absent] = usual + np.log(0.5 / (len(levels) + 1.0))
    raw = weights * by_scale[:, None]
    return SecondStage(raw, intercept - mean @ raw)


def _labelled(rows: FeatureRows, labels: Sequence[Severity | None]) -> tuple[FeatureRows, Levels]:
    number = {level: i for i, level in enumerate(SEVERITIES)}
    known = np.flatnonzero([label is not None for label in labels])
    return take_rows(rows, known), np.array([number[label] for label in labels if label is not None], dtype=np.int64)


def _inputs(scores: NDArray[np.floating], rows: FeatureRows) -> Floats:
    return np.hstack([np.asarray(scores, dtype=np.float64).reshape(len(rows), N_HEADS), rows.context])


def _held_out_scores(rows: FeatureRows, y: Levels, params: TrainingParams) -> Floats:
    """Score each third of the rows by heads of the other two."""
    scores = np.empty((len(rows), N_HEADS))
    blocks = np.arange(len(rows)) * _N_BLOCKS // max(len(rows), 1)
    for block in np.unique(blocks):
        inside, outside = np.flatnonzero(blocks == block), np.flatnonzero(blocks != block)
        head = _fit_heads(rows, outside, y[outside], params)
        scores[inside] = head.scores(take_rows(rows, inside))
    return scores


def _crossed(inputs: Floats, levels: Levels, n_train: int, params: TrainingParams) -> Floats:
    """Probabilities of the calibration rows, each by a second stage that has not seen its block of them."""
    n = len(levels) - n_train
    out = np.empty((n, N_LEVELS))
    blocks = np.concatenate([np.full(n_train, -1), np.arange(n) * _N_CALIBRATION_BLOCKS // max(n, 1)])
    for block in range(_N_CALIBRATION_BLOCKS):
        inside = blocks == block
        if inside.any():
            stage = fit_stage(inputs[~inside], levels[~inside], params)
            out[inside[n_train:]] = stage.probabilities(inputs[inside])
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
