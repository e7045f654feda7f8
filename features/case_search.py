"""One search over the parts of a case index: candidates by vectors and by terms, each with all its signals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseEntries
from features.case_filter import CaseFilter
from features.dense import DenseIndex
from features.forward import LexicalQuery
from features.index_parts import IndexParts
from features.text import ModelText

POOL = 150  # candidates of each method

# The order in which candidates are returned, and cut where fewer are wanted: the untrained fusion of BENCHMARKS.md.
_COSINE_WEIGHT = 2.0
_RECENCY_WEIGHT = 0.3
_RECENCY_SECONDS = 180 * 86_400.0

# How much faster a candidate counts for the crowd the nearer it is: e times as much for 0.05 of cosine.
_CROWD_SHARPNESS = 20.0
# From here on two candidates tell of one problem, and neither is a crowd to the other.
_SAME_COSINE = 0.75

Ids = NDArray[np.int64]
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The ``POOL`` nearest cases by vectors of those that pass a filter: their rows, nearest first."""

    where: CaseFilter
    rows: Ids


@dataclass(frozen=True, slots=True)
class CaseQuery:
    """What to search for.

    Attributes
    ----------
    text : ModelText
    vector : ndarray of float32, shape (dimension,), of length 1
        The encoder's, of ``text.text``.
    now : float
        When the ticket was created, in seconds since the epoch.
    nearest : Nearest, optional
        Of ``vector``, where they are known: a search under the same filter need not look for them again.
    """

    text: ModelText
    vector: Vectors
    now: float
    nearest: Nearest | None = None


class Candidate(NamedTuple):
    """A case that may match, with its raw signals.

    Attributes
    ----------
    cosine : float
        Of the vectors, -1 to 1.
    bm25, bm25_subject : float
        Of the whole texts and of the subjects, by the statistics of the release, over the query's self score: 0 to 1.
    subject_coverage, case_subject_coverage, rarest_shared, rarest_here : float
        As in :class:`features.forward.Overlap`, 0 to 1.
    crowding : float
        Mean cosine to the other candidates, those nearest to the query counting most, -1 to 1. Candidates of nearly
        the same text count as none: that a problem came again says nothing against it.
    """

    row_id: int
    cosine: float
    bm25: float
    bm25_subject: float
    subject_coverage: float = 0.0
    case_subject_coverage: float = 0.0
    rarest_shared: float = 0.0
    rarest_here: float = 0.0
    crowding: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """What a filter lets through: rows, or, where ``allowed`` is None, everything but some rows."""

    allowed: Ids | None
    excluded: Ids

    @classmethod
    def of(cls, entries: CaseEntries, where: CaseFilter) -> Scope:
        """Resolve a filter."""
        allowed = entries.rows(np.flatnonzero(entries.mask(where))) if where.restricts else None
        return cls(allowed, entries.excluded_rows(where))

    def nearest(self, dense: DenseIndex, vector: Vectors, k: int) -> tuple[Ids, Vectors]:
        """Search the vectors of what is let through."""
        if self.allowed is not None:
            return dense.search(vector, k, self.allowed)
        # A few rows too many and then without the excluded: half the time of a search with a filter.
        rows, cosines = dense.search(vector, k + len(self.excluded))
        kept = np.flatnonzero(~np.isin(rows, self.excluded))[:k]
        return rows[kept], cosines[kept]


def find_candidates(
    parts: IndexParts, query: CaseQuery, terms: LexicalQuery, where: CaseFilter, limit: int
) -> list[Candidate]:
    """Find the union of the best ``POOL`` of each method under a filter, best first by a fixed fusion.

    Parameters
    ----------
    terms : LexicalQuery
        Of ``query.text``.
    limit : int
        Most candidates to return.
    """
    scope = Scope.of(parts.entries, where)
    if query.nearest is not None and query.nearest.where == where:
        nearest = query.nearest.rows
    else:
        nearest, _ = scope.nearest(parts.dense, query.vector, POOL)
    rows = np.union1d(nearest, parts.fulltext.search(terms, POOL, where, scope.excluded.tolist()))
    slots = parts.entries.slots(rows)
    # What was known to be near may have been erased since.
    rows, slots = rows[slots >= 0], slots[slots >= 0]
    vectors = parts.dense.reconstruct(rows)
    cosines = np.clip(vectors @ query.vector, -1.0, 1.0)
    subject, text, shared = parts.forward.compare(terms, slots)
    age = np.maximum(query.now - parts.entries.created(slots) / 1e6, 0.0)
    score = _COSINE_WEIGHT * cosines + text + subject + _RECENCY_WEIGHT * np.exp(-age / _RECENCY_SECONDS)
    best = np.lexsort((-rows, -score))[:limit]
    columns = (
        rows,
        cosines,
        text,
        subject,
        shared.subject_coverage,
        shared.case_subject_coverage,
        shared.rarest_shared,
        shared.rarest_here,
        _crowding(vectors, cosines),
    )
    return list(map(Candidate, *(column[best].tolist() for column in columns)))


def _crowding(vectors: Vectors, cosines: Vectors) -> NDArray[np.float64]:
    """How much each candidate is like the others: what many tickets are like says little of this one.

    The idea is that of hubness reduction (Radovanović et al., JMLR 2010), within the candidates of a query.
    """
    if len(cosines) == 0:
        return np.empty(0)
    weights = np.exp(_CROWD_SHARPNESS * (cosines.astype(np.float64) - float(cosines.max())))
    alike = vectors @ vectors.T
    alike[alike >= _SAME_COSINE] = 0.0  # itself among them
    return np.asarray(np.clip(alike @ (weights / weights.sum()), -1.0, 1.0), dtype=np.float64)
