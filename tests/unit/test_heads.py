import numpy as np
import pytest
from scipy.special import expit
from scipy.special import softmax as reference_softmax

from features.feature_space import CONTEXT_NAMES, FeatureRows
from features.sparse_rows import SparseRows
from serving.heads import LinearHead, sigmoid, softmax


def rows_of(n: int, seed: int = 0) -> FeatureRows:
    generator = np.random.default_rng(seed)
    return FeatureRows(
        sparse=SparseRows(
            indptr=np.arange(n + 1, dtype=np.int64) * 2,
            indices=generator.integers(0, 50, size=2 * n).astype(np.int32),
            data=generator.random(2 * n).astype(np.float32),
            n_columns=50,
        ),
        dense=generator.standard_normal((n, 65)).astype(np.float32),
        vectors=generator.standard_normal((n, 64)).astype(np.float32),
        context=generator.standard_normal((n, len(CONTEXT_NAMES))),
    )


@pytest.fixture
def head() -> LinearHead:
    generator = np.random.default_rng(1)
    return LinearHead(
        sparse_weights=generator.standard_normal((50, 7)).astype(np.float32),
        dense_weights=generator.standard_normal((65, 7)).astype(np.float32),
        intercept=generator.standard_normal(7).astype(np.float32),
    )


def test_scores_are_the_linear_ones(head: LinearHead):
    rows = rows_of(3)
    dense = np.zeros((3, 50))
    for i in range(3):
        span = slice(rows.sparse.indptr[i], rows.sparse.indptr[i + 1])
        np.add.at(dense[i], rows.sparse.indices[span], rows.sparse.data[span])
    expected = dense @ head.sparse_weights + rows.dense @ head.dense_weights + head.intercept
    assert head.scores(rows) == pytest.approx(expected, abs=1e-4)


def test_a_row_alone_gets_the_very_score_it_gets_among_others(head: LinearHead):
    rows = rows_of(101)
    together = head.scores(rows)
    for i in range(101):
        span = slice(rows.sparse.indptr[i], rows.sparse.indptr[i + 1])
        alone = FeatureRows(
            SparseRows(np.array([0, 2]), rows.sparse.indices[span], rows.sparse.data[span], 50),
            rows.dense[i : i + 1],
            rows.vectors[i : i + 1],
            rows.context[i : i + 1],
        )
        assert np.array_equal(head.scores(alone)[0], together[i])


def test_no_rows_give_no_scores(head: LinearHead):
    assert head.scores(rows_of(0)).shape == (0, 7)


def test_arrays_make_the_same_head_again(head: LinearHead):
    again = LinearHead.from_arrays(head.to_arrays())
    assert np.array_equal(again.scores(rows_of(5)), head.scores(rows_of(5)))


@pytest.mark.parametrize("spread", [0.1, 1.0, 100.0])
def test_softmax_agrees_with_scipy_and_is_safe(spread: float):
    scores = np.random.default_rng(0).standard_normal((20, 6)) * spread
    assert softmax(scores) == pytest.approx(reference_softmax(scores, axis=1))
    assert softmax(scores.astype(np.float32)).dtype == np.float64
    assert softmax(np.array([[1e5, -1e5]])).tolist() == [[1.0, 0.0]]


def test_sigmoid_agrees_with_scipy_and_is_safe():
    scores = np.linspace(-30, 30, 121)
    assert sigmoid(scores) == pytest.approx(expit(scores), abs=1e-15)
    assert sigmoid(np.array([-1e6, 1e6])).tolist() == [0.0, 1.0]
