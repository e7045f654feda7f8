"""Near-duplicates by TF-IDF cosine: which texts must stay on one side of a split, and which test rows are easy.

The search is exact and its memory bounded. Two rows of length 1 whose cosine reaches t share a term among the rarest
terms of either that hold more than 1 - t² of its squared weight (prefix filtering: Chaudhuri, Ganti and Kaushik, ICDE
2006), so only rows that share such a term are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

THRESHOLD = 0.9
_BLOCK = 256
_WORD = re.compile(r"\w")
_MAX_PAIRS = 100_000

Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]


def has_near_duplicate(
    reference: Sequence[str], queries: Sequence[str], *, threshold: float = THRESHOLD
) -> NDArray[np.bool_]:
    """Tell which queries have a reference text whose TF-IDF cosine reaches the threshold; shape (n_queries,).

    Document frequencies are those of the reference texts.

    Examples
    --------
    >>> has_near_duplicate(["login fails", "export is slow"], ["Login fails", "invoice"]).tolist()
    [True, False]
    """
    found = np.zeros(len(queries), dtype=np.bool_)
    if not len(reference) or not len(queries):
        return found
    if not any(_WORD.search(text) for text in reference):
        return found
    vectorizer = _vectorizer().fit(reference)
    reference_rows, query_rows = vectorizer.transform(reference), vectorizer.transform(queries)
    for rows, _ in _near_pairs(query_rows, reference_rows, threshold):
        found[rows] = True
    return found


def near_duplicate_groups(texts: Sequence[str], *, threshold: float = THRESHOLD) -> NDArray[np.int64]:
    """Number the groups of texts that are near-duplicates of each other, directly or through others; shape (n,).

    Examples
    --------
    >>> near_duplicate_groups(["login fails", "export is slow", "login fails!"]).tolist()
    [0, 1, 0]
    """
    n = len(texts)
    if not any(_WORD.search(text) for text in texts):
        return np.arange(n, dtype=np.int64)
    rows = _vectorizer().fit_transform(texts)
    edges = list(_near_pairs(rows, rows, threshold, only_later=True))
    first = np.concatenate([pair[0] for pair in edges]) if edges else np.empty(0, dtype=np.int64)
    second = np.concatenate([pair[1] for pair in edges]) if edges else np.empty(0, dtype=np.int64)
    graph = sparse.coo_matrix((np.ones(len(first), dtype=np.bool_), (first, second)), shape=(n, n))
    _, groups = sparse.csgraph.connected_components(graph, directed=False)
    return np.asarray(groups, dtype=np.int64)


def _vectorizer() -> TfidfVectorizer:
    # A text of stop words or digits alone still is the duplicate of its copy: every run of word characters counts.
    return TfidfVectorizer(token_pattern=r"\w+", dtype=np.float32)  # noqa: S106  no password


def _near_pairs(
    queries: sparse.csr_matrix, reference: sparse.csr_matrix, threshold: float, *, only_later: bool = False
) -> Iterator[Pairs]:
    """Yield pairs (query row, reference row) whose cosine reaches the threshold; on demand each pair only once."""
    frequency = np.bincount(reference.indices, minlength=reference.shape[1])
    prefixes = _prefixes(queries, frequency, threshold)
    columns = (reference != 0).astype(np.float32).T.tocsr()
    for start in range(0, queries.shape[0], _BLOCK):
        shared = (prefixes[start : start + _BLOCK] @ columns).tocoo()
        at, other = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        if only_later:
            at, other = at[other > at], other[other > at]
        for first in range(0, len(at), _MAX_PAIRS):
            block = slice(first, first + _MAX_PAIRS)
            cosines = np.asarray(queries[at[block]].multiply(reference[other[block]]).sum(axis=1)).ravel()
            # Rounding in float32 must not lose a pair of equal texts at a threshold of 1.
            near = cosines >= threshold - 1e-6
            if near.any():
                yield at[block][near], other[block][near]


def _prefixes(rows: sparse.csr_matrix, frequency: NDArray[np.int64], threshold: float) -> sparse.csr_matrix:
    """Keep of each row its rarest terms, up to the first at which the rest has a length below the threshold."""
    kept = np.zeros(len(rows.indices), dtype=np.bool_)
    for row in range(rows.shape[0]):
        span = slice(rows.indptr[row], rows.indptr[row + 1])
        order = np.argsort(frequency[rows.indices[span]], kind="stable")
        weight = rows.data[span][order].astype(np.float64) ** 2
        rest = weight.sum() - np.cumsum(weight)
        n_needed = int(np.searchsorted(-rest, -(threshold**2) * 0.999, side="right")) + 1
        kept[span.start + order[:n_needed]] = True
    # A copy: dropping the zeros moves the indices in place.
    prefix = sparse.csr_matrix((kept.astype(np.float32), rows.indices, rows.indptr), shape=rows.shape, copy=True)
    prefix.eliminate_zeros()
    return prefix
