"""Queries of the similar-cases benchmark: clusters, the split by time, and nothing of the future in training."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.readers import DuplicatePair
from evaluation.benchmarks.similar_data import similar_queries
from features.errors import NotEnoughData

N = 20
IDS = [f"T-{number}" for number in range(N)]
CREATED = np.arange(float(N))
PAIRS = st.lists(
    st.tuples(st.integers(0, N - 1), st.integers(0, N - 1)).filter(lambda pair: pair[0] != pair[1]),
    min_size=3,
    max_size=14,
    unique=True,
).map(lambda pairs: [pair(max(a, b), min(a, b)) for a, b in pairs])


def pair(query: int, target: int, *, easy: bool = False) -> DuplicatePair:
    return DuplicatePair(f"T-{query}", f"T-{target}", easy)


def test_every_later_member_is_a_query_and_every_earlier_one_a_hit():
    data = similar_queries(IDS, CREATED, [pair(5, 2), pair(9, 5), pair(9, 7), pair(12, 11, easy=True)])
    assert [(q.row, sorted(q.earlier), q.is_hard) for q in data.queries] == [
        (5, [2], True),
        (7, [2, 5], True),
        (9, [2, 5, 7], True),
        (12, [11], False),
    ]
    assert [query.row for query in data.test] == [9, 12]
    assert data.cut == 9.0
    assert [(q.row, sorted(q.earlier)) for q in data.training] == [(5, [2])], "7 is linked by a pair of the cut's day"
    assert data.n_in_training_cluster == 1


@given(PAIRS)
def test_training_knows_only_what_was_there_before_the_cut(pairs: list[DuplicatePair]):
    try:
        data = similar_queries(IDS, CREATED, pairs)
    except NotEnoughData:
        return
    assert len(data.test) == len(data.queries) - int(len(data.queries) * 0.6)
    assert all(CREATED[query.row] >= data.cut for query in data.test)
    assert all(CREATED[row] < data.cut for row in data.training_rows)
    assert all(max(query.earlier) < query.row for query in (*data.queries, *data.training))


def test_tickets_of_one_moment_are_not_earlier_than_each_other():
    created = CREATED.copy()
    created[6] = created[5]
    data = similar_queries(IDS, created, [pair(6, 5), pair(8, 5), pair(10, 9)])
    assert [query.row for query in data.queries] == [8, 10]


def test_too_few_pairs_are_told_of():
    with pytest.raises(NotEnoughData, match="give 1 queries"):
        similar_queries(IDS, CREATED, [pair(5, 2), DuplicatePair("T-3", "elsewhere", is_easy=False)])
