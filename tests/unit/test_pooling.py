"""Weights of the machines and of the vote: of least log-loss, and the usual ones where there is little to go by."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize_scalar

from serving.heads import softmax
from training.pooling import TEMPERATURES, Pool, _loss, fit_pool, usual_pool

N_CLASSES, N_NEAR = 4, 8


def drawn(
    n: int, *, seed: int = 0, spread: float = 2.0, useless: bool = False, votes: float = 0.7
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scores of two machines, cosines and classes of neighbours, and the truth that the first machine's softmax drew.

    The second machine sees the first one's scores through noise, or, where it is useless, nothing; of the neighbours a
    share of ``votes`` is of the true class, the others of any.
    """
    generator = np.random.default_rng(seed)
    true = generator.standard_normal((n, N_CLASSES)) * spread
    truth = np.array([generator.choice(N_CLASSES, p=row) for row in softmax(true)])
    noise = generator.standard_normal((n, N_CLASSES)) * spread
    member_scores = np.stack([true, noise if useless else true + noise])
    cosines = -np.sort(-generator.uniform(0.2, 1.0, (n, N_NEAR)), axis=1).astype(np.float32)
    is_right = generator.random((n, N_NEAR)) < votes
    codes = np.where(is_right, truth[:, None], generator.integers(0, N_CLASSES, (n, N_NEAR)))
    return member_scores, cosines, codes.astype(np.int64), truth.astype(np.int64)


def log_loss(scores: np.ndarray, truth: np.ndarray) -> float:
    return float(-np.log(softmax(scores)[np.arange(len(truth)), truth]).mean())


def alone(scores: np.ndarray, truth: np.ndarray) -> float:
    """Log-loss of one source with its best temperature."""
    found = minimize_scalar(lambda log: log_loss(np.exp(log) * scores, truth), bounds=(-6.0, 3.0), method="bounded")
    return float(found.fun)


@pytest.mark.parametrize("seed", range(5))
def test_the_gradient_is_that_of_the_loss(seed: int):
    generator = np.random.default_rng(seed)
    sources, truth = generator.standard_normal((3, 40, N_CLASSES)), generator.integers(0, N_CLASSES, 40)
    usual, at = generator.standard_normal((2, 3))

    def loss(point: np.ndarray) -> float:
        return _loss(point, sources, truth, usual)[0]

    def gradient(point: np.ndarray) -> np.ndarray:
        return _loss(point, sources, truth, usual)[1]

    assert check_grad(loss, gradient, at) < 1e-4 * max(1.0, np.linalg.norm(gradient(at)))


@pytest.mark.parametrize("seed", range(3))
def test_the_pool_is_no_worse_than_any_source_alone(seed: int):
    member_scores, cosines, codes, truth = drawn(400, seed=seed)
    pool = fit_pool(member_scores, cosines, codes, truth)
    pooled = log_loss(pool.scores(member_scores, cosines, codes), truth)
    assert pooled <= alone(member_scores[0], truth) + 1e-3
    assert pooled <= alone(member_scores[1], truth) + 1e-3
    for temperature in TEMPERATURES:
        only = Pool((0.0, 0.0), pool.vote.__class__(temperature, 1.0)).scores(member_scores, cosines, codes)
        assert pooled <= alone(only, truth) + 1e-3
    usual = usual_pool(2)
    assert pooled < log_loss(usual.scores(member_scores, cosines, codes), truth)


def test_scores_that_are_the_log_odds_keep_their_scale():
    # The truth was drawn from the scores of the first machine; the rest is noise.
    member_scores, cosines, codes, truth = drawn(3_000, useless=True, votes=0.0)
    pool = fit_pool(member_scores, cosines, codes, truth)
    assert pool.weights[0] == pytest.approx(1.0, rel=0.1)
    assert fit_pool(3.0 * member_scores, cosines, codes, truth).weights[0] == pytest.approx(1 / 3, rel=0.1)


def test_what_says_nothing_gets_little_weight_where_rows_are_many():
    member_scores, cosines, codes, truth = drawn(3_000, useless=True, votes=0.0)
    pool = fit_pool(member_scores, cosines, codes, truth)
    assert pool.weights[1] < 0.1 * pool.weights[0]
    assert pool.vote.weight < 0.2
    telling = fit_pool(*drawn(3_000, votes=0.7))
    assert telling.vote.weight > 2 * pool.vote.weight


def test_few_rows_stay_near_the_usual_weights():
    usual = np.log([*usual_pool(2).weights, usual_pool(2).vote.weight])

    def away(n: int) -> float:
        pool = fit_pool(*(part[:, :n] if part.ndim == 3 else part[:n] for part in drawn(3_000, useless=True)))
        return float(np.abs(np.log([*pool.weights, pool.vote.weight]) - usual).max())

    assert away(2) < 0.7 < away(3_000)


def test_rows_of_an_unknown_class_change_nothing():
    member_scores, cosines, codes, truth = drawn(200)
    truth[150:] = -1
    known = fit_pool(member_scores[:, :150], cosines[:150], codes[:150], truth[:150])
    assert fit_pool(member_scores, cosines, codes, truth) == known
    assert fit_pool(member_scores, cosines, codes, np.full(200, -1)) == usual_pool(2)


def test_one_machine_and_no_neighbours_will_do():
    member_scores, _, _, truth = drawn(300)
    nobody = np.empty((300, 0), np.float32), np.empty((300, 0), np.int64)
    pool = fit_pool(member_scores[:1], *nobody, truth)
    assert len(pool.weights) == 1
    scores = pool.scores(member_scores[:1], *nobody)
    assert log_loss(scores, truth) == pytest.approx(alone(member_scores[0], truth), abs=5e-3)
