"""Thresholds chosen on calibration rows: for a precision, and for a recall that is certified."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc
from scipy.stats import beta, binom

from evaluation.dataset import RecallThreshold

_MIN_ROWS = 20


def threshold_for_precision(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    precision: float,
    *,
    error_rate: float | None = None,
) -> float | None:
    """Find the smallest confidence at and above which answers are right often enough.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Confidence of the answer of each calibration row.
    correct : ndarray of bool, shape (n,)
    precision : float
        Share of right answers to hold.
    error_rate : float, optional
        When given, the one-sided Clopper-Pearson lower bound of the precision at this error rate has to hold it
        (Clopper and Pearson, Biometrika 1934), else the share itself.

    Returns
    -------
    float or None
        None when no threshold keeps at least 20 rows and holds the precision.

    Examples
    --------
    >>> confidence = np.linspace(0, 1, 100)
    >>> threshold_for_precision(confidence, confidence > 0.5, 0.99) > 0.49
    True
    """
    order = np.argsort(-np.asarray(confidence, dtype=np.float64), kind="stable")
    sorted_confidence = np.asarray(confidence, dtype=np.float64)[order]
    hits = np.cumsum(np.asarray(correct, dtype=np.int64)[order])
    n = np.arange(1, len(order) + 1)
    held = hits / n if error_rate is None else np.nan_to_num(beta.ppf(error_rate, hits, n - hits + 1), nan=0.0)
    # A threshold takes all rows of equal confidence: only the last of equals can be an edge.
    is_edge = np.append(sorted_confidence[1:] < sorted_confidence[:-1], True) if len(order) else np.empty(0, bool)
    good = np.flatnonzero((held >= precision) & is_edge & (n >= _MIN_ROWS))
    return float(sorted_confidence[good[-1]]) if len(good) else None


def threshold_for_class(
    confidence: NDArray[np.floating],
    correct: NDArray[np.bool_],
    is_class: NDArray[np.bool_],
    precision: float,
    *,
    error_rate: float,
    n_borrowed: int,
) -> float | None:
    """Find the smallest confidence at and above which the answers of one class are right often enough.

    The one-sided Clopper-Pearson lower bound of the precision has to hold on the rows of the class alone, or else on
    them together with those of the other classes, which count as at most ``n_borrowed``; not so where the upper bound
    of the class alone lies below the precision, nor, from 20 rows on, where its share does. A class of few rows is
    trusted as far as the others are, one of many by its own.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
        Confidence of the answer of each calibration row, of whichever class.
    correct, is_class : ndarray of bool, shape (n,)
        ``is_class`` marks the rows that were answered with the class.
    precision, error_rate : float
    n_borrowed : int
        Most rows that the other classes count as.

    Returns
    -------
    float or None
        None when no threshold holds the precision on at least 20 rows.

    Examples
    --------
    >>> confidence = np.linspace(0, 1, 1000)
    >>> is_own = np.arange(1000) % 10 == 0
    >>> correct = ~is_own | (confidence > 0.5)
    >>> float(round(threshold_for_class(confidence, correct, is_own, 0.9, error_rate=0.1, n_borrowed=100), 2))
    0.44
    >>> float(threshold_for_class(confidence, correct, ~is_own, 0.9, error_rate=0.1, n_borrowed=100))
    0.0
    """
    at = np.unique(np.asarray(confidence, dtype=np.float64))
    hits, n = _reached(confidence[is_class], correct[is_class], at)
    other_hits, n_others = _reached(confidence[~is_class], correct[~is_class], at)
    weight = np.minimum(1.0, n_borrowed / np.maximum(n_others, 1))
    with_others = hits + weight * other_hits, n + weight * n_others
    # Of answers less sure than any that was seen, the rows of the class alone say nothing.
    holds_alone = (n >= _MIN_ROWS) & (n > np.append(n[1:], 0)) & _reaches(hits, n, precision, error_rate)
    fails_alone = (n > hits) & (betainc(hits + 1.0, np.maximum(n - hits, 1), precision) > 1 - error_rate)
    fails_alone |= (n >= _MIN_ROWS) & (hits < precision * n)
    holds = (n + n_others >= _MIN_ROWS) & _reaches(*with_others, precision, error_rate) & ~fails_alone
    good = np.flatnonzero(holds_alone | holds)
    return float(at[good[0]]) if len(good) else None


def _reaches(hits: NDArray[np.number], n: NDArray[np.number], precision: float, error_rate: float) -> NDArray[np.bool_]:
    """Whether the lower bound of a share, the quantile of Beta(hits, n - hits + 1), is a precision at least."""
    return np.asarray((hits > 0) & (betainc(np.maximum(hits, 1e-9), n - hits + 1.0, precision) <= error_rate))


def _reached(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], at: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Right answers and all answers at and above each confidence; shapes (len(at),)."""
    order = np.argsort(confidence, kind="stable")
    first = np.searchsorted(confidence[order], at)
    hits_before = np.concatenate([[0], np.cumsum(correct[order], dtype=np.int64)])
    return hits_before[-1] - hits_before[first], len(confidence) - first


def threshold_for_share(confidence: NDArray[np.floating], share: float, *, error_rate: float | None = None) -> float:
    """Find the smallest confidence that at most a share of rows reach.

    Parameters
    ----------
    confidence : ndarray of float, shape (n,)
    share : float
        Largest share of rows at or above the threshold.
    error_rate : float, optional
        When given, the one-sided Clopper-Pearson upper bound of the share at this error rate has to lie within it.

    Returns
    -------
    float
        Above every confidence seen when no row may reach it; minus infinity when there is no row.

    Examples
    --------
    >>> float(threshold_for_share(np.array([0.1, 0.2, 0.3, 0.4]), 0.5))
    0.3
    """
    if len(confidence) == 0:
        return -np.inf
    ordered = np.sort(np.asarray(confidence, dtype=np.float64))[::-1]
    n_above = np.arange(1, len(ordered) + 1)
    reached = n_above / len(ordered)
    if error_rate is not None:
        reached = np.nan_to_num(beta.ppf(1 - error_rate, n_above + 1, len(ordered) - n_above), nan=1.0)
    is_edge = np.append(ordered[1:] < ordered[:-1], True)
    good = np.flatnonzero((reached <= share) & is_edge)
    return float(ordered[good[-1]]) if len(good) else float(np.nextafter(ordered[0], np.inf))


def threshold_for_recall(risk: NDArray[np.floating], *, recall: float, confidence: float) -> RecallThreshold:
    """Find the largest threshold that keeps a recall with a stated confidence.

    With n positives, exchangeable with future ones, the k-th smallest risk as threshold misses less than a share
    ``1 - recall`` of future positives with probability at least ``1 - P(Binomial(n, 1 - recall) <= k - 1)``: the
    distribution-free bound on a quantile by an order statistic (Wilks, Ann. Math. Statist. 1941; David and Nagaraja,
    Order Statistics, 3rd ed., section 7.1).

    Parameters
    ----------
    risk : ndarray of float, shape (n,)
        Risk that the model gave to each positive of the calibration rows.
    recall, confidence : float
        The promise: at least ``recall`` of positives flagged, true in at least ``confidence`` of calibration draws.

    Examples
    --------
    >>> threshold_for_recall(np.linspace(0.1, 1, 59), recall=0.95, confidence=0.95)
    RecallThreshold(threshold=0.1, certified=True, n_positives=59, n_needed=59)
    >>> threshold_for_recall(np.linspace(0.1, 1, 58), recall=0.95, confidence=0.95).certified
    False
    """
    n = len(risk)
    n_needed = int(np.ceil(np.log(1 - confidence) / np.log(recall)))
    ordered = np.sort(np.asarray(risk, dtype=np.float64))
    # The chance grows with k: those that keep the promise are the first ones.
    k = int((binom.cdf(np.arange(n), n, 1 - recall) <= 1 - confidence).sum())
    if k:
        return RecallThreshold(float(ordered[k - 1]), True, n, n_needed)
    # Too few to promise anything: the lowest positive seen flags all that were seen; none seen flags nothing.
    return RecallThreshold(float(ordered[0]) if n else 2.0, False, n, n_needed)
