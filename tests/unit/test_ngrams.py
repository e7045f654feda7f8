"""N-gram rows: the same as scikit-learn's, alone as in a batch, and without the words themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from features.ngrams import NgramVectorizer, char_hashes, word_hashes
from features.sparse_rows import SparseRows
from features.text import ModelText

TEXTS = [
    ModelText("login fails", "after certificate rotation"),
    ModelText("login fails", "with saml audience mismatch"),
    ModelText("certificate rotation", "broke the login of the login page"),
    ModelText("webhook deliveries fail", "with signature mismatch, login works"),
    ModelText("webhook deliveries are late", "after the release"),
    ModelText("invoice and webhook", "shows usage twice after the release"),
    ModelText("login and certificate", ""),
]
BLOCKS = ("word", "char", "subject")


def dense(rows: SparseRows) -> np.ndarray:
    out = np.zeros((len(rows), rows.n_columns))
    for i in range(len(rows)):
        span = slice(rows.indptr[i], rows.indptr[i + 1])
        out[i, rows.indices[span]] = rows.data[span]
    return out


def columns(vectorizer: NgramVectorizer, block: str) -> slice:
    sizes = [len(vectorizer.to_arrays()[f"{name}_vocabulary"]) for name in BLOCKS]
    start = sum(sizes[: BLOCKS.index(block)])
    assert sum(sizes) == vectorizer.n_columns
    return slice(start, start + sizes[BLOCKS.index(block)])


def whole(*texts: str) -> list[ModelText]:
    """Texts without a subject."""
    return [ModelText("", text) for text in texts]


@pytest.mark.parametrize(
    ("analyzer", "ngram_range", "block"),
    [("word", (1, 2), "word"), ("char_wb", (3, 5), "char"), ("word", (1, 2), "subject")],
)
def test_similarities_are_those_of_scikit_learn(analyzer: str, ngram_range: tuple[int, int], block: str) -> None:
    ours = NgramVectorizer.fit(TEXTS, min_df=3)
    found = dense(ours.transform(TEXTS))[:, columns(ours, block)]
    pattern = {"token_pattern": r"\w+"} if analyzer == "word" else {}
    oracle = TfidfVectorizer(analyzer=analyzer, ngram_range=ngram_range, sublinear_tf=True, min_df=3, **pattern)
    expected = oracle.fit_transform([text.subject if block == "subject" else text.text for text in TEXTS]).toarray()
    assert found.shape[1] == expected.shape[1] > 0
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-5)


def test_a_word_of_the_subject_counts_in_its_own_block_and_one_of_the_body_does_not() -> None:
    vectorizer = NgramVectorizer.fit(TEXTS)
    above, below = dense(vectorizer.transform([ModelText("login", ""), ModelText("", "login")]))
    subject = columns(vectorizer, "subject")
    assert np.count_nonzero(above[subject]) == 1
    assert np.count_nonzero(below[subject]) == 0
    np.testing.assert_array_equal(above[: subject.start], below[: subject.start])


def test_a_row_does_not_depend_on_the_others() -> None:
    vectorizer = NgramVectorizer.fit(TEXTS)
    together = dense(vectorizer.transform(TEXTS))
    alone = np.vstack([dense(vectorizer.transform([text])) for text in TEXTS])
    np.testing.assert_array_equal(together, alone)


@pytest.mark.parametrize("block", ["word", "subject"])
def test_a_term_of_one_customer_is_not_learned(block: str) -> None:
    texts = [ModelText(text, "") for text in ["zanzibar outage today"] * 3 + ["outage again"]]
    known = NgramVectorizer.fit(texts, ["a", "a", "a", "b"])
    unknown = NgramVectorizer.fit(texts)
    zanzibar, outage = word_hashes("zanzibar outage").view(np.int64)[:2]
    assert zanzibar not in known.to_arrays()[f"{block}_vocabulary"]
    assert outage in known.to_arrays()[f"{block}_vocabulary"]
    assert zanzibar in unknown.to_arrays()[f"{block}_vocabulary"]


@pytest.mark.parametrize(
    ("customers", "is_learned"),
    [(["a", "b", "b"], True), (["a", "a", None], True), ([None, None, None], False), (["a", "a", "a"], False)],
)
def test_tickets_without_a_customer_count_together_as_one_customer(
    customers: list[str | None], is_learned: bool
) -> None:
    texts = whole(*["zanzibar outage"] * 3, "outage")
    vocabulary = NgramVectorizer.fit(texts, [*customers, "c"]).to_arrays()["word_vocabulary"]
    assert (word_hashes("zanzibar").view(np.int64)[0] in vocabulary) is is_learned


def test_a_term_of_two_tickets_is_not_learned() -> None:
    arrays = NgramVectorizer.fit(whole("alpha beta", "alpha beta", "alpha")).to_arrays()
    assert word_hashes("beta").view(np.int64)[0] not in arrays["word_vocabulary"]
    assert word_hashes("alpha").view(np.int64)[0] in arrays["word_vocabulary"]


def test_the_largest_vocabulary_keeps_the_most_frequent_terms() -> None:
    texts = [ModelText(text, "") for text in ["common rare"] * 3 + ["common"] * 5]
    arrays = NgramVectorizer.fit(texts, max_terms=1).to_arrays()
    common = word_hashes("common").view(np.int64).tolist()
    assert arrays["word_vocabulary"].tolist() == arrays["subject_vocabulary"].tolist() == common


def test_arrays_make_the_same_vectorizer() -> None:
    vectorizer = NgramVectorizer.fit(TEXTS)
    again = NgramVectorizer.from_arrays(vectorizer.to_arrays())
    np.testing.assert_array_equal(dense(vectorizer.transform(TEXTS)), dense(again.transform(TEXTS)))


@given(st.text())
def test_any_text_has_hashes(text: str) -> None:
    assert word_hashes(text).dtype == np.uint64
    assert char_hashes(text).dtype == np.uint64


@given(st.text(), st.text())
def test_any_text_taken_apart_adds_up_to_its_row(subject: str, body: str) -> None:
    vectorizer = NgramVectorizer.fit([*TEXTS, *[ModelText(subject, body)] * 3])
    apart = vectorizer.take_apart(ModelText(subject, body))
    sums = np.bincount(apart.column, apart.weight, minlength=vectorizer.n_columns)
    np.testing.assert_allclose(sums, dense(vectorizer.transform([ModelText(subject, body)]))[0], atol=1e-5)
    assert np.all(apart.phrase < len(apart.phrases))


def test_a_product_is_that_of_the_dense_matrix() -> None:
    rows = NgramVectorizer.fit(TEXTS).transform(TEXTS)
    weights = np.random.default_rng(0).normal(size=(rows.n_columns, 3)).astype(np.float32)
    np.testing.assert_allclose(rows.dot(weights), dense(rows) @ weights, atol=1e-4)
