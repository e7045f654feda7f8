"""Calibration out of fold."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.dataset import LabelledRows
from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from training.folds import centroid_cosines_in_other_folds, fit_triage_in_folds, neighbours_in_other_folds
from training.params import TrainingParams
from training.pooling import usual_pool
from training.target import calibrated_target, class_numbers, fit_target_members
from training.triage import fit_space

PARAMS = TrainingParams(max_terms=2_000)
ENCODER = HashingEncoder()


def labelled_rows(texts: list[str], labels: list[str]) -> LabelledRows:
    vectors = ENCODER.encode(texts)
    return LabelledRows(
        examples=tuple(Example(Ticket(), ModelText("", text), v) for text, v in zip(texts, vectors, strict=True)),
        categories=tuple(labels),
        severities=(None,) * len(texts),
        targets={},
    )


def telling_rows(n: int) -> LabelledRows:
    generator = np.random.default_rng(0)
    words = {"a": ["login", "sso", "password"], "b": ["invoice", "payment", "refund"], "c": ["export", "csv", "file"]}
    labels = [str(label) for label in generator.choice(list(words), size=n)]
    return labelled_rows(
        [" ".join(generator.choice([*words[label], "help", "again"], size=4)) for label in labels], labels
    )


def test_every_row_is_judged_by_models_that_have_not_seen_it():
    generator = np.random.default_rng(1)
    # Each text has a word of its own, three times over; labels are drawn. Whoever saw a row knows its label.
    texts = [f"word{i} word{i} word{i} help" for i in range(60)] * 3
    labels = [str(label) for label in generator.choice(["a", "b"], size=60)] * 3
    copies_apart, copies_together = np.arange(180) // 60, np.arange(180) % 60 % 3
    seen = fit_triage_in_folds(labelled_rows(texts, labels), copies_apart, PARAMS)
    unseen = fit_triage_in_folds(labelled_rows(texts, labels), copies_together, PARAMS)

    def accuracy(probabilities: np.ndarray) -> float:
        return float(
            np.mean([("a", "b")[k] == label for k, label in zip(probabilities.argmax(1), labels, strict=True)])
        )

    assert accuracy(seen.probabilities) > 0.9
    assert accuracy(unseen.probabilities) < 0.7


def test_the_model_is_fitted_on_all_rows_and_calibrated():
    rows = telling_rows(150)
    folded = fit_triage_in_folds(rows, np.arange(150) % 5, PARAMS)
    model = folded.fitted.triage.category
    assert model is not None
    assert model.vote != usual_pool(2).vote
    assert model.thresholds.suggest is not None
    assert folded.probabilities.shape == (150, 3)
    assert folded.probabilities.sum(axis=1) == pytest.approx(np.ones(150))
    assert folded.fitted.triage.novelty is not None
    assert folded.fitted.triage.novelty.threshold == pytest.approx(
        np.quantile(folded.familiarity, PARAMS.novelty_quantile / 2)
    )


def test_a_class_of_one_fold_alone_is_still_a_class():
    rows = telling_rows(60)
    only = LabelledRows(rows.examples, ("rare",) * 4 + rows.categories[4:], rows.severities, {})
    folds = np.arange(60) % 3
    folds[:4] = 0
    folded = fit_triage_in_folds(only, folds, PARAMS)
    model = folded.fitted.triage.category
    assert model is not None
    assert "rare" in model.classes
    assert np.isfinite(folded.probabilities).all()


def test_a_row_is_no_part_of_the_centroids_that_it_is_compared_with():
    vectors, labels = np.eye(6, dtype=np.float32), ["a"] * 6
    found = centroid_cosines_in_other_folds(vectors, labels, np.arange(6) % 2, ["a"])
    assert np.array_equal(found, np.zeros((6, 1)))


def test_without_a_vote_rows_out_of_fold_are_scored_as_the_model_scores():
    rows = telling_rows(150)
    folds = np.arange(150) % 5
    without = PARAMS.model_copy(update={"uses_vote": False})
    features = fit_space(rows.examples, without).transform(rows.examples)
    members = fit_target_members("category", features, rows.categories, without)
    neighbours, truth = neighbours_in_other_folds(rows, folds), class_numbers(rows.categories, members.classes)
    scores = members.scores(features)
    model, pooled = calibrated_target("category", members, rows.categories, scores, neighbours, truth, without)
    assert pooled == pytest.approx(model.scores(features, neighbours), abs=1e-4)


def test_one_class_is_refused():
    rows = telling_rows(40)
    one = LabelledRows(rows.examples, ("a",) * 40, rows.severities, {})
    with pytest.raises(NotEnoughData, match="needs at least 2"):
        fit_triage_in_folds(one, np.arange(40) % 5, PARAMS)
