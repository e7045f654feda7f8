"""Figures against scikit-learn as an oracle, and against what can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, f1_score
from sklearn.metrics import mean_absolute_error as sk_mae

from evaluation.calibration import automation, expected_calibration_error, null_calibration_error
from evaluation.classification import classification_figures, confused_pairs, confusion_matrix
from evaluation.gate import compare
from evaluation.retrieval import NOT_FOUND, gain_over_better, rank_of_best_hit, retrieval_figures
from evaluation.severity import (
    alert_rate_at_recall,
    best_constant,
    evened_levels,
    exact_interval,
    expected_cost,
    flag_figures,
    mean_absolute_error,
    quadratic_kappa,
)

GENERATOR = np.random.default_rng(0)
TRUTH = GENERATOR.integers(0, 4, 300)
ANSWERS = np.where(GENERATOR.random(300) < 0.6, TRUTH, GENERATOR.integers(0, 4, 300))
COSTS = np.array([[0, 5, 20, 50], [1, 0, 4, 12], [2, 1, 0, 3], [3, 2, 1, 0]], dtype=float)


def test_classification_is_scikit_learns() -> None:
    truth, answers = [str(x) for x in TRUTH], [str(x) for x in ANSWERS]
    figures = classification_figures(truth, answers)
    assert figures.accuracy == pytest.approx((TRUTH == ANSWERS).mean())
    assert figures.macro_f1 == pytest.approx(f1_score(truth, answers, average="macro"))
    assert figures.accuracy_ci95[0] < figures.accuracy < figures.accuracy_ci95[1]


def test_macro_f1_is_over_the_classes_that_are_there() -> None:
    figures = classification_figures(["a", "a"], ["a", "never there"])
    assert figures.macro_f1 == pytest.approx(2 / 3)


def test_ordinal_figures_are_scikit_learns() -> None:
    assert quadratic_kappa(TRUTH, ANSWERS) == pytest.approx(cohen_kappa_score(TRUTH, ANSWERS, weights="quadratic"))
    assert mean_absolute_error(TRUTH, ANSWERS) == pytest.approx(sk_mae(TRUTH, ANSWERS))


def test_cost_counts_the_column_answered_for_the_row_that_is_true() -> None:
    assert expected_cost(np.array([0]), np.array([3]), COSTS) == 50.0
    assert best_constant(np.array([0, 2, 2, 2, 2, 2, 2, 2, 2, 2]), COSTS) == 1


def test_evened_levels_divide_by_how_often_a_level_was_seen() -> None:
    seen = np.repeat([0, 1, 2], [10, 30, 60])
    probabilities = np.array([[0.2, 0.3, 0.5, 0.0], [0.05, 0.4, 0.55, 0.0], [0.0, 0.12, 0.18, 0.7]])
    # Divided by the shares 0.1, 0.3 and 0.6 to the power of 0.7, which are 0.2, 0.43 and 0.7: (1, 0.7, 0.71),
    # (0.25, 0.93, 0.79), (0, 0.28, 0.26); sev4 was never seen.
    assert evened_levels(probabilities, seen).tolist() == [0, 1, 1]
    assert probabilities.argmax(axis=1).tolist() == [2, 2, 3]


def test_pairs_and_matrix_count_the_same_errors() -> None:
    truth, answers = ["a", "a", "b"], ["b", "b", "b"]
    assert confused_pairs(truth, answers)[0].rows == (0, 1)
    assert confusion_matrix(truth, answers, ["a", "b"]).tolist() == [[0, 2], [0, 1]]


def test_true_confidences_show_no_more_error_than_chance() -> None:
    confidence = GENERATOR.uniform(0.3, 1.0, 3000)
    true = GENERATOR.random(3000) < confidence
    limit = null_calibration_error(confidence)
    assert expected_calibration_error(confidence, true) < 1.5 * limit
    assert expected_calibration_error(confidence, GENERATOR.random(3000) < confidence**3) > limit


def test_automation_of_nothing() -> None:
    assert automation(np.array([0.5]), np.array([True]), None).coverage == 0.0
    assert automation(np.array([0.5, 0.9]), np.array([False, True]), 0.9).accuracy == 1.0


def test_ties_count_against_us() -> None:
    assert rank_of_best_hit(np.array([1.0, 1.0, 1.0]), np.array([False, True, False])) == 3
    assert rank_of_best_hit(np.array([1.0]), np.array([False])) == NOT_FOUND


def test_retrieval_figures_by_hand() -> None:
    figures = retrieval_figures([1, 2, 20, NOT_FOUND])
    assert (figures.recall_at_1, figures.recall_at_10) == (0.25, 0.5)
    assert figures.mrr == pytest.approx((1 + 0.5 + 0.05) / 4)


def test_gain_is_over_the_better_method() -> None:
    gain = gain_over_better([1] * 50, {"lexical": [1] * 25 + [11] * 25, "dense": [11] * 50})
    assert (gain.over, gain.mean) == ("lexical", 0.5)
    assert gain.ci95[0] > 0


def test_flag_figures() -> None:
    is_sev1 = np.array([True, True, False, False])
    figures = flag_figures(is_sev1, np.array([True, False, True, False]))
    assert (figures.n_sev1, figures.n_flagged, figures.n_flagged_sev1) == (2, 2, 1)
    assert (figures.recall, figures.alert_rate) == (0.5, 0.5)
    # Of one in two, the bounds are 1 - sqrt(0.975) and its mirror image.
    assert figures.recall_ci95 == pytest.approx((1 - 0.975**0.5, 0.975**0.5))
    assert figures.alert_rate_ci95 == exact_interval(2, 4)
    assert alert_rate_at_recall(np.array([0.9, 0.2, 0.5, 0.1]), is_sev1, 1.0) == 0.75


def test_exact_interval_is_scipys() -> None:
    from scipy.stats import binomtest

    expected = binomtest(7, 20).proportion_ci(method="exact")
    assert exact_interval(7, 20) == pytest.approx((expected.low, expected.high))


def test_the_gate_refuses_what_is_clearly_worse() -> None:
    truth = ["a", "b"] * 100
    worse = ["a"] * 200
    assert not compare("category", truth, worse, truth).passed
    assert compare("category", truth, truth, worse).passed
    assert compare("category", truth[:10], worse[:10], truth[:10]).passed  # too few to show anything
