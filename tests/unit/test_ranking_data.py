from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.ranking_data import duplicate_clusters, ranking_group
from features.case_index import CaseIndex
from features.encoder import HashingEncoder
from features.feature_space import Example
from features.history import History
from features.lexical import LexicalStatistics
from features.text import model_text
from features.ticket import Case, Ticket
from serving.ranking import SIGNALS

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER = HashingEncoder()


@pytest.fixture
def index(tmp_path: Path) -> Iterator[CaseIndex]:
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    cases = [
        Case(ticket=Ticket(id=str(day), subject=f"export number {day} fails", created_at=FIRST + timedelta(days=day)))
        for day in range(6)
    ]
    history.upsert([*cases, Case(ticket=Ticket(id="undated", subject="export fails"))], masking_rules="1")
    made = CaseIndex.create(tmp_path / "index", ENCODER, LexicalStatistics.fit([]))
    made.replay(history)
    yield made
    made.close()
    history.close()


def group_of(index: CaseIndex, day: int, matches: frozenset[int]):
    ticket = Ticket(subject=f"export number {day} fails", created_at=FIRST + timedelta(days=day))
    text = model_text(ticket)
    example = Example(ticket, text, ENCODER.encode([text.text])[0])
    assert ticket.created_at is not None
    return ranking_group(index, example, created_at=ticket.created_at, matches=matches)


def test_candidates_are_older_tickets_only(index: CaseIndex):
    group = group_of(index, 3, frozenset({1, 2}))
    assert sorted(group.row_ids.tolist()) == [1, 2, 3], "rows of days 0 to 2: neither itself, nor later, nor undated"
    assert dict(zip(group.row_ids.tolist(), group.is_match.tolist(), strict=True)) == {1: True, 2: True, 3: False}
    assert group.matrix.shape == (3, len(SIGNALS))
    assert group.created_at == (FIRST + timedelta(days=3)).timestamp()


def test_a_match_that_is_no_candidate_still_counts(index: CaseIndex):
    group = group_of(index, 1, frozenset({1, 999}))
    assert group.n_matches == 2
    assert group.is_match.sum() == 1


def test_the_first_ticket_has_no_candidates(index: CaseIndex):
    group = group_of(index, 0, frozenset())
    assert group.matrix.shape == (0, len(SIGNALS))
    assert group.is_match.dtype == np.bool_


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=20))
def test_clusters_are_the_connected_components(pairs: list[tuple[int, int]]):
    clusters = duplicate_clusters(pairs)
    rows = {row for pair in pairs for row in pair}
    assert set(clusters) == rows
    for a, b in pairs:
        assert clusters[a] is clusters[b]
    for row in rows:
        assert row in clusters[row]
        for other in clusters[row]:
            assert clusters[other] == clusters[row]
    n_components = len({id(cluster) for cluster in clusters.values()})
    assert n_components >= len(rows) - len({frozenset(pair) for pair in pairs if pair[0] != pair[1]})


def test_a_cluster_of_thousands_is_no_matter():
    clusters = duplicate_clusters((0, row) for row in range(1, 20_000))
    assert len(clusters[5]) == 20_000
