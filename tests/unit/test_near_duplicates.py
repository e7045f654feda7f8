"""Near-duplicates: the pruned search finds what a full comparison finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from evaluation import near_duplicates
from evaluation.near_duplicates import has_near_duplicate, near_duplicate_groups

WORDS = ["login", "invoice", "timeout", "sso", "export", "the", "is", "a"]
TEXTS = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join), min_size=1, max_size=25)


def cosines(reference: list[str], queries: list[str]) -> np.ndarray:
    vectorizer = TfidfVectorizer(token_pattern=r"\w+").fit(reference)
    return (vectorizer.transform(queries) @ vectorizer.transform(reference).T).toarray()


@given(TEXTS, TEXTS, st.sampled_from([0.5, 0.8, 0.9]))
def test_the_pruned_search_is_exact(reference: list[str], queries: list[str], threshold: float):
    best = cosines(reference, queries).max(axis=1)
    found = has_near_duplicate(reference, queries, threshold=threshold)
    # float32 may fall on either side of the threshold itself.
    clear = np.abs(best - threshold) > 1e-5
    assert found[clear].tolist() == (best >= threshold)[clear].tolist()


@given(TEXTS)
def test_groups_are_the_connected_parts(texts: list[str]):
    near = cosines(texts, texts) >= 0.9 - 1e-6
    reach = near.copy()
    for _ in texts:
        reach = reach | ((reach.astype(int) @ near.astype(int)) > 0)
    groups = near_duplicate_groups(texts)
    assert ((groups[:, None] == groups[None, :]) == reach).all()


def test_blocks_do_not_change_what_is_found(monkeypatch: pytest.MonkeyPatch):
    texts = [f"{first} {second}" for first in WORDS for second in WORDS]
    whole = near_duplicate_groups(texts).tolist()
    monkeypatch.setattr(near_duplicates, "_BLOCK", 3)
    monkeypatch.setattr(near_duplicates, "_MAX_PAIRS", 7)
    assert near_duplicate_groups(texts).tolist() == whole


def test_nothing_is_near_nothing():
    assert near_duplicate_groups([]).tolist() == []
    assert has_near_duplicate([], ["login"]).tolist() == [False]
    assert has_near_duplicate(["login"], []).tolist() == []
    assert has_near_duplicate(["login"], ["", "..."]).tolist() == [False, False]
