"""The candidates of linked tickets with their truth: what a ranker learns from and is scored on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np

from evaluation.dataset import RankingGroup
from features.case_index import CaseFilter, CaseIndex, CaseQuery
from features.feature_space import Example
from serving.ranking import signals

CANDIDATES = 200


def ranking_group(
    index: CaseIndex, example: Example, *, created_at: datetime, row_id: int, matches: frozenset[int]
) -> RankingGroup:
    """Candidates of a ticket among the cases created before it.

    Parameters
    ----------
    created_at : datetime
        Aware; only older cases are candidates.
    row_id : int
        The ticket's own row, which is no candidate.
    matches : frozenset of int
        Rows known to be the same problem; empty for a ticket without links.
    """
    now = created_at.timestamp()
    query = CaseQuery(text=example.text, vector=example.vector, now=now)
    candidates = [
        candidate
        for candidate in index.search(query, CaseFilter(created_before=created_at), CANDIDATES)
        if candidate.row_id != row_id
    ]
    entries = {entry.row_id: entry for entry in index.entries([c.row_id for c in candidates])}
    pairs = [(c, entries[c.row_id]) for c in candidates if c.row_id in entries]
    rows = np.array([c.row_id for c, _ in pairs], dtype=np.int64)
    return RankingGroup(
        created_at=now,
        row_ids=rows,
        matrix=signals(
            [c for c, _ in pairs],
            [e for _, e in pairs],
            example.ticket,
            now=now,
            text_length=len(example.text.text),
        ),
        is_match=np.array([row in matches for row in rows.tolist()], dtype=np.bool_),
        n_matches=len(matches),
    )


def duplicate_clusters(pairs: Iterable[tuple[int, int]]) -> Mapping[int, frozenset[int]]:
    """Clusters by union of pairs: every row to all rows of its cluster, itself among them.

    Examples
    --------
    >>> sorted(duplicate_clusters([(1, 2), (2, 3)])[1])
    [1, 2, 3]
    """
    members: dict[int, set[int]] = {}
    for a, b in pairs:
        joined = members.get(a, {a}) | members.get(b, {b})
        for row in joined:
            members[row] = joined
    return {row: frozenset(group) for row, group in members.items()}
