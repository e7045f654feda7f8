"""The machines of a target, and the one head that they are pooled into."""

from __future__ import annotations

import numpy as np
import pytest

from features.feature_space import CONTEXT_NAMES, FeatureRows
from features.sparse_rows import SparseRows
from training.matrices import csr, matrix, take_rows
from training.members import Members, fit_members
from training.params import TrainingParams

PARAMS = TrainingParams()
LABELS = ("a", "b", "c")


def rows_of(n: int = 60, *, n_columns: int = 12, seed: int = 0) -> tuple[FeatureRows, list[str]]:
    """Rows of three classes, each with n-grams and a direction of its own; without columns there are no n-grams."""
    generator = np.random.default_rng(seed)
    classes = np.arange(n) % 3
    found = [
        np.unique(np.r_[(classes[i] * 4 + generator.integers(0, 4, 3)), generator.integers(0, 12)]) if n_columns else []
        for i in range(n)
    ]
    dense = (np.eye(3)[classes] + 0.3 * generator.standard_normal((n, 3))).astype(np.float32)
    sparse = SparseRows(
        indptr=np.cumsum([0, *map(len, found)], dtype=np.int64),
        indices=np.concatenate(found).astype(np.int32),
        data=np.concatenate([np.full(len(row), 1 / np.sqrt(max(len(row), 1))) for row in found]).astype(np.float32),
        n_columns=n_columns,
    )
    return FeatureRows(sparse, dense, dense, np.zeros((n, len(CONTEXT_NAMES)))), [LABELS[k] for k in classes]


def fitted(labels: list[str], rows: FeatureRows) -> Members:
    return fit_members(rows, np.arange(len(rows)), labels, PARAMS)


@pytest.mark.parametrize("weights", [(1.0, 1.0), (0.3, 2.5), (0.0, 1.0)])
def test_the_pooled_head_gives_the_weighted_sum(weights: tuple[float, float]):
    rows, labels = rows_of()
    members = fitted(labels, rows)
    scores = members.scores(rows)
    assert scores.shape == (2, 60, 3)
    expected = weights[0] * scores[0] + weights[1] * scores[1]
    assert members.pooled(weights).scores(rows) == pytest.approx(expected, abs=1e-4)


def test_each_machine_tells_the_classes_apart():
    rows, labels = rows_of()
    later, truth = rows_of(seed=1)
    members = fitted(labels, rows)
    assert members.classes == LABELS
    for scores in members.scores(later):
        assert np.mean([LABELS[k] == label for k, label in zip(scores.argmax(1), truth, strict=True)]) > 0.8


def test_the_second_machine_reads_n_grams_alone():
    rows, labels = rows_of()
    members = fitted(labels, rows)
    assert members.counted is not None
    assert not members.counted.dense_weights.any()
    assert members.counted.sparse_weights.any()
    assert members.wide.dense_weights.any()


def test_rows_without_n_grams_have_one_machine():
    rows, labels = rows_of(n_columns=0)
    members = fitted(labels, rows)
    assert members.counted is None
    assert members.scores(rows).shape == (1, 60, 3)
    assert members.pooled([2.0]).scores(rows) == pytest.approx(2.0 * members.scores(rows)[0], abs=1e-5)
    with pytest.raises(ValueError, match="argument 2 is longer"):
        members.pooled([1.0, 1.0])


def test_a_row_without_n_grams_among_others_that_have_some_gets_scores():
    rows, labels = rows_of()
    none, _ = rows_of(n=3, n_columns=0)
    bare = FeatureRows(
        SparseRows(none.sparse.indptr, none.sparse.indices, none.sparse.data, 12),
        none.dense,
        none.vectors,
        none.context,
    )
    members = fitted(labels, rows)
    assert members.counted is not None
    scores = members.scores(bare)
    assert scores[1] == pytest.approx(np.tile(members.counted.intercept, (3, 1)))
    assert scores[0].argmax(axis=1).tolist() == [0, 1, 2]


def test_two_classes_have_a_score_each():
    rows, labels = rows_of()
    members = fitted(["c" if label == "c" else "other" for label in labels], rows)
    scores = members.scores(rows)
    assert (members.classes, scores.shape) == (("c", "other"), (2, 60, 2))
    is_c = np.array(labels) == "c"
    for machine in scores:
        assert np.mean((machine.argmax(axis=1) == 0) == is_c) > 0.9


def test_rows_that_are_taken_are_those_rows():
    rows, _ = rows_of()
    numbers = np.array([7, 3, 3, 0])
    taken = take_rows(rows, numbers)
    assert len(taken) == 4
    assert np.array_equal(csr(taken.sparse).toarray(), csr(rows.sparse).toarray()[numbers])
    assert np.array_equal(taken.dense, rows.dense[numbers])
    assert np.array_equal(matrix(rows, numbers).toarray(), np.hstack([csr(taken.sparse).toarray(), taken.dense]))
    assert len(take_rows(rows, np.empty(0, dtype=np.intp))) == 0
