"""Figures of ordinal severity: agreement, distance, cost, and the Sev1 promise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from evaluation.intervals import Interval

N_LEVELS = 4
# Of the powers 0 to 1 the one of best macro-F1 and kappa both on the tune rows of Jira; 1 overshoots, since
# probabilities that know little stay near the base rates.
_EVENING = 0.7

Levels = NDArray[np.int64]


def quadratic_kappa(truth: Levels, answers: Levels) -> float:
    """Cohen's kappa with quadratic weights (Cohen, 1968); levels 0 to 3, shape (n,).

    Examples
    --------
    >>> quadratic_kappa(np.array([0, 1, 2]), np.array([0, 1, 2]))
    1.0
    """
    observed = np.zeros((N_LEVELS, N_LEVELS))
    np.add.at(observed, (truth, answers), 1.0)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / max(len(truth), 1)
    weights = np.subtract.outer(np.arange(N_LEVELS), np.arange(N_LEVELS)) ** 2
    denominator = float((weights * expected).sum())
    return 1.0 - float((weights * observed).sum()) / denominator if denominator else float("nan")


def mean_absolute_error(truth: Levels, answers: Levels) -> float:
    """Mean distance in levels."""
    return float(np.mean(np.abs(truth - answers)))


def expected_cost(truth: Levels, answers: Levels, costs: NDArray[np.float64]) -> float:
    """Mean cost a ticket; ``costs[truth][answer]`` has shape (4, 4)."""
    return float(np.mean(costs[truth, answers]))


def best_constant(truth: Levels, costs: NDArray[np.float64]) -> int:
    """The level that is cheapest to answer always."""
    return int(np.argmin([expected_cost(truth, np.full_like(truth, level), costs) for level in range(N_LEVELS)]))


def evened_levels(probabilities: NDArray[np.float64], seen: Levels) -> Levels:
    """The level that is most probable when base rates are evened out most of the way; shape (n,).

    Probabilities are divided by the level's share of the rows that the model has seen, to the power of 0.7 (after
    Elkan, IJCAI 2001, whose power is 1), so that a rare level is nearly as easily said as a frequent one: what a model
    says that was fitted with balanced classes. A level that was never seen is never said.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n, 4)
    seen : ndarray of int64, shape (n_seen,)
        Levels of the rows that the model was fitted and calibrated on.

    Examples
    --------
    >>> evened_levels(np.array([[0.4, 0.0, 0.6, 0.0]]), np.array([0, 2, 2, 2]))
    array([0])
    """
    rates = np.bincount(seen, minlength=N_LEVELS) ** _EVENING
    evened = np.divide(probabilities, rates, out=np.zeros_like(probabilities), where=rates > 0)
    return np.asarray(np.argmax(evened, axis=1), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class FlagFigures:
    """Figures of a Sev1 flag: recall and alert rate, each with its exact interval (Clopper and Pearson, 1934)."""

    n_sev1: int
    n_flagged: int
    n_flagged_sev1: int
    recall: float | None
    recall_ci95: Interval | None
    alert_rate: float
    alert_rate_ci95: Interval


def flag_figures(is_sev1: NDArray[np.bool_], flagged: NDArray[np.bool_]) -> FlagFigures:
    """Score a flag; both arrays have shape (n,)."""
    n, n_sev1 = len(flagged), int(is_sev1.sum())
    n_flagged, hits = int(flagged.sum()), int((is_sev1 & flagged).sum())
    return FlagFigures(
        n_sev1=n_sev1,
        n_flagged=n_flagged,
        n_flagged_sev1=hits,
        recall=hits / n_sev1 if n_sev1 else None,
        recall_ci95=exact_interval(hits, n_sev1) if n_sev1 else None,
        alert_rate=n_flagged / n if n else 0.0,
        alert_rate_ci95=exact_interval(n_flagged, n),
    )


def exact_interval(hits: int, n: int, *, level: float = 0.95) -> Interval:
    """Clopper-Pearson interval of a share.

    Examples
    --------
    >>> exact_interval(0, 10)[0]
    0.0
    """
    tail = (1 - level) / 2
    low = float(beta.ppf(tail, hits, n - hits + 1)) if hits else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, n - hits)) if hits < n else 1.0
    return (low, high)


def alert_rate_at_recall(risk: NDArray[np.floating], is_sev1: NDArray[np.bool_], recall: float) -> float | None:
    """Smallest share of rows to flag, by falling risk, that reaches a recall; ties are flagged together."""
    positives = np.sort(np.asarray(risk)[is_sev1])[::-1]
    if not len(positives):
        return None
    needed = max(1, int(np.ceil(recall * len(positives) - 1e-9)))
    return float((np.asarray(risk) >= positives[needed - 1]).mean())
