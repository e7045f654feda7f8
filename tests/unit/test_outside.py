"""Out of scope: figures against scikit-learn and against trying every threshold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from evaluation.benchmarks.outside import Scored, auroc, best_threshold, familiarity, outside_figures
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from serving.triage import Novelty

SCORES = st.lists(st.integers(0, 10).map(lambda score: score / 10), min_size=1, max_size=30).map(np.array)


@given(SCORES, SCORES)
def test_auroc_is_that_of_scikit_learn(inside: np.ndarray, outside: np.ndarray):
    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(truth, np.r_[inside, outside]))


@given(SCORES, SCORES, st.randoms(use_true_random=False))
def test_no_threshold_has_a_higher_sum(inside: np.ndarray, outside: np.ndarray, random):
    correct = np.array([random.random() < 0.7 for _ in inside])

    def total(threshold: float) -> float:
        return float(np.mean((inside >= threshold) & correct) + np.mean(outside < threshold))

    chosen = best_threshold(Scored(inside, correct), outside)
    assert total(chosen) == pytest.approx(max(total(edge) for edge in np.unique(np.r_[inside, outside])))


def test_a_rejected_row_of_a_known_class_counts_as_wrong():
    test = Scored(np.array([0.9, 0.2]), np.array([True, True]))
    validation = Scored(np.array([0.8]), np.array([True]))
    figures = outside_figures(test, np.array([0.1, 0.9]), validation, np.array([0.4]))
    assert (figures.in_scope_accuracy, figures.recall) == (0.5, 0.5)


def test_familiarity_is_the_novelty_score_of_the_release():
    known = [np.array([1.0, 0.0], dtype=np.float32)]
    example = Example(Ticket(), ModelText("", "x"), np.array([0.6, 0.8], dtype=np.float32))
    assert familiarity(Novelty(2.0, None), np.array([0.5]), [example], known).tolist() == pytest.approx([1.7])
