"""Out of scope: figures against scikit-learn and against trying every threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from evaluation.benchmarks.outside import Scored, auroc, best_threshold, familiarity, outside_figures
from evaluation.dataset import LabelledRows
from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import Ticket
from serving.decision import Thresholds
from serving.heads import LinearHead
from serving.neighbours import Vote
from serving.novelty import Familiarity, Novelty
from serving.target_model import TargetModel
from serving.triage import Triage

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


def labelled(*vectors: tuple[float, float], category: str | None = None) -> LabelledRows:
    n = len(vectors)
    examples = tuple(Example(Ticket(), ModelText("", "x"), np.array(vector, np.float32)) for vector in vectors)
    return LabelledRows(examples, (category,) * n, (None,) * n, {})


def test_familiarity_is_the_novelty_score_of_the_release():
    even = LinearHead(np.zeros((0, 2), np.float32), np.zeros((2, 2), np.float32), np.zeros(2, np.float32))
    category = TargetModel("category", ("a", "b"), even, Vote(0.1, 0.0), Thresholds(0.5, None))
    triage = Triage(
        space=FeatureSpace(NgramVectorizer.fit([]), StructuredColumns(()), dense_weight=1.0, structured_weight=1.0),
        category=category,
        severity=None,
        targets={},
        novelty=Novelty(Familiarity.untrained(), np.zeros((2, 2), np.float32), threshold=None),
    )
    known = labelled((1.0, 0.0), (0.0, 1.0), category="a")
    # Top probability, and twice the mean cosine.
    assert familiarity(triage, labelled((0.6, 0.8), (1.0, 0.0)), known).tolist() == pytest.approx([1.9, 1.5])
    assert familiarity(triage, labelled(), known).shape == (0,)
    assert familiarity(replace(triage, novelty=None), labelled((0.6, 0.8)), known).tolist() == [0.0]
