"""The cases that vote: labelled ones, also where most of what lies near has no label."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from features.case_filter import CaseFilter
from features.case_search import POOL
from serving.near_cases import NearCases
from serving.neighbours import N_NEIGHBOURS

VECTOR = np.ones(2, dtype=np.float32)


class Index:
    """Cases by row, nearest first; of some the label is known, and some were erased after the search."""

    def __init__(self, labels: list[str | None], erased: frozenset[int] = frozenset()) -> None:
        self.labels, self.erased, self.asked = labels, erased, []

    def nearest(self, vector, k, where):
        self.asked.append(k)
        rows = np.arange(min(k, len(self.labels)))
        return rows, np.linspace(1.0, 0.0, len(self.labels), dtype=np.float32)[: len(rows)]

    def entries(self, rows):
        return [
            SimpleNamespace(row_id=row, category=self.labels[row], severity=None, targets={})
            for row in rows
            if row not in self.erased
        ]


def found(index: Index) -> NearCases:
    return NearCases.of(index, VECTOR, CaseFilter())  # type: ignore[arg-type]


def test_the_nearest_vote_where_all_have_labels():
    index = Index(["login"] * 200)
    assert [entry.row_id for entry in found(index).entries] == list(range(N_NEIGHBOURS))
    assert index.asked == [POOL]


def test_open_tickets_of_an_incident_do_not_drown_the_vote():
    near = found(Index([None] * 300 + ["login"] * 100))
    assert [entry.row_id for entry in near.entries] == list(range(300, 300 + N_NEIGHBOURS))
    assert (np.diff(near.cosines) < 0).all()
    assert near.cosines[0] < 0.3, "each keeps its own cosine"


def test_a_search_ends_where_nothing_near_has_a_label():
    index = Index([None] * 100_000)
    assert found(index).entries == ()
    assert len(index.asked) == 2


def test_a_small_history_is_asked_once():
    index = Index(["login", None, "exports"], erased=frozenset({2}))
    assert [entry.row_id for entry in found(index).entries] == [0]
    assert index.asked == [POOL]
