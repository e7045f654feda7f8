"""The frozen reference BM25, against its formula and an independent implementation."""

from __future__ import annotations

from collections import Counter
from math import log

import bm25s
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.benchmarks.reference import ReferenceBm25, terms

WORDS = ["login", "invoice", "timeout", "sso", "export", "webhook"]
DOCUMENTS = st.lists(st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join), min_size=1, max_size=9)


@given(DOCUMENTS, st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join))
def test_scores_follow_the_formula(documents: list[str], query: str):
    bags = [Counter(terms(document)) for document in documents]
    n, mean = len(bags), max(sum(bag.total() for bag in bags) / len(bags), 1.0)

    def score(bag: Counter[str]) -> float:
        total = 0.0
        for term in terms(query):
            frequency = sum(term in other for other in bags)
            idf = log(1 + (n - frequency + 0.5) / (frequency + 0.5))
            total += idf * bag[term] * 2.2 / (bag[term] + 1.2 * (0.25 + 0.75 * bag.total() / mean))
        return total

    assert ReferenceBm25(documents).scores(query) == pytest.approx([score(bag) for bag in bags])


def test_order_is_that_of_bm25s():
    generator = np.random.default_rng(0)
    documents = [" ".join(generator.choice(WORDS, size=generator.integers(2, 12))) for _ in range(40)]
    other = bm25s.BM25(method="lucene", k1=1.2, b=0.75)
    other.index([terms(document) for document in documents], show_progress=False)
    ours = ReferenceBm25(documents).scores("sso login timeout")
    theirs = other.get_scores(terms("sso login timeout"))
    # Another convention leaves out the constant factor k1 + 1.
    assert theirs * (ours.max() / theirs.max()) == pytest.approx(ours, rel=1e-4)


def test_frequencies_are_those_of_the_documents_seen():
    documents = ["sso fails", "sso login", "invoice", "invoice invoice", "invoice sum"]
    seen_two = ReferenceBm25(documents, 2).scores("invoice")
    assert seen_two[2] > ReferenceBm25(documents).scores("invoice")[2], "unseen so far, the term is rare"


def test_query_term_frequency_is_kept():
    index = ReferenceBm25(["sso login", "invoice"])
    assert index.scores("sso sso")[0] == pytest.approx(2 * index.scores("sso")[0])
