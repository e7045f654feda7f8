"""Patterns over bytes: spans, groups, sets and splicing."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st

from features.linear_regex import Pattern, PatternSet, decode, encode, splice

any_text = st.text(st.characters(codec=None), max_size=60)  # with lone surrogates


@settings(deadline=None)
@given(any_text)
def test_encoding_carries_every_string(text: str):
    assert decode(encode(text)) == text


def test_a_pattern_that_needs_backtracking_is_refused():
    with pytest.raises(re2.error, match="invalid perl operator"):
        Pattern(r"(?=look ahead)")


def test_spans_are_bytes():
    data = encode("é1 é22")
    assert [data[start:end] for start, end in Pattern(r"[0-9]+").spans(data)] == [b"1", b"22"]


def test_case_and_letters_of_any_script():
    assert Pattern("contraseña", ignore_case=True).occurs(encode("CONTRASEÑA"))
    assert not Pattern("contraseña").occurs(encode("CONTRASEÑA"))


def test_groups_of_the_whole_text():
    pattern = Pattern("a(b)?(c)")
    assert pattern.groups(b"ac") == (None, b"c")
    assert pattern.groups(b"acx") is None
    assert list(pattern.matches(b"xacabc")) == [[(1, 3), (-1, -1), (2, 3)], [(3, 6), (4, 5), (5, 6)]]


def test_sub_sees_each_match():
    assert Pattern("[a-c]").sub(bytes.upper, b"abcd") == b"ABCd"


def test_splice_leaves_out_what_overlaps():
    assert splice(b"abcdef", [(0, 3, b"1"), (2, 4, b"2"), (4, 5, b"3")]) == b"1d3f"
    data = b"abc"
    assert splice(data, []) is data


PATTERNS = ("[0-9]{3}", "(?i)ab", r"\bx", "é", "a.*b")


@settings(deadline=None)
@given(any_text)
def test_a_set_answers_as_its_patterns_do(text: str):
    data = encode(text)
    alone = tuple(number for number, pattern in enumerate(PATTERNS) if Pattern(pattern).occurs(data))
    assert PatternSet(PATTERNS).which(data) == alone


def test_a_set_of_whole_matches():
    assert PatternSet(["a", "a+", "b"], whole=True).which(b"aa") == (1,)
