import numpy as np
import pytest

from evaluation.dataset import LabelledRows
from evaluation.neighbours import nearest_rows, neighbours_among
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from serving.neighbours import N_NEIGHBOURS


@pytest.mark.parametrize("n_queries", [1, 7, 513])
def test_the_k_nearest_in_falling_order(n_queries: int):
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((40, 8)).astype(np.float32)
    queries = generator.standard_normal((n_queries, 8)).astype(np.float32)
    cosines, numbers = nearest_rows(list(reference), list(queries), k=5)
    products = queries @ reference.T
    assert cosines == pytest.approx(-np.sort(-products, axis=1)[:, :5], abs=1e-5)
    assert numbers.tolist() == np.argsort(-products, axis=1)[:, :5].tolist()


def test_of_equals_the_first_comes_first():
    one, other = np.eye(2, dtype=np.float32)
    cosines, numbers = nearest_rows([other, one, one, other, one], [one], k=3)
    assert (cosines.tolist(), numbers.tolist()) == ([[1.0, 1.0, 1.0]], [[1, 2, 4]])


def test_fewer_than_k_and_none():
    one = np.ones(3, dtype=np.float32)
    for known, queries, shape in (([one, one], [one], (1, 2)), ([], [one, one], (2, 0)), ([one], [], (0, 1))):
        cosines, numbers = nearest_rows(known, queries, k=5)
        assert cosines.shape == numbers.shape == shape
        assert (cosines.dtype, numbers.dtype) == (np.float32, np.int64)


def labelled(vectors: np.ndarray, **labels: tuple) -> LabelledRows:
    n = len(vectors)
    return LabelledRows(
        examples=tuple(Example(Ticket(), ModelText("", "x"), vector) for vector in vectors.astype(np.float32)),
        categories=labels.get("categories", (None,) * n),
        severities=labels.get("severities", (None,) * n),
        targets={"team": labels["team"]} if "team" in labels else {},
    )


def test_neighbours_carry_the_labels_of_the_known():
    known = labelled(np.eye(3), categories=("a", None, "b"), team=("x", "y", None))
    found = neighbours_among(known, labelled(np.eye(3)[[2, 1]]))
    assert len(found) == 2
    assert found.numbers[:, 0].tolist() == [2, 1]
    assert found.codes("category", ("a", "b"))[:, 0].tolist() == [1, -1]
    assert found.codes("team", ("x", "y"))[:, 0].tolist() == [-1, 1]
    assert (found.codes("unheard of", ("x", "y")) == -1).all()
    assert (found.codes("category", ("c",)) == -1).all()


def test_a_class_called_none_is_not_voted_for_by_cases_without_a_label():
    known = labelled(np.eye(2), categories=(None, "None"))
    assert neighbours_among(known, labelled(np.eye(2))).codes("category", ("None", "b"))[:, 0].tolist() == [-1, 0]


def test_no_more_neighbours_than_a_vote_has():
    known = labelled(np.random.default_rng(0).standard_normal((N_NEIGHBOURS + 9, 4)))
    assert neighbours_among(known, labelled(np.eye(4))).cosines.shape == (4, N_NEIGHBOURS)
