import numpy as np
import pytest

from evaluation.neighbours import nearest_cosines


@pytest.mark.parametrize("n_queries", [1, 7, 513])
def test_the_k_nearest_in_falling_order(n_queries: int):
    generator = np.random.default_rng(0)
    reference = generator.standard_normal((40, 8)).astype(np.float32)
    queries = generator.standard_normal((n_queries, 8)).astype(np.float32)
    found = nearest_cosines(list(reference), list(queries), k=5)
    assert found == pytest.approx(-np.sort(-(queries @ reference.T), axis=1)[:, :5], abs=1e-5)


def test_fewer_than_k_and_none():
    one = np.ones(3, dtype=np.float32)
    assert nearest_cosines([one, one], [one], k=5).shape == (1, 2)
    assert nearest_cosines([], [one, one], k=5).shape == (2, 0)
    assert nearest_cosines([one], [], k=5).shape == (0, 0)
