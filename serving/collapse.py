"""One case, one place: duplicates among the ranked cases become one entry with a count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serving.suggester import RankedCase


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """The best ranked case of a set of known duplicates, and how many more there are."""

    best: RankedCase
    duplicates: int


def collapse(ranked: Sequence[RankedCase]) -> list[CaseGroup]:
    """Join cases that are linked as duplicates, directly or through each other (union-find, so no cycle can harm).

    Parameters
    ----------
    ranked : sequence of RankedCase
        Best first; each group stands where its best member stood.
    """
    parent: dict[int, int] = {}

    def root(row: int) -> int:
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    for case in ranked:
        for other in case.entry.duplicate_of:
            parent[root(case.row_id)] = root(other)
    groups: dict[int, list[RankedCase]] = {}
    for case in ranked:
        groups.setdefault(root(case.row_id), []).append(case)
    return [CaseGroup(best=members[0], duplicates=len(members) - 1) for members in groups.values()]
