"""What every kind of dense index must do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import faiss
import numpy as np
import pytest

from features.dense import DENSE_FILE, DenseIndex, DenseLimits, Kind
from features.dense_kinds import Renewal, empty_dense, is_worn, load_dense
from features.errors import EncoderMismatch, IndexDamaged

DIMENSION = 32
LIMITS: dict[Kind, DenseLimits] = {
    "exact": DenseLimits(),
    "ivf-sq8": DenseLimits(exact_below=1),
    "ivf-sq4": DenseLimits(exact_below=1, memory_bytes=0),
}


@pytest.fixture(params=LIMITS)
def kind(request: pytest.FixtureRequest) -> Kind:
    return request.param


def unit(n: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, DIMENSION)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def renewed(index: DenseIndex, kind: Kind, folder: Path) -> DenseIndex:
    folder.mkdir()
    return Renewal.begin(index, LIMITS[kind], folder).finish()


def made(kind: Kind, ids: np.ndarray, vectors: np.ndarray, folder: Path) -> DenseIndex:
    index = empty_dense(DIMENSION)
    index.add(ids, vectors)
    return renewed(index, kind, folder)


def saved(index: DenseIndex, snapshot: Path, folder: Path, *, is_clean: bool = True) -> DenseIndex:
    """Write an index to a snapshot and read it back."""
    for path in (snapshot, folder):
        path.mkdir()
    index.freeze(folder, is_clean=is_clean).write(snapshot)
    return load_dense(snapshot, folder)


@pytest.fixture
def filled(kind: Kind, tmp_path: Path) -> tuple[DenseIndex, np.ndarray, np.ndarray]:
    ids, vectors = np.arange(500) * 3 + 1, unit(500)
    index = made(kind, ids, vectors, tmp_path / "filled")
    assert index.kind == kind
    return index, ids, vectors


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_a_small_index_is_exact_under_any_filter(filled: tuple[DenseIndex, np.ndarray, np.ndarray], share: float):
    index, ids, vectors = filled
    allowed = np.random.default_rng(1).permutation(ids)[: int(len(ids) * share)]
    query = unit(1, seed=2)[0]
    cosines = np.where(np.isin(ids, allowed), vectors.astype(np.float16).astype(np.float32) @ query, -np.inf)
    best = np.argsort(-cosines)[: min(20, len(allowed))]

    found, found_cosines = index.search(query, 20, allowed)

    assert found.tolist() == ids[best].tolist()
    np.testing.assert_allclose(found_cosines, cosines[best], atol=1e-6)


@pytest.mark.parametrize("spread", [0.0, 1e-3, 0.1])
@pytest.mark.parametrize("centre", ["even", "one-hot"])
def test_the_nearest_of_many_that_are_nearly_alike_are_found_exactly(spread: float, centre: str):
    """Codes of 8 bits cannot tell them apart, and cut the numbers of the second kind off."""
    index, ids = empty_dense(DIMENSION), np.arange(6_000) * 2
    one = np.ones(DIMENSION) if centre == "even" else np.eye(1, DIMENSION)[0]
    vectors = (one / np.linalg.norm(one) + spread * unit(6_000)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index.add(ids, vectors)
    index.remove(ids[100:200])
    kept = np.concatenate([np.arange(100), np.arange(200, 6_000)])
    held = index.reconstruct(ids[kept])

    for query in unit(20, seed=6):
        expected = np.sort(held @ query)[::-1][:50]
        np.testing.assert_allclose(index.search(query, 50)[1], expected, atol=1e-6)
        np.testing.assert_allclose(index.search(query, 50, ids)[1], expected, atol=1e-6)


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


def test_vectors_of_another_encoder_are_refused(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    with pytest.raises(EncoderMismatch, match="do not fit 1 ids in an index of dimension 32"):
        filled[0].add(np.array([2]), np.zeros((1, 8), dtype=np.float32))


def test_an_unknown_id_has_no_vector(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    with pytest.raises(KeyError, match="no vector of id 2"):
        filled[0].reconstruct(np.array([1, 2]))


def test_nothing_is_found_in_nothing(kind: Kind, filled: tuple[DenseIndex, np.ndarray, np.ndarray], tmp_path: Path):
    index, ids, _ = filled
    query = unit(1)[0]

    assert len(index.search(query, 5, np.empty(0, dtype=np.int64))[0]) == 0
    assert len(index.search(query, 5, np.array([2]))[0]) == 0
    assert index.reconstruct(np.empty(0, dtype=np.int64)).shape == (0, DIMENSION)
    index.remove(ids)
    assert len(index.search(query, 5)[0]) == 0
    assert len(renewed(index, kind, tmp_path / "empty").search(query, 5)[0]) == 0


def test_what_is_added_later_is_found_like_the_rest(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, ids, vectors = filled
    more, new = np.arange(10_000, 15_000), unit(5_000, seed=5)
    index.add(more[:1], new[:1])
    index.add(more[1:], new[1:], index.stage(more[1:], new[1:]))

    for position in (0, 1, 4_999):
        found, cosines = index.search(new[position], 3)
        assert found[0] == more[position]
        assert cosines[0] == pytest.approx(1.0, abs=1e-3)
    np.testing.assert_allclose(index.reconstruct(more), new, atol=1e-3)
    np.testing.assert_allclose(index.reconstruct(ids), vectors, atol=1e-3)
    assert index.ids.tolist() == [*ids.tolist(), *more.tolist()]


def test_what_is_added_is_found_before_and_after_it_is_settled(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, ids, vectors = filled
    more, new, n_held = np.arange(10_000, 10_300), unit(300, seed=5), []

    @contextmanager
    def exclusively() -> Iterator[None]:
        n_held.append(len(index))
        yield

    index.add(more, new)
    index.remove(more[:1])
    index.add(ids[:0], vectors[:0])
    query, allowed = new[7], np.array([ids[3], more[0], more[7], more[9]])
    before, before_filtered = index.search(query, 800), index.search(query, 800, allowed)
    index.settle(exclusively)
    after, after_filtered = index.search(query, 800), index.search(query, 800, allowed)
    index.settle(exclusively)

    assert len(index) == len(before[0]) == len(np.unique(before[0])) == 799
    assert before[0][0] == more[7]
    assert sorted(before_filtered[0]) == [ids[3], more[7], more[9]]
    for early, late in ((before, after), (before_filtered, after_filtered)):
        assert early[0].tolist() == late[0].tolist()
        np.testing.assert_array_equal(early[1], late[1])
    assert set(n_held) == (set() if index.kind == "exact" else {799})
    assert index.remove(more) == 299
    assert index.search(query, 800)[0].tolist() == [id_ for id_ in before[0] if id_ not in more]


def test_a_search_with_a_filter_sees_what_is_not_settled_among_many(kind: Kind, tmp_path: Path):
    """So many that the filtered ones are looked for in lists, and not compared one by one."""
    index = made(kind, np.arange(8_000), unit(8_000), tmp_path / "many")
    index.add(np.array([9_000, 70_000]), unit(2, seed=2))
    allowed = np.array([*range(0, 8_000, 2), 9_000])

    found, _ = index.search(unit(2, seed=2)[0], 10, allowed)
    hidden, _ = index.search(unit(2, seed=2)[1], 10, allowed)

    assert found[0] == 9_000
    assert 70_000 not in hidden
    assert np.isin(hidden, allowed).all()


@pytest.mark.parametrize("is_clean", [True, False])
def test_an_index_goes_on_from_a_snapshot_as_it_was(
    filled: tuple[DenseIndex, np.ndarray, np.ndarray], tmp_path: Path, is_clean: bool
):
    index, ids, vectors = filled
    index.remove(ids[:2])
    index.add(ids[1:2], vectors[1:2])
    (tmp_path / "frozen").mkdir()
    frozen = index.freeze(tmp_path / "frozen", is_clean=is_clean)
    index.remove(ids[:100])
    index.add(np.array([7_000]), unit(1, seed=7))
    (tmp_path / "snapshot").mkdir()
    frozen.write(tmp_path / "snapshot")
    before = {path.name: path.read_bytes() for path in (tmp_path / "snapshot").iterdir()}
    (tmp_path / "work").mkdir()

    loaded = load_dense(tmp_path / "snapshot", tmp_path / "work")

    assert loaded.kind == index.kind
    assert loaded.ids.tolist() == ids[1:].tolist()
    assert loaded.search(vectors[1], 1)[0].tolist() == [ids[1]]
    with pytest.raises(ValueError, match="Ids must be new"):
        loaded.add(ids[1:2], vectors[1:2])
    loaded.add(ids[:1], vectors[:1])
    assert loaded.search(vectors[0], 1)[0].tolist() == [ids[0]]
    assert {path.name: path.read_bytes() for path in (tmp_path / "snapshot").iterdir()} == before
    again = saved(loaded, tmp_path / "next", tmp_path / "next-work")
    shutil.rmtree(tmp_path / "snapshot")
    np.testing.assert_array_equal(again.reconstruct(ids), loaded.reconstruct(ids))


@pytest.mark.parametrize("to", LIMITS)
def test_an_index_is_made_anew_as_any_kind(filled: tuple[DenseIndex, np.ndarray, np.ndarray], to: Kind, tmp_path: Path):
    index, ids, vectors = filled
    index.remove(ids[:50])
    index.add(ids[:10], vectors[:10])
    index.add(np.array([9_000]), unit(1, seed=9))
    left = [*ids[:10].tolist(), *ids[50:].tolist(), 9_000]

    other = renewed(index, to, tmp_path / "other")

    # What holds a handful of vectors more cheaply is not left for what there is no room for twice over.
    assert other.kind == to
    assert other.ids.tolist() == left
    np.testing.assert_array_equal(other.reconstruct(np.array(left)), index.reconstruct(np.array(left)))
    assert other.search(vectors[4], 1)[0].tolist() == [ids[4]]


def test_nothing_of_what_was_removed_is_left_in_a_clean_snapshot_of_an_index_that_is_not(
    filled: tuple[DenseIndex, np.ndarray, np.ndarray], tmp_path: Path
):
    index, ids, vectors = filled
    index.add(np.array([7_000, 7_001]), unit(2, seed=7))
    index.remove(np.array([ids[0], 7_000]))
    left = [*ids[1:], 7_001]

    again = saved(index, tmp_path / "snapshot", tmp_path / "work", is_clean=False)

    for removed in (vectors[0], unit(2, seed=7)[0]):
        gone = removed.astype(np.float16).tobytes()
        assert not any(gone in path.read_bytes() for path in (tmp_path / "snapshot").iterdir())
    assert again.ids.tolist() == left
    np.testing.assert_array_equal(again.reconstruct(np.array(left)), index.reconstruct(np.array(left)))


def test_nothing_of_what_was_removed_is_left_after_renewal(
    kind: Kind, filled: tuple[DenseIndex, np.ndarray, np.ndarray], tmp_path: Path
):
    index, ids, vectors = filled
    index.remove(ids[:1])

    index = renewed(index, kind, tmp_path / "clean")

    saved(index, tmp_path / "snapshot", tmp_path / "work")
    gone = vectors[0].astype(np.float16).tobytes()
    assert not any(gone in path.read_bytes() for path in (tmp_path / "snapshot").iterdir())


@pytest.mark.parametrize("share", [None, 0.9])
def test_most_of_the_nearest_are_found_among_many(kind: Kind, share: float | None, tmp_path: Path):
    """More vectors than all lists that are looked at hold, and more allowed ones than are compared one by one."""
    centres, numbers = unit(200), np.random.default_rng(1).integers(0, 200, 8_000)
    vectors = centres[numbers] + 0.8 * unit(8_000, seed=2)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.random.default_rng(3).permutation(20_000)[:8_000]
    index = made(kind, ids, vectors, tmp_path / "many")
    allowed = None if share is None else ids[: int(share * len(ids))]
    seen = np.ones(len(ids), dtype=bool) if allowed is None else np.isin(ids, allowed)

    hits = 0
    for query in vectors[:100] + 0.1 * unit(100, seed=4):
        best = ids[seen][np.argsort(-(vectors[seen] @ query))[:10]]
        found, cosines = index.search(query / np.linalg.norm(query), 10, allowed)
        hits += len(np.intersect1d(found, best))
        assert (np.diff(cosines) <= 0).all()
        assert np.isin(found, ids[seen]).all()

    assert hits / 1_000 >= 0.97


def test_an_exact_search_is_exact(filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, ids, vectors = filled
    queries = unit(3, seed=8)
    expected = ids[np.argsort(-(queries @ vectors.astype(np.float16).astype(np.float32).T), axis=1)[:, :20]]

    assert index.search_exactly(queries, 20).tolist() == expected.tolist()
    assert index.search_exactly(queries, 900).shape == (3, 500)


def test_the_kind_follows_the_number_and_the_memory():
    limits = DenseLimits(exact_below=1_000, memory_bytes=1_000 * 1168)

    assert [limits.kind(n, 384) for n in (0, 999, 1_000, 2_949, 2_950)] == [
        "exact",
        "exact",
        "ivf-sq8",
        "ivf-sq8",
        "ivf-sq4",
    ]
    assert limits.kind(1_475, 384, "ivf-sq4") == "ivf-sq4"
    assert limits.kind(1_474, 384, "ivf-sq4") == "ivf-sq8"
    assert limits.kind(499, 384, "ivf-sq4") == "exact"


def test_an_index_that_has_grown_is_worn(kind: Kind, filled: tuple[DenseIndex, np.ndarray, np.ndarray]):
    index, _, _ = filled
    assert not is_worn(index, LIMITS[kind])

    index.add(np.arange(10_000, 10_600), unit(600, seed=6))

    assert is_worn(index, LIMITS[kind]) == (kind != "exact")
    assert is_worn(index, LIMITS["exact"]) == (kind != "exact")
    assert is_worn(index, LIMITS["ivf-sq4"])


def test_files_that_are_no_index_are_refused(tmp_path: Path):
    (tmp_path / DENSE_FILE).write_bytes(b"IxM2")
    with pytest.raises(IndexDamaged, match="cannot be read"):
        load_dense(tmp_path, tmp_path)

    faiss.write_index(faiss.IndexFlatIP(4), str(tmp_path / DENSE_FILE))
    with pytest.raises(IndexDamaged, match="wrong kind IndexFlat"):
        load_dense(tmp_path, tmp_path)


def test_files_that_do_not_fit_each_other_are_refused(tmp_path: Path):
    index = made("ivf-sq8", np.arange(40), unit(40), tmp_path / "made")
    saved(index, tmp_path / "snapshot", tmp_path / "work")
    np.save(tmp_path / "snapshot" / "vectors.npy", np.zeros((2, 39), dtype=np.int64))
    (tmp_path / "other").mkdir()

    with pytest.raises(IndexDamaged, match="do not fit each other"):
        load_dense(tmp_path / "snapshot", tmp_path / "other")
