"""N-gram rows: the same as scikit-learn's, alone as in a batch, and without the words themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from features.ngrams import NgramVectorizer, SparseRows, char_hashes, word_hashes

TEXTS = [
    "login fails after certificate rotation",
    "login fails with saml audience mismatch",
    "certificate rotation broke the login",
    "webhook deliveries fail with signature mismatch",
    "webhook deliveries are late after the release",
    "invoice shows usage twice after the release",
]


def dense(rows: SparseRows) -> np.ndarray:
    out = np.zeros((len(rows), rows.n_columns))
    for i in range(len(rows)):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        out[i, rows.indices[span]] = rows.data[span]
    return out


@pytest.mark.parametrize(("analyzer", "ngram_range", "block"), [("word", (1, 2), "word"), ("char_wb", (3, 5), "char")])
def test_similarities_are_those_of_scikit_learn(analyzer: str, ngram_range: tuple[int, int], block: str) -> None:
    ours = NgramVectorizer.fit(TEXTS, min_df=3)
    n_word = len(ours.to_arrays()["word_vocabulary"])
    columns = slice(0, n_word) if block == "word" else slice(n_word, None)
    found = dense(ours.transform(TEXTS))[:, columns]
    pattern = {"token_pattern": r"\w+"} if analyzer == "word" else {}
    oracle = TfidfVectorizer(analyzer=analyzer, ngram_range=ngram_range, sublinear_tf=True, min_df=3, **pattern)
    expected = oracle.fit_transform(TEXTS).toarray()
    assert found.shape[1] == expected.shape[1]
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_a_row_does_not_depend_on_the_others() -> None:
    vectorizer = NgramVectorizer.fit(TEXTS)
    together = dense(vectorizer.transform(TEXTS))
    alone = np.vstack([dense(vectorizer.transform([text])) for text in TEXTS])
    np.testing.assert_array_equal(together, alone)


def test_a_term_of_one_customer_is_not_learned() -> None:
    texts = ["zanzibar outage today"] * 3 + ["outage again"]
    known = NgramVectorizer.fit(texts, ["a", "a", "a", "b"])
    unknown = NgramVectorizer.fit(texts)
    zanzibar = word_hashes("zanzibar").view(np.int64)[0]
    assert zanzibar not in known.to_arrays()["word_vocabulary"]
    assert zanzibar in unknown.to_arrays()["word_vocabulary"]


def test_a_term_of_two_tickets_is_not_learned() -> None:
    arrays = NgramVectorizer.fit(["alpha beta", "alpha beta", "alpha"]).to_arrays()
    assert word_hashes("beta").view(np.int64)[0] not in arrays["word_vocabulary"]


def test_the_largest_vocabulary_keeps_the_most_frequent_terms() -> None:
    texts = ["common rare"] * 3 + ["common"] * 5
    arrays = NgramVectorizer.fit(texts, max_terms=1).to_arrays()
    assert arrays["word_vocabulary"].tolist() == word_hashes("common").view(np.int64).tolist()


def test_arrays_make_the_same_vectorizer() -> None:
    vectorizer = NgramVectorizer.fit(TEXTS)
    again = NgramVectorizer.from_arrays(vectorizer.to_arrays())
    np.testing.assert_array_equal(dense(vectorizer.transform(TEXTS)), dense(again.transform(TEXTS)))


@given(st.text())
def test_any_text_has_hashes(text: str) -> None:
    assert word_hashes(text).dtype == np.uint64
    assert char_hashes(text).dtype == np.uint64


def test_a_product_is_that_of_the_dense_matrix() -> None:
    rows = NgramVectorizer.fit(TEXTS).transform(TEXTS)
    weights = np.random.default_rng(0).normal(size=(rows.n_columns, 3)).astype(np.float32)
    np.testing.assert_allclose(rows.dot(weights), dense(rows) @ weights, atol=1e-4)
