"""BM25 of documents that never change."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from features.forward import FieldQuery, ForwardIndex, LexicalQuery
from features.lexical import LexicalStatistics, document_terms
from features.postings import Postings

WORDS = ["login", "invoice", "timeout", "sso", "export", "webhook", "retry"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


@given(st.lists(TEXTS, max_size=6), TEXTS)
def test_scores_are_those_of_the_forward_index(texts: list[str], asked: str):
    documents = [document_terms("", text) for text in texts]
    statistics = LexicalStatistics.fit(documents, min_documents=1)
    index = ForwardIndex()
    index.extend(documents)
    query = LexicalQuery.of(document_terms("", asked), statistics)
    _, expected, _ = index.compare(query, np.arange(len(texts)))

    postings = Postings([document.text for document in documents], statistics.mean_text_length)

    words = FieldQuery.of(query.text.bag, statistics, statistics.mean_text_length)
    np.testing.assert_array_equal(postings.scores(words), expected)
