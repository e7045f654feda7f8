"""Exact nearest neighbours."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from features.dense import DenseIndex
from features.errors import EncoderMismatch, IndexDamaged

DIMENSION = 32


def unit(n: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def filled() -> tuple[DenseIndex, np.ndarray, np.ndarray]:
    ids, vectors = np.arange(500) * 3 + 1, unit(500)
    index = DenseIndex(DIMENSION)
    index.add(ids, vectors)
    return index, ids, vectors


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_search_is_exact_under_any_filter(filled: tuple[DenseIndex, np.ndarray, np.ndarray], share: float):
    index, ids, vectors = filled
    allowed = np.random.default_rng(1).permutation(ids)[: int(len(ids) * share)]
    query = unit(1, seed=2)[0]
    cosines = np.where(np.isin(ids, allowed), vectors.astype(np.float16).astype(np.float32) @ query, -np.inf)
    best = np.argsort(-cosines)[: min(20, len(allowed))]

    found, found_cosines = index.search(query, 20, allowed)

    assert found.tolist() == ids[best].tolist()
    np.testing.assert_allclose(found_cosines, cosines[best], atol=1e-6)


def test_half_precision_keeps_cosines_within_a_thousandth(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, ids, vectors = filled
    query = unit(1, seed=3)[0]

    np.testing.assert_allclose(index.reconstruct(ids) @ query, vectors @ query, atol=1e-3)


def test_removed_vectors_are_gone_and_may_come_again(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, ids, vectors = filled

    assert index.remove(np.array([ids[4], ids[4], 10_000, 2])) == 1
    assert ids[4] not in index.search(vectors[4], len(ids))[0]
    assert len(index) == 499
    assert ids[4] not in index.ids

    index.add(ids[4:5], vectors[4:5])
    assert index.search(vectors[4], 1)[0].tolist() == [ids[4]]


@pytest.mark.parametrize("ids", [[1, 9_000], [9_000, 9_000], [-1, 9_000]])
def test_ids_must_be_new(filled: tuple[DenseIndex, np.ndarray, np.ndarray], ids: list[int]):
    index, _, vectors = filled

    with pytest.raises(ValueError, match="Ids must be new, not negative and given once"):
        index.add(np.array(ids), vectors[:2])
    assert len(index) == 500


def test_vectors_of_another_encoder_are_refused():
    with pytest.raises(EncoderMismatch, match="do not fit 1 ids in an index of dimension 32"):
        DenseIndex(DIMENSION).add(np.array([1]), np.zeros((1, 8), dtype=np.float32))


def test_an_unknown_id_has_no_vector(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    with pytest.raises(KeyError, match="no vector of id 2"):
        filled[0].reconstruct(np.array([1, 2]))


def test_nothing_is_found_in_nothing(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    query = unit(1)[0]

    assert len(DenseIndex(DIMENSION).search(query, 5)[0]) == 0
    assert len(filled[0].search(query, 5, np.empty(0, dtype=np.int64))[0]) == 0
    assert len(filled[0].search(query, 5, np.array([2]))[0]) == 0
    assert filled[0].reconstruct(np.empty(0, dtype=np.int64)).shape == (0, DIMENSION)


def test_a_copy_is_saved_as_it_was(filled: tuple[DenseIndex, np.ndarray, np.ndarray], tmp_path: Path):
    index, ids, vectors = filled
    copy = index.copy()
    index.remove(ids[:100])

    copy.save(tmp_path / "dense.faiss")
    loaded = DenseIndex.load(tmp_path / "dense.faiss")

    assert loaded.ids.tolist() == ids.tolist()
    assert loaded.search(vectors[0], 1)[0].tolist() == [ids[0]]
    with pytest.raises(ValueError, match="Ids must be new"):
        loaded.add(ids[:1], vectors[:1])


def test_a_file_that_is_no_index_is_refused(tmp_path: Path):
    (tmp_path / "cut").write_bytes(b"IxM2")
    faiss.write_index(faiss.IndexFlatIP(4), str(tmp_path / "other"))

    with pytest.raises(IndexDamaged, match="cannot be read"):
        DenseIndex.load(tmp_path / "cut")
    with pytest.raises(IndexDamaged, match="wrong kind IndexFlat"):
        DenseIndex.load(tmp_path / "other")
