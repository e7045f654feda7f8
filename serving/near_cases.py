"""The nearest cases of one ticket: who they are, what they are labelled, and who may see them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseEntry
from features.case_index import POOL, CaseFilter, CaseIndex, Nearest
from features.history_writes import pages
from serving.neighbours import N_NEIGHBOURS, Neighbours
from serving.severity_model import SEVERITY
from serving.triage import CATEGORY

_FARTHER = 20 * N_NEIGHBOURS


@dataclass(frozen=True, slots=True)
class NearCases:
    """The nearest cases of a ticket, whoever may see them: a vote shows nothing of a case.

    Attributes
    ----------
    entries : tuple of CaseEntry, length k
        Nearest first.
    cosines : ndarray of float32, shape (k,)
    nearest : Nearest or None
        With those that have no label, for a search of candidates; None where nothing was searched.
    """

    entries: tuple[CaseEntry, ...]
    cosines: NDArray[np.float32]
    nearest: Nearest | None = None

    @classmethod
    def of(cls, index: CaseIndex, vector: NDArray[np.float32], where: CaseFilter) -> NearCases:
        """Find the nearest labelled cases that pass a filter: training knew no others.

        Where many cases near by have no label, as in an incident going on, it looks farther, but not without end.
        """
        for k in (POOL, _FARTHER):
            row_ids, cosines = index.nearest(vector, k, where)
            entries = tuple(islice(_labelled(index, row_ids.tolist()), N_NEIGHBOURS))
            if len(entries) == N_NEIGHBOURS or len(row_ids) < k:
                break
        # A case that was erased since is in the cosines, and not among the entries.
        is_held = np.isin(row_ids, [entry.row_id for entry in entries])
        return cls(entries, cosines[is_held], Nearest(where, row_ids[:POOL]))

    @classmethod
    def nobody(cls) -> NearCases:
        """No case at all."""
        return cls((), np.empty(0, dtype=np.float32))

    def neighbours(self, targets: Iterable[str]) -> Neighbours:
        """The cases as the models see them, with their labels of category, severity and further targets."""
        labels: dict[str, list[str | None]] = {
            CATEGORY: [entry.category for entry in self.entries],
            SEVERITY: [None if entry.severity is None else str(entry.severity) for entry in self.entries],
        }
        labels |= {name: [entry.targets.get(name) for entry in self.entries] for name in targets}
        return Neighbours(self.cosines[None], np.arange(len(self.entries))[None], labels)


def _labelled(index: CaseIndex, row_ids: Sequence[int]) -> Iterator[CaseEntry]:
    """Those of some cases that have a label, in their order; read as far as they are wanted."""
    for page in pages(row_ids, N_NEIGHBOURS):
        for entry in index.entries(page):
            if entry.category is not None or entry.severity is not None or entry.targets:
                yield entry


def may_see(access_group: str | None, groups: frozenset[str] | None) -> bool:
    """Whether a caller of these access groups may see a case of a group; None sees everything."""
    return groups is None or access_group is None or access_group in groups
