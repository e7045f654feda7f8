"""What scores are worth: probabilities and thresholds, chosen on rows that came after those that were learned from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from serving.decision import Thresholds
from training.params import TrainingParams
from training.thresholds import threshold_for_class, threshold_for_precision

ERROR_RATE = 0.1
"""Chance that the precision of a threshold lies below the bound that it was chosen by."""
MIN_CALIBRATION = 30
N_BORROWED = 200
"""Rows that those of other classes count as, at most, where a class's thresholds are chosen (docs/benchmarks.md)."""
_MIN_POSITIVES = 5


def choose_thresholds(
    probabilities: NDArray[np.float64], truth: NDArray[np.int64], params: TrainingParams
) -> Thresholds:
    """Smallest confidences whose precision holds by its lower bound; with too few rows a half, and no automation.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, n_classes)
    truth : ndarray of int64, shape (n,)
        Index of the true class; -1 for a class that is none of them.
    """
    if len(truth) < MIN_CALIBRATION:
        return Thresholds(suggest=0.5, automate=None)
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    return _thresholds(partial(threshold_for_precision, confidence, correct, error_rate=ERROR_RATE), params)


def choose_class_thresholds(
    classes: Sequence[str], probabilities: NDArray[np.float64], truth: NDArray[np.int64], params: TrainingParams
) -> dict[str, Thresholds]:
    """Thresholds of each class, chosen on its own rows and, as some of them, on those of the others.

    Parameters are those of :func:`choose_thresholds`. A class that no confidence makes precise enough has None; with
    too few calibration rows no class has any of its own.
    """
    if len(truth) < MIN_CALIBRATION:
        return {}
    answered = probabilities.argmax(axis=1)
    confidence, correct = probabilities.max(axis=1), answered == truth
    return {
        name: _thresholds(
            partial(
                threshold_for_class,
                confidence,
                correct,
                answered == k,
                error_rate=ERROR_RATE,
                n_borrowed=N_BORROWED,
            ),
            params,
        )
        for k, name in enumerate(classes)
    }


def _thresholds(smallest: Callable[[float], float | None], params: TrainingParams) -> Thresholds:
    found = [smallest(precision) for precision in (params.suggest_precision, params.automate_precision)]
    suggest, automate = (None if at is None else max(at, params.suggest_at_least) for at in found)
    return Thresholds(suggest, automate)


def fit_platt(
    scores: NDArray[np.floating], positive: NDArray[np.bool_], counts: NDArray[np.floating] | None = None
) -> tuple[float, float]:
    """Slope and offset of Platt scaling with his prior-corrected targets (Platt, 1999).

    With fewer than five rows of either kind the slope stays 1 and the offset moves the mean to the share seen.

    Parameters
    ----------
    scores : ndarray of float, shape (n,)
    positive : ndarray of bool, shape (n,)
    counts : ndarray of float, shape (n,), optional
        Number of rows that each stands for; default: one.
    """
    n_positive, n = int(positive.sum()), len(positive)
    if n == 0:
        return 1.0, 0.0
    counts = np.ones(n) if counts is None else np.asarray(counts, dtype=np.float64)
    share = (float(counts[positive].sum()) + 0.5) / (float(counts.sum()) + 1.0)
    if min(n_positive, n - n_positive) < _MIN_POSITIVES:
        return 1.0, float(np.log(share / (1 - share)) - np.average(scores, weights=counts))
    targets = np.where(positive, (n_positive + 1.0) / (n_positive + 2.0), 1.0 / (n - n_positive + 2.0))
    # A soft target is two rows of opposite labels, weighted.
    x = np.asarray(scores, dtype=np.float64)[:, None]
    model = LogisticRegression(C=1e6, max_iter=1000).fit(
        np.vstack([x, x]),
        np.repeat([1, 0], n),
        sample_weight=np.concatenate([targets * counts, (1 - targets) * counts]),
    )
    slope = float(model.coef_[0, 0])
    if slope <= 0:  # the regression is worse than chance on later rows: fall back to the share
        return 0.0, float(np.log(share / (1 - share)))
    return slope, float(model.intercept_[0])
