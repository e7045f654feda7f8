"""Documents that never change, term by term: BM25 of them all takes what the query's terms occur in, and no more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from features.forward import FieldQuery, saturation
from features.lexical import TermCounts, find_terms

Scores = NDArray[np.float64]


class Postings:
    """Bags of terms by term, with what each occurrence adds to BM25 (k1 1.2, b 0.75) before the query's weight.

    Parameters
    ----------
    bags : sequence of TermCounts, length n_documents
    mean_length : float
        Of the documents, in terms.

    Examples
    --------
    >>> from features.lexical import LexicalStatistics, document_terms
    >>> documents = [document_terms("", text) for text in ("login fails", "wrong invoice")]
    >>> statistics = LexicalStatistics.fit(documents, min_documents=1)
    >>> query = FieldQuery.of(documents[0].text, statistics, statistics.mean_text_length)
    >>> Postings([document.text for document in documents], statistics.mean_text_length).scores(query).round(3).tolist()
    [1.0, 0.0]
    """

    def __init__(self, bags: Sequence[TermCounts], mean_length: float) -> None:
        self._n_documents = len(bags)
        sizes = [len(bag.hashes) for bag in bags]
        hashes = np.concatenate([np.empty(0, dtype=np.uint32), *(bag.hashes for bag in bags)])
        counts = np.concatenate([np.empty(0), *(bag.counts for bag in bags)])
        lengths = np.repeat(np.array([bag.length for bag in bags], dtype=np.float64), sizes)
        order = np.argsort(hashes, kind="stable")
        self._documents = np.repeat(np.arange(len(bags)), sizes)[order]
        self._gains = saturation(counts, lengths, max(mean_length, 1.0))[order]
        self._terms, first = np.unique(hashes[order], return_index=True)
        self._ends = np.append(first[1:], len(hashes))

    def scores(self, query: FieldQuery) -> Scores:
        """BM25 of every document over the query's self score, 0 to 1; shape (n_documents,)."""
        at, is_known = find_terms(self._terms, query.bag.hashes)
        if query.self_score <= 0.0 or not is_known.any():
            return np.zeros(self._n_documents)
        starts = np.append(0, self._ends)[at[is_known]]
        sizes = self._ends[at[is_known]] - starts
        where = np.repeat(starts - np.append(0, np.cumsum(sizes)[:-1]), sizes) + np.arange(sizes.sum())
        gains = np.repeat((query.idf * query.bag.counts)[is_known], sizes) * self._gains[where]
        total = np.bincount(self._documents[where], weights=gains, minlength=self._n_documents)
        return np.minimum(total / query.self_score, 1.0)
