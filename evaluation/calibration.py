"""Whether confidences are true: expected calibration error, what chance alone would give, reliability bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_BINS = 15


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows of near confidence: their number, mean confidence, and the share that was right."""

    n: int
    confidence: float
    accuracy: float


def reliability_bins(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = N_BINS
) -> list[ReliabilityBin]:
    """Bins of equal mass by confidence (Naeini et al., AAAI 2015); both arrays have shape (n,)."""
    order = np.argsort(confidence, kind="stable")
    return [
        ReliabilityBin(n=len(rows), confidence=float(np.mean(confidence[rows])), accuracy=float(np.mean(correct[rows])))
        for rows in np.array_split(order, n_bins)
        if len(rows)
    ]


def expected_calibration_error(
    confidence: NDArray[np.floating], correct: NDArray[np.bool_], *, n_bins: int = N_BINS
) -> float:
    """Mean absolute gap of confidence and accuracy over bins of equal mass (Guo et al., ICML 2017).

    Examples
    --------
    >>> expected_calibration_error(np.array([1.0, 1.0]), np.array([True, True]))
    0.0
    """
    n = len(confidence)
    bins = reliability_bins(confidence, correct, n_bins=n_bins)
    return float(sum(b.n / n * abs(b.confidence - b.accuracy) for b in bins)) if n else float("nan")


def null_calibration_error(
    confidence: NDArray[np.floating],
    *,
    n_bins: int = N_BINS,
    n_draws: int = 1000,
    quantile: float = 0.95,
    seed: int = 0,
) -> float:
    """Quantile of the calibration error that perfectly calibrated confidences would show by chance.

    Truth is drawn as Bernoulli(confidence) in each of ``n_draws`` draws (Vaicenavicius et al., AISTATS 2019).
    """
    values = np.asarray(confidence, dtype=np.float64)
    n = len(values)
    if n == 0:
        return float("nan")
    generator = np.random.default_rng(seed)
    bins = [rows for rows in np.array_split(np.argsort(values, kind="stable"), n_bins) if len(rows)]
    means = np.array([values[rows].mean() for rows in bins])
    sizes = np.array([len(rows) for rows in bins])
    errors = np.empty(n_draws)
    for draw in range(n_draws):
        hits = generator.random(n) < values
        accuracy = np.array([hits[rows].mean() for rows in bins])
        errors[draw] = np.sum(sizes / n * np.abs(means - accuracy))
    return float(np.quantile(errors, quantile))


@dataclass(frozen=True, slots=True)
class Automation:
    """What a threshold lets through: the share of rows and how often they are right."""

    coverage: float
    accuracy: float | None


def automation(confidence: NDArray[np.floating], correct: NDArray[np.bool_], threshold: float | None) -> Automation:
    """Coverage and accuracy at and above a confidence; a threshold of None lets nothing through."""
    if threshold is None:
        return Automation(coverage=0.0, accuracy=None)
    taken = np.asarray(confidence) >= threshold
    return Automation(
        coverage=float(taken.mean()) if len(taken) else 0.0,
        accuracy=float(np.asarray(correct)[taken].mean()) if taken.any() else None,
    )
