"""Thresholds hold what they promise, on rows that they were not chosen on."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta

from training.thresholds import threshold_for_precision, threshold_for_recall, threshold_for_share


def test_precision_is_held_at_the_threshold() -> None:
    generator = np.random.default_rng(1)
    confidence = generator.random(2000)
    correct = generator.random(2000) < confidence
    threshold = threshold_for_precision(confidence, correct, 0.9)
    assert threshold is not None
    assert correct[confidence >= threshold].mean() >= 0.9


def test_the_lower_bound_asks_for_more_than_the_share() -> None:
    generator = np.random.default_rng(2)
    confidence = generator.random(500)
    correct = generator.random(500) < confidence
    plain = threshold_for_precision(confidence, correct, 0.85)
    bound = threshold_for_precision(confidence, correct, 0.85, error_rate=0.1)
    assert plain is not None
    assert bound is not None
    assert bound > plain


def test_equal_confidences_are_taken_together() -> None:
    confidence = np.array([0.9] * 40 + [0.5] * 40)
    correct = np.array([True] * 40 + [True] * 20 + [False] * 20)
    assert threshold_for_precision(confidence, correct, 0.9) == 0.9


@pytest.mark.parametrize("n", [0, 5])
def test_too_few_rows_give_no_threshold(n: int) -> None:
    assert threshold_for_precision(np.ones(n), np.ones(n, dtype=bool), 0.5) is None


def test_nothing_precise_enough_gives_no_threshold() -> None:
    assert threshold_for_precision(np.linspace(0, 1, 100), np.zeros(100, dtype=bool), 0.5) is None


@pytest.mark.parametrize("n", [59, 80, 93, 200])  # 59 and 93: hardly any room, for one and for two misses
def test_the_recall_promise_is_broken_no_more_often_than_stated(n: int) -> None:
    generator = np.random.default_rng(3)
    broken = 0
    for _ in range(1000):
        found = threshold_for_recall(generator.beta(4, 2, size=n), recall=0.95, confidence=0.95)
        assert found.certified
        broken += beta.sf(found.threshold, 4, 2) < 0.95
    # 1,000 draws at 5 %: 64 is the 97.5th percentile of chance alone.
    assert broken <= 64
    # The bound is exact: with hardly any room it is broken nearly as often as it may be. 36 is the 2.5th percentile.
    assert broken >= 36 or n not in (59, 93)


def test_the_recall_threshold_uses_the_room_that_it_has() -> None:
    risk = np.arange(1, 201) / 200
    found = threshold_for_recall(risk, recall=0.9, confidence=0.95)
    assert found.threshold == pytest.approx(13 / 200)  # the 13th of 200: P(Binomial(200, 0.1) <= 12) <= 0.05


def test_without_positives_nothing_is_flagged() -> None:
    found = threshold_for_recall(np.empty(0), recall=0.95, confidence=0.95)
    assert found.threshold > 1
    assert (found.certified, found.n_needed) == (False, 59)


def test_a_share_is_held_and_its_upper_bound_asks_for_more() -> None:
    confidence = np.random.default_rng(3).random(1000)
    plain = threshold_for_share(confidence, 0.02)
    bound = threshold_for_share(confidence, 0.02, error_rate=0.1)
    assert (confidence >= plain).sum() == 20
    assert 10 <= (confidence >= bound).sum() < 20


def test_a_share_of_few_rows_lets_none_through() -> None:
    assert threshold_for_share(np.array([0.2, 0.9]), 0.02) > 0.9
    assert threshold_for_share(np.full(30, 0.5), 0.02, error_rate=0.1) > 0.5
    assert threshold_for_share(np.full(30, 0.5), 0.5) > 0.5, "equal rows pass together or not at all"
    assert threshold_for_share(np.empty(0), 0.02) == -np.inf
