"""The floors answer whatever the texts are, also where nothing can be learned from them."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.floors import tfidf_lr_probabilities, tfidf_svm
from evaluation.near_duplicates import has_near_duplicate, near_duplicate_groups

NO_SHARED_TERM = [f"单{i}词" for i in range(60)]


def test_texts_without_a_shared_term_get_the_most_frequent_label() -> None:
    labels = ["a"] * 40 + ["b"] * 20
    assert tfidf_svm(NO_SHARED_TERM, labels, ["单1词"]) == ["a"]


def test_texts_without_a_shared_term_get_the_shares_of_the_levels() -> None:
    levels = np.array([0] * 15 + [2] * 45)
    found = tfidf_lr_probabilities(NO_SHARED_TERM, levels, ["单1词"], 4)
    assert found.tolist() == [[0.25, 0.0, 0.75, 0.0]]


@pytest.mark.parametrize("texts", [["!!", "…"], ["", ""]])
def test_texts_without_a_word_are_no_duplicates(texts: list[str]) -> None:
    assert has_near_duplicate(texts, texts).tolist() == [False, False]
    assert near_duplicate_groups(texts).tolist() == [0, 1]


def test_a_plain_word_model_learns() -> None:
    train = ["login fails again", "login is broken", "invoice is wrong", "invoice counted twice"] * 5
    labels = ["login", "login", "invoice", "invoice"] * 5
    assert tfidf_svm(train, labels, ["my login", "an invoice"]) == ["login", "invoice"]
