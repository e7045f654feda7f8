"""Frozen references: a plain BM25 and plain cosines over raw texts. They do not change when the product does."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from features.lexical import stem

K1 = 1.2
B = 0.75
_WORD = re.compile(r"\w+")


def terms(text: str) -> list[str]:
    """Snowball English stems of the runs of word characters, in lower case; no stop words.

    Examples
    --------
    >>> terms("Logins are failing: dfs.replication")
    ['login', 'are', 'fail', 'dfs', 'replic']
    """
    return [stem(word) for word in _WORD.findall(text.lower())]


class ReferenceBm25:
    """BM25 as Lucene has it (k1 1.2, b 0.75; Robertson and Zaragoza, 2009), term frequency of the query kept.

    Parameters
    ----------
    documents : sequence of str
        What is searched.
    n_fitted : int, optional
        Document frequencies and the mean length are those of the first so many documents; default: of all.

    Examples
    --------
    >>> scores = ReferenceBm25(["login fails", "export is slow", "login page"]).scores("the login fails")
    >>> scores.argsort()[::-1].tolist()
    [0, 2, 1]
    """

    def __init__(self, documents: Sequence[str], n_fitted: int | None = None) -> None:
        self._columns: dict[str, int] = {}
        counts = _counts(documents, self._columns)
        n = len(documents) if n_fitted is None else n_fitted
        lengths = np.asarray(counts.sum(axis=1)).ravel()
        # A term that the fitted documents lack weighs as one seen once.
        frequency = np.maximum(np.bincount(counts[:n].indices, minlength=counts.shape[1]), 1)
        idf = np.log1p((n - frequency + 0.5) / (frequency + 0.5))
        norm = K1 * (1 - B + B * lengths / max(float(lengths[:n].mean()) if n else 0.0, 1.0))
        rows = np.repeat(np.arange(len(documents)), np.diff(counts.indptr))
        counts.data = counts.data * (K1 + 1) / (counts.data + norm[rows]) * idf[counts.indices]
        self._weights = counts.tocsc()

    def scores(self, text: str) -> NDArray[np.float64]:
        """Scores of every document for a query, shape (n_documents,)."""
        query = Counter(self._columns[term] for term in terms(text) if term in self._columns)
        columns = self._weights[:, list(query)]
        return np.asarray(columns @ np.array(list(query.values()), dtype=np.float64)).ravel()


def _counts(documents: Sequence[str], columns: dict[str, int]) -> sparse.csr_matrix:
    """Term counts, shape (n_documents, n_terms); ``columns`` is filled with the terms met."""
    indptr, indices, data = [0], list[int](), list[int]()
    for document in documents:
        counted = Counter(terms(document))
        indices += [columns.setdefault(term, len(columns)) for term in counted]
        data += counted.values()
        indptr.append(len(indices))
    return sparse.csr_matrix(
        (np.array(data, dtype=np.float64), np.array(indices, dtype=np.int64), np.array(indptr, dtype=np.int64)),
        shape=(len(documents), len(columns)),
    )
