"""What an encoder is tuned on: pairs of one category or of linked tickets, and negatives that are neither."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.tuning_pairs import (
    UNKNOWN,
    TuningRows,
    category_triples,
    hard_negatives,
    linked_triples,
    plan_tuning,
)
from training.tuning_params import TuningParams

PARAMS = TuningParams(epochs=2, category_pairs=8, batch_triples=3, n_nearest=3)


def some_rows(n: int = 30, *, seed: int = 0, dimension: int = 8) -> TuningRows:
    vectors = np.random.default_rng(seed).normal(size=(n, dimension)).astype(np.float32)
    return TuningRows(
        texts=tuple(f"text {i}" for i in range(n)),
        categories=tuple([None, "a", "b", "c"][i % 4] for i in range(n)),
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        matches=((1, 5), (5, 9), (2, 3)),
        denied=((1, 13),),
    )


def numbers(rows: TuningRows) -> tuple[np.ndarray, np.ndarray]:
    plan = plan_tuning(rows, PARAMS)
    return plan.classes, plan.clusters


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@given(seed=st.integers(0, 50))
def test_a_pair_has_one_category_and_its_negative_another(seed: int):
    rows = some_rows(seed=seed)
    triples = category_triples(rows, numbers(rows)[0], PARAMS, generator())
    assert triples
    for first, second, negative in triples:
        assert rows.categories[first] == rows.categories[second] is not None
        assert rows.categories[negative] not in (None, rows.categories[first])
        assert first != second
    paired = list(chain.from_iterable(triple[:2] for triple in triples))
    assert len(paired) == len(set(paired)), "each row is in one pair of an epoch at most"


def test_no_category_gives_more_than_its_share_of_pairs():
    rows = replace(some_rows(40), categories=("big",) * 30 + ("small",) * 10)
    triples = category_triples(rows, numbers(rows)[0], PARAMS, generator())
    assert [sum(rows.categories[t[0]] == name for t in triples) for name in ("big", "small")] == [4, 4]


def test_near_identical_texts_are_no_pair():
    rows = replace(some_rows(), texts=tuple(f"The same text{mark}" for mark in "!?." * 10))
    assert category_triples(rows, numbers(rows)[0], PARAMS, generator()) == []
    assert linked_triples(rows, numbers(rows)[1], PARAMS, generator()) == []
    assert plan_tuning(rows, PARAMS).batches == ()


def test_negatives_are_the_nearest_of_another_group_and_never_near_identical():
    angles = np.array([0.0, 0.01, 0.5, 0.7, 1.5])
    vectors = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    rows = TuningRows(tuple("aAcde"), (None,) * 5, vectors)
    groups = np.array([0, 1, 2, 3, 4])
    drawn = {hard_negatives(rows, [0], groups, PARAMS, np.random.default_rng(i))[0] for i in range(20)}
    assert drawn == {(2,), (3,)}
    assert hard_negatives(rows, [0], np.array([0, 1, 0, 0, UNKNOWN]), PARAMS, generator()) == [()]
    assert hard_negatives(rows, [], groups, PARAMS, generator()) == []


def test_the_negative_of_a_linked_pair_is_no_member_of_its_cluster():
    rows = some_rows()
    clusters = numbers(rows)[1]
    triples = linked_triples(rows, clusters, PARAMS, generator())
    assert [triple[:2] for triple in triples] == [(1, 5), (5, 9), (2, 3)]
    for first, _, negative in triples:
        assert clusters[negative] != clusters[first]
    assert triples[0][2] == 13, "what somebody denied comes first"
    linked_all_the_same = replace(rows, denied=((1, 9),))
    assert linked_triples(linked_all_the_same, clusters, PARAMS, generator())[0][2] != 9


def test_clusters_join_what_is_linked_through_others():
    classes, clusters = numbers(some_rows())
    assert clusters[[1, 5, 9, 2, 3, 4]].tolist() == [1, 1, 1, 2, 2, 4]
    assert classes[:5].tolist() == [UNKNOWN, 0, 1, 2, UNKNOWN]


def test_the_plan_is_drawn_from_the_seed_alone():
    first, again = plan_tuning(some_rows(), PARAMS), plan_tuning(some_rows(), PARAMS)
    assert first.key == again.key
    assert len(first.batches) > 4
    others = (
        plan_tuning(some_rows(), PARAMS.model_copy(update={"seed": 1})),
        plan_tuning(replace(some_rows(), texts=tuple(f"other {i}" for i in range(30))), PARAMS),
        plan_tuning(replace(some_rows(), matches=()), PARAMS),
    )
    assert len({first.key, *(other.key for other in others)}) == 4


def test_nothing_to_learn_from():
    lonely = TuningRows(("a", "b"), ("x", "y"), np.eye(2, dtype=np.float32))
    assert plan_tuning(lonely, PARAMS).batches == ()
    with pytest.raises(ValueError, match="greater than 0"):
        TuningParams(minutes=0)
