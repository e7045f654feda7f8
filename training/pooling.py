"""How much each machine and the vote of the nearest cases count: chosen on calibration rows.

The pooled scores are log-odds: weights of least log-loss make one softmax of all evidence calibrated at once,
temperature scaling (Guo et al., ICML 2017) with a temperature for each source.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from serving.heads import softmax
from serving.neighbours import Vote

TEMPERATURES = (0.03, 0.05, 0.1, 0.2)
# Where calibration rows are few, weights stay near what did well on the tune rows of the shared data.
_USUAL_MACHINES = 2.0
_USUAL_VOTE = 0.6
_USUAL_TEMPERATURE = 0.1

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pool:
    """Weights of the machines and the vote beside them."""

    weights: tuple[float, ...]
    vote: Vote

    def scores(self, member_scores: Floats, cosines: NDArray[np.float32], codes: NDArray[np.int64]) -> Floats:
        """Pooled scores, shape (n, n_classes), of machines' scores of shape (n_machines, n, n_classes)."""
        machines = np.tensordot(np.array(self.weights), member_scores, axes=1)
        return np.asarray(machines + self.vote.scores(cosines, codes, member_scores.shape[2]), dtype=np.float64)


def usual_pool(n_machines: int) -> Pool:
    """The weights of a target that has nothing to choose them on."""
    return Pool((_USUAL_MACHINES / n_machines,) * n_machines, Vote(_USUAL_TEMPERATURE, _USUAL_VOTE))


def fit_pool(
    member_scores: Floats, cosines: NDArray[np.float32], codes: NDArray[np.int64], truth: NDArray[np.int64]
) -> Pool:
    """Choose weights of least log-loss.

    Parameters
    ----------
    member_scores : ndarray of float64, shape (n_machines, n, n_classes)
        Of rows that the machines have not seen.
    cosines : ndarray of float32, shape (n, k)
        To the neighbours of the same rows, among those that the machines have seen.
    codes : ndarray of int64, shape (n, k)
        Classes of these, -1 for none.
    truth : ndarray of int64, shape (n,)
        Class of each row; rows of -1 (a class that the machines do not know) are left out.
    """
    usual = usual_pool(len(member_scores))
    known = truth >= 0
    if not known.any():
        return usual
    best: tuple[float, Pool] | None = None
    start = np.log([*usual.weights, usual.vote.weight])
    for temperature in TEMPERATURES:
        votes = Vote(temperature, 1.0).scores(cosines, codes, member_scores.shape[2])
        sources = np.concatenate([member_scores, votes[None]])[:, known]
        found = minimize(
            _loss,
            start,
            args=(sources, truth[known], start),
            jac=True,
            method="L-BFGS-B",
            bounds=[(-6.0, 3.0)] * len(start),
        )
        if best is None or found.fun < best[0]:
            *machines, vote = np.exp(found.x).tolist()
            best = (float(found.fun), Pool(tuple(machines), Vote(temperature, vote)))
    return best[1] if best is not None else usual


def _loss(log_weights: Floats, sources: Floats, truth: NDArray[np.int64], usual: Floats) -> tuple[float, Floats]:
    """Log-loss with a unit normal prior on the logarithms of the weights, and its gradient."""
    weights = np.exp(log_weights)
    probabilities = softmax(np.tensordot(weights, sources, axes=1))
    rows = np.arange(len(truth))
    loss = -np.log(np.maximum(probabilities[rows, truth], 1e-12)).sum()
    expected = (probabilities * sources).sum(axis=(1, 2))
    gradient = (expected - sources[:, rows, truth].sum(axis=1)) * weights
    away = log_weights - usual
    return float(loss + 0.5 * (away**2).sum()), np.asarray(gradient + away, dtype=np.float64)
