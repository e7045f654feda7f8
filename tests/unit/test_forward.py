"""BM25 of any candidates, by frozen statistics."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.forward import ForwardIndex, LexicalQuery
from features.lexical import LexicalStatistics, analyze, document_terms, term_hashes

WORDS = ["login", "invoice", "timeout", "sso", "export", "webhook", "retry"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def bm25(query: str, document: str, statistics: LexicalStatistics, mean_length: float) -> float:
    """The formula of Robertson and Zaragoza (2009), term by term."""
    counts, length = Counter(analyze(document)), len(analyze(document))
    total = 0.0
    for term in analyze(query):
        idf = float(statistics.idf(term_hashes([term]))[0])
        tf = counts[term]
        total += idf * tf * 2.2 / (tf + 1.2 * (0.25 + 0.75 * length / max(mean_length, 1.0)))
    return total


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), TEXTS, TEXTS)
def test_scores_are_bm25_over_the_self_score(cases: list[tuple[str, str]], subject: str, body: str):
    statistics = LexicalStatistics.fit([document_terms(*case) for case in cases])
    index = ForwardIndex()
    index.extend([document_terms(*case) for case in cases])
    slots = np.arange(len(cases))[::-1]

    of_subject, of_text, _ = index.compare(LexicalQuery.of(document_terms(subject, body), statistics), slots)

    for query, texts, found, mean in (
        (subject, [case[0] for case in cases], of_subject, statistics.mean_subject_length),
        (f"{subject} {body}", [" ".join(case) for case in cases], of_text, statistics.mean_text_length),
    ):
        best = bm25(query, query, statistics, mean)
        expected = [min(bm25(query, texts[slot], statistics, mean) / best, 1.0) if best else 0.0 for slot in slots]
        assert found == pytest.approx(expected, abs=1e-5)


def test_a_copy_scores_one_and_a_stranger_nothing():
    documents = [document_terms("sso login", "timeout"), document_terms("", ""), document_terms("invoice", "")]
    index = ForwardIndex()
    index.extend(documents)
    query = LexicalQuery.of(documents[0], LexicalStatistics.fit(documents))

    assert index.compare(query, np.array([0, 1, 2]))[1].tolist() == [1.0, 0.0, 0.0]


def test_a_score_does_not_depend_on_what_else_is_held_or_asked():
    documents = [document_terms(word, " ".join(WORDS[number:])) for number, word in enumerate(WORDS)]
    statistics = LexicalStatistics.fit(documents)
    query = LexicalQuery.of(document_terms("sso", "retry timeout"), statistics)
    alone, many = ForwardIndex(), ForwardIndex()
    alone.extend(documents[3:4])
    many.extend(documents)

    assert alone.compare(query, np.array([0]))[1][0] == many.compare(query, np.arange(7))[1][3]
    assert many.compare(query, np.array([3]))[1][0] == many.compare(query, np.arange(7))[1][3]


def test_no_query_and_no_candidates():
    documents = [document_terms("login", "")]
    index = ForwardIndex()
    index.extend(documents)
    statistics = LexicalStatistics.fit(documents)

    assert index.compare(LexicalQuery.of(document_terms("", "..."), statistics), np.array([0]))[1].tolist() == [0.0]
    assert len(index.compare(LexicalQuery.of(documents[0], statistics), np.empty(0, dtype=np.int64))[1]) == 0


def test_taken_slots_make_a_new_index():
    index = ForwardIndex()
    index.extend([document_terms("login login", "sso"), document_terms("export", ""), document_terms("", "retry")])

    taken = ForwardIndex(index.take(np.array([2, 0])))
    index.extend([document_terms("webhook", "retry")] * 100)
    taken.extend([document_terms("invoice", "")])

    assert len(taken) == 3
    assert [taken.document(slot).text.length for slot in range(3)] == [1, 3, 1]
    assert sorted(taken.document(1).text.counts.tolist()) == [1, 2]
    assert taken.document(2).subject.hashes.tolist() == term_hashes(["invoic"]).tolist()
    assert len(ForwardIndex(index.take(np.empty(0, dtype=np.int64)))) == 0
    assert index.n_bytes > taken.n_bytes > 0
