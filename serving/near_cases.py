"""The nearest cases of one ticket: who they are, what they are labelled, and who may see them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseEntry
from features.case_index import CaseFilter, CaseIndex
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
    """

    entries: tuple[CaseEntry, ...]
    cosines: NDArray[np.float32]

    @classmethod
    def of(cls, index: CaseIndex, vector: NDArray[np.float32], where: CaseFilter) -> NearCases:
        """Find the nearest labelled cases that pass a filter: training knew no others.

        Where many cases near by have no label, as in an incident going on, it looks farther, but not without end.
        """
        for k in (N_NEIGHBOURS, _FARTHER):
            row_ids, cosines = index.nearest(vector, k, where)
            # A case that was erased since is in the cosines, and not among the entries.
            entries = {entry.row_id: entry for entry in index.entries(row_ids.tolist()) if _is_labelled(entry)}
            held = [i for i, row in enumerate(row_ids.tolist()) if row in entries][:N_NEIGHBOURS]
            if len(held) == N_NEIGHBOURS or len(row_ids) < k:
                break
        return cls(tuple(entries[row_ids.item(i)] for i in held), cosines[held])

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


def _is_labelled(entry: CaseEntry) -> bool:
    return entry.category is not None or entry.severity is not None or bool(entry.targets)


def may_see(access_group: str | None, groups: frozenset[str] | None) -> bool:
    """Whether a caller of these access groups may see a case of a group; None sees everything."""
    return groups is None or access_group is None or access_group in groups
