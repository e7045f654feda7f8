"""The analyzer, hashed terms and frozen statistics."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.lexical import (
    MAX_COMPOUND_CHARS,
    LexicalStatistics,
    TermCounts,
    analyze,
    document_terms,
    surface_forms,
    term_hashes,
)
from features.text import ModelText


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("The logins were FAILING", ["login", "fail"]),
        ("java.io.IOException", ["java.io.ioexception", "java", "io", "ioexcept", "io", "except"]),
        ("dfs_block_size", ["dfs_block_size", "dfs", "block", "size"]),
        ("ORA-00942: no table", ["ora-00942", "ora", "00942", "tabl"]),
        ("HTTP2Server", ["http2server", "http", "server"]),
        ("Straße größer", ["straße", "größer"]),
        ("ошибка входа", ["ошибка", "входа"]),
        ("... --- !!!", []),
        ("", []),
    ],
)
def test_terms(text: str, terms: list[str]):
    assert analyze(text) == terms


def test_a_long_compound_gives_only_its_parts():
    path = "/".join(["part"] * MAX_COMPOUND_CHARS)

    assert set(analyze(path)) == {"part"}


def test_the_same_failure_pasted_and_told_share_terms():
    assert {"null", "pointer", "except"} <= set(analyze("NullPointerException")) & set(
        analyze("null pointer exception")
    )


@given(st.text())
def test_any_text_gives_terms_that_can_be_hashed(text: str):
    terms = analyze(text)

    assert all(terms)
    assert len(term_hashes(terms)) == len(terms)
    assert set(surface_forms(text)) == set(terms)


def test_hashes_do_not_change_between_versions():
    # Snapshots and releases hold them: another value here needs a new ANALYZER_VERSION.
    assert term_hashes(["login", "fail"]).tolist() == [1602191099, 2480861329]


def test_threads_agree():
    texts = [f"Restarting worker{number} failedOver number{number}" for number in range(300)]
    expected = [analyze(text) for text in texts]

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(analyze, texts)) == expected


def test_counts_are_sorted_and_keep_the_length():
    bag = TermCounts.of(np.array([7, 3, 7, 7], dtype=np.uint32))

    assert bag.hashes.tolist() == [3, 7]
    assert bag.counts.tolist() == [1, 3]
    assert bag.length == 4


def test_the_text_of_a_document_holds_its_subject():
    document = document_terms("Login fails", "login page is blank")

    assert document.subject.length == 2
    assert document.text.length == 5
    assert document.text.counts.max() == 2


def test_statistics_keep_terms_of_three_tickets_and_two_customers():
    documents = [document_terms(text, "") for text in ("login acme", "login acme", "login acme", "rare")]
    login, acme, rare = (term_hashes([term])[0] for term in ("login", "acm", "rare"))

    assert set(LexicalStatistics.fit(documents).hashes) == {login, acme}
    assert set(LexicalStatistics.fit(documents, [None] * 4).hashes) == {login, acme}
    assert set(LexicalStatistics.fit(documents, ["a", "a", "a", "b"]).hashes) == set()
    assert rare not in LexicalStatistics.fit(documents, ["a", "b", "a", "b"]).hashes
    # Tickets without a customer count together as one customer.
    assert set(LexicalStatistics.fit(documents, [None, None, None, "b"]).hashes) == set()
    assert set(LexicalStatistics.fit(documents, ["a", "a", None, "b"]).hashes) == {login, acme}


def test_idf_falls_with_frequency_and_is_largest_for_unseen_terms():
    documents = [document_terms("login", "")] * 6 + [document_terms("login page", "")] * 3
    statistics = LexicalStatistics.fit(documents)

    login, page, unseen = statistics.idf(term_hashes(["login", "page", "unseen"]))

    assert 0 < login < page < unseen
    assert unseen == pytest.approx(np.log1p((9 - 1 + 0.5) / 1.5))
    assert (statistics.mean_subject_length, statistics.mean_text_length) == (12 / 9, 12 / 9)


def test_statistics_of_model_texts_are_those_of_their_terms():
    texts = [ModelText("login", f"page {number} is blank") for number in range(5)]
    terms = [document_terms(text.subject, text.body) for text in texts]

    assert LexicalStatistics.fit_texts(texts).fingerprint == LexicalStatistics.fit(terms).fingerprint
    assert not len(LexicalStatistics.fit_texts(texts, ["acme"] * 5).hashes)


def test_statistics_of_nothing_still_weigh_terms():
    statistics = LexicalStatistics.fit([])

    assert statistics.idf(term_hashes(["login"]))[0] > 0


def test_statistics_survive_as_arrays():
    statistics = LexicalStatistics.fit([document_terms("login page", "is blank")] * 3)

    restored = LexicalStatistics.from_arrays(statistics.to_arrays())

    assert restored.fingerprint == statistics.fingerprint
    assert restored.mean_text_length == 3.0
    assert LexicalStatistics.fit([]).fingerprint != statistics.fingerprint
