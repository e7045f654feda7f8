"""The candidates of linked tickets with their truth: what a ranker learns from and is scored on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import numpy as np

from evaluation.dataset import RankingGroup
from features.case_index import CaseFilter, CaseIndex
from features.feature_space import Example
from serving.ranking import Pool


def ranking_group(index: CaseIndex, example: Example, *, created_at: datetime, matches: frozenset[int]) -> RankingGroup:
    """Candidates of a ticket among the cases created before it.

    Parameters
    ----------
    created_at : datetime
        Aware; only older cases are candidates, so that the ticket itself is none.
    matches : frozenset of int
        Rows known to be the same problem; empty for a ticket without links.
    """
    now = created_at.timestamp()
    pool = Pool.of(index, example, CaseFilter(created_before=created_at), now=now)
    rows = np.array([candidate.row_id for candidate in pool.candidates], dtype=np.int64)
    return RankingGroup(
        created_at=now,
        row_ids=rows,
        matrix=pool.matrix,
        is_match=np.isin(rows, list(matches)),
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
        smaller, larger = sorted((members.setdefault(a, {a}), members.setdefault(b, {b})), key=len)
        if smaller is not larger:
            larger |= smaller
            for row in smaller:
                members[row] = larger
    frozen = {id(group): frozenset(group) for group in members.values()}
    return {row: frozen[id(group)] for row, group in members.items()}
