"""A forward index: the terms of every case, so that BM25 of any set of candidates is computed exactly.

The inverted index (:mod:`features.fulltext`) finds candidates, and its scores change with every ticket that comes in.
Scores that a ranker was trained on must not: these use the idf and the mean lengths that a release froze.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.growing import GrowingArray
from features.lexical import DocumentTerms, Hashes, LexicalStatistics, TermCounts, find_terms
from features.rarity import rarest_among, sum_of_largest

K1 = 1.2
B = 0.75
FIELDS = ("subject", "text")
_N_RAREST = 3

Slots = NDArray[np.int64]
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class FieldQuery:
    """The terms of a query in one field, ready to score documents with.

    Attributes
    ----------
    bag : TermCounts
    idf : ndarray of float64, shape (n_terms,)
    mean_length : float
        Of the field, in terms; at least 1.
    self_score : float
        BM25 of the query as a document: what its exact copy would score.
    """

    bag: TermCounts
    idf: Scores
    mean_length: float
    self_score: float

    @classmethod
    def of(cls, bag: TermCounts, statistics: LexicalStatistics, mean_length: float) -> FieldQuery:
        """Weigh the terms of a query."""
        idf, counts = statistics.idf(bag.hashes).astype(np.float64), bag.counts.astype(np.float64)
        mean_length = max(mean_length, 1.0)
        self_score = np.sum(idf * counts * saturation(counts, float(bag.length), mean_length))
        return cls(bag, idf, mean_length, float(self_score))

    def find(self, hashes: Hashes) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """Where each term, shape (n,), stands in the query's bag, and whether it does."""
        return find_terms(self.bag.hashes, hashes)

    def holds(self, hashes: Hashes) -> NDArray[np.bool_]:
        """Which terms the query has."""
        return self.find(hashes)[1]


@dataclass(frozen=True, slots=True, eq=False)
class LexicalQuery:
    """A query's subject, to compare with subjects, and its whole text, to compare with whole texts."""

    subject: FieldQuery
    text: FieldQuery
    statistics: LexicalStatistics

    @classmethod
    def of(cls, document: DocumentTerms, statistics: LexicalStatistics) -> LexicalQuery:
        """Weigh a query's terms by the statistics of a release."""
        return cls(
            FieldQuery.of(document.subject, statistics, statistics.mean_subject_length),
            FieldQuery.of(document.text, statistics, statistics.mean_text_length),
            statistics,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Overlap:
    """What a query and each of n cases share, beside BM25; each of shape (n,), 0 to 1.

    Attributes
    ----------
    subject_coverage : ndarray of float64
        Share of the query's subject, by idf, that the case's text holds.
    case_subject_coverage : ndarray of float64
        Share of the case's subject, by idf, that the query's text holds.
    rarest_shared : ndarray of float64
        Idf of the three rarest terms in both texts, over that of three terms that no other case has.
    rarest_here : ndarray of float64
        The same with rarity among these cases alone, over the three rarest of the query's terms that any of them has.
    """

    subject_coverage: Scores
    case_subject_coverage: Scores
    rarest_shared: Scores
    rarest_here: Scores


class ForwardIndex:
    """Bags of hashed terms by slot; slots are numbered in the order of appending and never change.

    Examples
    --------
    >>> from features.lexical import document_terms
    >>> documents = [document_terms("login fails", "after reset"), document_terms("invoice", "wrong sum")]
    >>> index = ForwardIndex()
    >>> index.extend(documents)
    >>> query = LexicalQuery.of(documents[0], LexicalStatistics.fit(documents))
    >>> subject, text, _ = index.compare(query, np.array([0, 1]))
    >>> text.round(3).tolist()
    [1.0, 0.0]
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]] | None = None) -> None:
        arrays = arrays or {}
        self._bags = {
            field: _Bags({name: arrays[f"{field}_{name}"] for name in _Bags.DTYPES} if arrays else {})
            for field in FIELDS
        }

    def __len__(self) -> int:
        return len(self._bags["text"])

    @property
    def n_bytes(self) -> int:
        """Memory held, in bytes."""
        return sum(bags.n_bytes for bags in self._bags.values())

    def extend(self, documents: Sequence[DocumentTerms]) -> None:
        """Append the terms of cases."""
        self._bags["subject"].extend([document.subject for document in documents])
        self._bags["text"].extend([document.text for document in documents])

    def document(self, slot: int) -> DocumentTerms:
        """The terms of one slot."""
        return DocumentTerms(self._bags["subject"].bag(slot), self._bags["text"].bag(slot))

    def compare(self, query: LexicalQuery, slots: Slots) -> tuple[Scores, Scores, Overlap]:
        """Score slots with BM25 (k1 1.2, b 0.75), query term frequencies kept, and see what else they share.

        Parameters
        ----------
        query : LexicalQuery
        slots : ndarray of int64, shape (n,)

        Returns
        -------
        subject, text : ndarrays of float64, shape (n,), 0 to 1
            BM25 over the query's self score: 1 is what a copy of the query scores, or more.
        overlap : Overlap
        """
        in_subject, in_text = self._bags["subject"], self._bags["text"]
        hits = in_text.hits(query.text, slots)
        return (
            in_subject.scores(query.subject, slots, in_subject.hits(query.subject, slots)),
            in_text.scores(query.text, slots, hits),
            self._overlap(query, slots, hits),
        )

    def _overlap(self, query: LexicalQuery, slots: Slots, hits: _Hits) -> Overlap:
        n = len(slots)
        of_subject = np.isin(query.text.bag.hashes, query.subject.bag.hashes, assume_unique=True)
        covered = np.bincount(hits.owners, weights=(query.text.idf * of_subject)[hits.at], minlength=n)
        subject_hashes, subject_owners = self._bags["subject"].terms(slots)
        subject_idf = query.statistics.idf(subject_hashes).astype(np.float64)
        own = np.bincount(subject_owners, weights=subject_idf, minlength=n)
        known = np.bincount(subject_owners, weights=subject_idf * query.text.holds(subject_hashes), minlength=n)
        rarest = sum_of_largest(query.text.idf, hits.at, hits.owners, n, _N_RAREST)
        return Overlap(
            subject_coverage=covered / max(float(query.subject.idf.sum()), 1e-9),
            case_subject_coverage=known / np.maximum(own, 1e-9),
            rarest_shared=rarest / (_N_RAREST * query.statistics.highest_idf),
            rarest_here=rarest_among(hits.at, hits.owners, n, _N_RAREST),
        )

    def terms(self, slot: int) -> Hashes:
        """Hashed terms of one slot's whole text, sorted."""
        return self._bags["text"].bag(slot).hashes

    def resemblance(self, slot: int, slots: Slots) -> Scores:
        """Compare the whole text of one slot with those of others: terms in both, over terms in either.

        Each term counts as often as it occurs (Jaccard's index of two bags), so 1 is the same words in any order.

        Parameters
        ----------
        slot : int
        slots : ndarray of int64, shape (n,)

        Returns
        -------
        ndarray of float64, shape (n,), 0 to 1

        Examples
        --------
        >>> from features.lexical import document_terms
        >>> index = ForwardIndex()
        >>> index.extend([document_terms("login fails", body) for body in ("again today", "today again", "since May")])
        >>> index.resemblance(0, np.array([0, 1, 2])).round(2).tolist()
        [1.0, 1.0, 0.33]
        """
        return self._bags["text"].resemblance(slot, slots)

    def take(self, slots: Slots) -> dict[str, NDArray[Any]]:
        """Copy the terms of slots, in their order, as arrays that make a new index."""
        return {f"{field}_{name}": array for field in FIELDS for name, array in self._bags[field].take(slots).items()}


@dataclass(frozen=True, slots=True, eq=False)
class _Hits:
    """Terms of a query in slots.

    Attributes
    ----------
    where, owners, at : ndarrays of int64, shape (n_hits,)
        Position among all terms of the field, index into the slots, and index into the query's bag.
    """

    where: NDArray[np.int64]
    owners: NDArray[np.int64]
    at: NDArray[np.intp]


class _Bags:
    """The bags of one field, one after the other."""

    DTYPES: Mapping[str, type[np.generic]] = {
        "hashes": np.uint32,
        "counts": np.uint16,
        "ends": np.int64,
        "lengths": np.uint32,
    }

    def __init__(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        self._arrays: dict[str, GrowingArray[Any]] = {
            name: GrowingArray(dtype, arrays.get(name)) for name, dtype in self.DTYPES.items()
        }

    def __len__(self) -> int:
        return len(self._arrays["ends"])

    @property
    def n_bytes(self) -> int:
        return sum(array.n_bytes for array in self._arrays.values())

    def extend(self, bags: Sequence[TermCounts]) -> None:
        if not bags:
            return
        start = len(self._arrays["hashes"])
        self._arrays["hashes"].extend(np.concatenate([bag.hashes for bag in bags]))
        self._arrays["counts"].extend(np.concatenate([bag.counts for bag in bags]))
        self._arrays["ends"].extend(start + np.cumsum([len(bag.hashes) for bag in bags]))
        self._arrays["lengths"].extend([bag.length for bag in bags])

    def take(self, slots: Slots) -> dict[str, NDArray[Any]]:
        where, owners = self._positions(slots)
        return {
            "hashes": self._arrays["hashes"].values[where],
            "counts": self._arrays["counts"].values[where],
            "ends": np.cumsum(np.bincount(owners, minlength=len(slots))),
            "lengths": self._arrays["lengths"].values[slots],
        }

    def bag(self, slot: int) -> TermCounts:
        ends = self._arrays["ends"]
        held = slice(ends.item(slot - 1) if slot else 0, ends.item(slot))
        hashes, counts = (self._arrays[name].values[held] for name in ("hashes", "counts"))
        return TermCounts(hashes, counts, self._arrays["lengths"].item(slot))

    def terms(self, slots: Slots) -> tuple[Hashes, NDArray[np.int64]]:
        """Terms of slots, and for each the index into ``slots`` it belongs to."""
        where, owners = self._positions(slots)
        return self._arrays["hashes"].values[where], owners

    def resemblance(self, slot: int, slots: Slots) -> Scores:
        own = self.bag(slot)
        if own.length == 0 or len(slots) == 0:
            return np.zeros(len(slots))
        where, owners = self._positions(slots)
        hashes, counts = self._arrays["hashes"].values[where], self._arrays["counts"].values[where]
        at, is_shared = find_terms(own.hashes, hashes)
        both = np.minimum(counts[is_shared], own.counts[at[is_shared]])
        shared = np.bincount(owners[is_shared], weights=both, minlength=len(slots))
        return np.asarray(shared / (own.length + self._arrays["lengths"].values[slots] - shared), dtype=np.float64)

    def hits(self, query: FieldQuery, slots: Slots) -> _Hits:
        """Where slots hold terms of a query."""
        where, owners = self._positions(slots)
        hashes = self._arrays["hashes"].values[where]
        # Nearly all terms are none of the query's, and a table of their last 16 bits says so at once.
        near = np.zeros(1 << 16, dtype=np.bool_)
        near[query.bag.hashes & 0xFFFF] = True
        hits = np.flatnonzero(near[hashes & 0xFFFF])
        at, exact = query.find(hashes[hits])
        hits = hits[exact]
        return _Hits(where[hits], owners[hits], at[exact])

    def scores(self, query: FieldQuery, slots: Slots, hits: _Hits) -> Scores:
        if query.self_score <= 0.0 or len(slots) == 0:
            return np.zeros(len(slots))
        counts = self._arrays["counts"].values[hits.where].astype(np.float64)
        lengths = self._arrays["lengths"].values[slots[hits.owners]].astype(np.float64)
        gains = (query.idf * query.bag.counts)[hits.at] * saturation(counts, lengths, query.mean_length)
        total = np.bincount(hits.owners, weights=gains, minlength=len(slots))
        return np.minimum(total / query.self_score, 1.0)

    def _positions(self, slots: Slots) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Positions of all terms of slots, and for each the index into ``slots`` it belongs to."""
        ends = self._arrays["ends"].values
        starts = np.where(slots > 0, ends[slots - 1], 0)
        sizes = ends[slots] - starts
        owners = np.repeat(np.arange(len(slots)), sizes)
        first = np.cumsum(sizes) - sizes
        return np.arange(len(owners)) + (starts - first)[owners], owners


def saturation(counts: Scores, lengths: Scores | float, mean_length: float) -> Scores:
    """How much a term's frequency in a document counts, in BM25."""
    return counts * (K1 + 1.0) / (counts + K1 * (1.0 - B + B * lengths / mean_length))
