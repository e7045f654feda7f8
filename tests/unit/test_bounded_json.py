"""Long strings of JSON text are cut and marked; everything else passes as it is."""

import json

from hypothesis import given
from hypothesis import strategies as st

from features.sources.bounded_json import BoundedStrings, holds_cut_string

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def _bounded(text: str, size: int, max_chars: int) -> tuple[str, int]:
    strings = BoundedStrings(max_chars)
    return "".join(strings.bounded(text[at : at + size]) for at in range(0, len(text), size)), strings.n_cut


@given(JSON, st.integers(1, 12), st.booleans())
def test_short_strings_pass(value: object, size: int, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert _bounded(text, size, 10_000) == (text, 0)


@given(JSON, st.integers(1, 12), st.integers(1, 8))
def test_what_is_left_is_json_and_says_what_was_cut(value: object, size: int, max_chars: int) -> None:
    cut, n_cut = _bounded(json.dumps({"value": value}), size, max_chars + 5)
    parsed = json.loads(cut)
    # Keys are cut as well, so a mark may stand in one of them.
    assert ("\ufdd0cut\ufdd0" in json.dumps(parsed, ensure_ascii=False)) == (n_cut > 0)


def test_a_cut_string_is_found_at_any_depth() -> None:
    long = json.dumps({"a": [{"b": 'quote " and \\ and \n ' * 1000}], "c": "short"})
    cut, n_cut = _bounded(long, 64, 200)
    assert n_cut == 1
    assert len(cut) < 400
    assert json.loads(cut)["c"] == "short"
    assert holds_cut_string(json.loads(cut))
    assert not holds_cut_string(json.loads(long))


def test_invalid_escapes_are_left_to_the_parser() -> None:
    text = '{"a": "\\uZZZZ and more text"}'
    assert _bounded(text, 7, 1000) == (text, 0)
