"""What a query and a case share beside BM25."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.forward import ForwardIndex, LexicalQuery, Overlap
from features.lexical import LexicalStatistics, analyze, document_terms, term_hashes

WORDS = ["login", "invoice", "timeout", "sso", "export", "webhook", "retry"]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join)


def overlap_of(
    query: tuple[str, str], cases: list[tuple[str, str]], slots: list[int]
) -> tuple[Overlap, LexicalStatistics]:
    documents = [document_terms(*case) for case in cases]
    statistics = LexicalStatistics.fit(documents)
    index = ForwardIndex()
    index.extend(documents)
    terms = LexicalQuery.of(document_terms(*query), statistics)
    return index.compare(terms, np.array(slots, dtype=np.int64))[2], statistics


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=6), TEXTS, TEXTS)
def test_overlap_is_that_of_sets_of_terms(cases: list[tuple[str, str]], subject: str, body: str):
    slots = list(range(len(cases)))[::-1]
    found, statistics = overlap_of((subject, body), cases, slots)

    def idf(terms: set[str]) -> list[float]:
        return [float(statistics.idf(term_hashes([term]))[0]) for term in sorted(terms)]

    own_subject, own = set(analyze(subject)), set(analyze(f"{subject}\n{body}"))
    for i, slot in enumerate(slots):
        its_subject, its = set(analyze(cases[slot][0])), set(analyze(" ".join(cases[slot])))
        covered = sum(idf(own_subject & its)) / sum(idf(own_subject)) if own_subject else 0.0
        known = sum(idf(its_subject & own)) / sum(idf(its_subject)) if its_subject else 0.0
        rarest = sum(sorted(idf(own & its))[-3:]) / (3 * statistics.highest_idf)
        assert found.subject_coverage[i] == pytest.approx(covered, abs=1e-6)
        assert found.case_subject_coverage[i] == pytest.approx(known, abs=1e-6)
        assert found.rarest_shared[i] == pytest.approx(rarest, abs=1e-6)
    shared = [own & set(analyze(" ".join(cases[slot]))) for slot in slots]
    frequency = Counter(term for terms in shared for term in terms)
    here = {term: math.log1p((len(slots) - df + 0.5) / (df + 0.5)) for term, df in frequency.items()}
    highest = sum(sorted(here.values())[-3:])
    expected = [sum(sorted(here[term] for term in terms)[-3:]) / highest if terms else 0.0 for terms in shared]
    assert found.rarest_here.tolist() == pytest.approx(expected, abs=1e-6)


def test_a_term_that_most_cases_share_is_not_rare_here_however_rare_it_is_elsewhere():
    elsewhere = [("invoice", f"wrong sum {i}") for i in range(30)]
    cases = [("quokka login", ""), ("quokka login", ""), ("quokka login", "retry"), *elsewhere]
    found, _ = overlap_of(("quokka", "retry"), cases, [0, 1, 2])
    assert found.rarest_shared[0] > 0.2
    assert found.rarest_here[0] < 0.15
    assert found.rarest_here[2] == pytest.approx(1.0)


def test_a_query_without_terms_shares_nothing():
    found, _ = overlap_of(("", "..."), [("sso login", "timeout"), ("", "")], [0, 1])
    assert found.subject_coverage.tolist() == found.rarest_shared.tolist() == [0.0, 0.0]
    assert found.rarest_here.tolist() == [0.0, 0.0]
    assert found.case_subject_coverage.tolist() == [0.0, 0.0]


def test_no_slots_give_no_rows():
    found, _ = overlap_of(("sso", ""), [("sso login", "timeout")], [])
    assert len(found.subject_coverage) == len(found.case_subject_coverage) == 0
    assert len(found.rarest_shared) == len(found.rarest_here) == 0
