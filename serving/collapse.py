"""One case, one place: duplicates and copies become one entry with a count, and the list is of different problems.

Cases are joined where a link says that one is a duplicate of another, directly or through others, and where they say
nearly the same and came within a day, as in a burst of tickets about one outage. What was said to be no duplicate is
never joined, however many links lead from one to the other.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from serving.verdicts import NO_VERDICTS, Verdicts

if TYPE_CHECKING:
    from serving.suggester import RankedCase

SAME_TEXT = 0.8
"""Share of words in common from which two cases say nearly the same (:meth:`CaseIndex.resemblance`)."""

BURST_SECONDS = 86_400.0

# In log-odds of relevance. A second copy of a text, at another time, loses its place to whatever is nearly as relevant;
# a third one loses no more, since what is not relevant tells nobody anything.
_PER_COPY = 1.0
_MOST_COPIES = 2
_SETBACK = 2.0
_LOOKED_AT = 3  # times as many groups as are wanted: what is further down is much less relevant

Resemblance = Callable[[int, Sequence[int]], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class CaseGroup:
    """Cases of one problem, best ranked first, of which one is shown.

    Attributes
    ----------
    shown : RankedCase
        The one whose fix did not fail and that is no duplicate of another: the canonical case, where it was found.
    """

    shown: RankedCase
    members: tuple[RankedCase, ...]

    @property
    def best(self) -> RankedCase:
        """The best ranked, by which the group has its place and its relevance."""
        return self.members[0]

    @property
    def duplicates(self) -> int:
        """How many more cases the one that is shown stands for."""
        return len(self.members) - 1


def collapse(
    ranked: Sequence[RankedCase],
    resemblance: Resemblance,
    *,
    links: Mapping[int, Sequence[int]],
    verdicts: Verdicts = NO_VERDICTS,
    failed: Collection[int] = (),
) -> list[CaseGroup]:
    """Join cases of one problem; a group with a case that is not the asked ticket's problem is left out.

    Parameters
    ----------
    ranked : sequence of RankedCase
        Best first; each group stands where its best member stood.
    links : mapping of int to sequence of int
        From a duplicate's row to the rows it is a duplicate of; cases that are not ranked join others and are not
        counted (:meth:`CaseIndex.duplicates`).
    failed : collection of int
        Rows of cases whose fix did not hold.
    """
    joined = _Joined(verdicts)
    for row, others in links.items():
        for other in others:
            joined.join(row, other)
    for first, copy in _copies_of_a_burst(ranked, resemblance):
        joined.join(first, copy)
    left_out = {joined.root(row) for row in verdicts.not_this}
    groups: dict[int, list[RankedCase]] = {}
    for case in ranked:
        groups.setdefault(joined.root(case.row_id), []).append(case)
    return [
        CaseGroup(min(members, key=lambda case: _order(case, failed)), tuple(members))
        for root, members in groups.items()
        if root not in left_out
    ]


def _order(case: RankedCase, failed: Collection[int]) -> tuple[bool, bool]:
    return case.row_id in failed, any(row != case.row_id for row in case.entry.duplicate_of)


class _Joined:
    """Sets of rows that can be joined (union-find, so that no circle of links can harm), unless a verdict forbids."""

    def __init__(self, verdicts: Verdicts) -> None:
        self._parent: dict[int, int] = {}
        # By root, those members that a verdict names; all others can be joined freely.
        self._judged = {row: [row] for pair in verdicts.pairs for row in pair}
        self._verdicts = verdicts

    def root(self, row: int) -> int:
        parent = self._parent
        while parent.setdefault(row, row) != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(self, row: int, other: int) -> None:
        a, b = self.root(row), self.root(other)
        mine, theirs = self._judged.get(a, []), self._judged.get(b, [])
        if a != b and not self._verdicts.deny(mine, theirs):
            self._parent[a] = b
            self._judged[b] = [*theirs, *mine]


def _copies_of_a_burst(ranked: Sequence[RankedCase], resemblance: Resemblance) -> list[tuple[int, int]]:
    """Each first case of a burst with each of its copies."""
    created = np.array([case.entry.created_at for case in ranked])
    found: list[tuple[int, int]] = []
    is_copy = np.zeros(len(ranked), dtype=np.bool_)
    for place, case in enumerate(ranked):
        if is_copy[place]:
            continue
        with np.errstate(invalid="ignore"):  # a case without a time is in no burst
            near = np.flatnonzero(np.abs(created - created[place]) <= BURST_SECONDS)
        later = near[(near > place) & ~is_copy[near]]
        for other in _copies(case, ranked, later, resemblance):
            is_copy[other] = True
            found.append((case.row_id, ranked[other].row_id))
    return found


def _copies(
    case: RankedCase, cases: Sequence[RankedCase], places: NDArray[np.int64], resemblance: Resemblance
) -> list[int]:
    """Which of some places hold a case that says nearly what this one says."""
    # Texts of very different lengths cannot have that many words in common; most are sorted out so.
    own = case.entry.text_length
    near = [place for place in places.tolist() if _ratio(own, cases[place].entry.text_length) >= SAME_TEXT / 2]
    if not near:
        return []
    shares = resemblance(case.row_id, [cases[place].row_id for place in near])
    return [place for place, share in zip(near, shares.tolist(), strict=True) if share >= SAME_TEXT]


def _ratio(a: int, b: int) -> float:
    return min(a, b) / max(a, b, 1)


def placed(
    groups: Sequence[CaseGroup], resemblance: Resemblance, *, failed: Collection[int] = (), limit: int
) -> list[CaseGroup]:
    """The first groups of a list that is diverse and puts fixes that held before those that did not.

    The next is always the one with the highest score, less what a failed fix and copies of it above cost.

    Parameters
    ----------
    groups : sequence of CaseGroup
        Best first.
    limit : int
        How many are wanted.
    """
    near_the_top = [
        (_SETBACK * (group.shown.row_id in failed) - group.best.score, place, group)
        for place, group in enumerate(groups[: _LOOKED_AT * limit])
    ]
    heapq.heapify(near_the_top)  # smallest cost first; places differ, so that groups are never compared
    seen: dict[int, tuple[int, int]] = {}  # by place: the chosen ones that it was compared with, and copies among them
    chosen: list[CaseGroup] = []
    while near_the_top and len(chosen) < limit:
        cost, place, group = heapq.heappop(near_the_top)
        n_compared, n_copies = seen.get(place, (0, 0))
        n_new = 0
        if n_copies < _MOST_COPIES and n_compared < len(chosen):
            others = [each.shown for each in chosen[n_compared:]]
            found = _copies(group.shown, others, np.arange(len(others)), resemblance)
            n_new = min(len(found), _MOST_COPIES - n_copies)
            seen[place] = (len(chosen), n_copies + n_new)
        if n_new:  # its turn comes later
            heapq.heappush(near_the_top, (cost + _PER_COPY * n_new, place, group))
        else:
            chosen.append(group)
    return chosen
