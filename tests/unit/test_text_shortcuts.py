"""What is done faster for most texts gives what the long way gives."""

import pytest
import re2
from ftfy.badness import is_bad
from hypothesis import given
from hypothesis import strategies as st

from features import mail_markers, traces, volatile
from features.linear_regex import Pattern, PatternSet, encode
from features.repair import looks_bad

MOJIBAKE = st.text(st.sampled_from("ab ÃÂâ€œŠà²°îВЂГўβ™œÅ\xa0é©×³-.?\n"), max_size=40)


@given(MOJIBAKE, st.integers(0, 40), MOJIBAKE)
def test_a_wrong_encoding_is_seen_wherever_it_stands(before, n_plain, after):
    text = before + "x" * n_plain + after
    assert looks_bad(text) == is_bad(text)


@pytest.mark.parametrize("text", ["Ã©", "caf\u00c3\u00a9 au lait", "Â  x", "plain", "größer als 5 °C", "Ĺ‚ a Â b", ""])
def test_a_wrong_encoding_is_seen_as_ftfy_sees_it(text):
    assert looks_bad(text) == is_bad(text)


@given(st.lists(st.sampled_from([*"a1.:$</ ()", "at ", "Foo", "(Foo.java:12)", ") ~[x.jar:1]", "é", "\ud800"])))
def test_a_plain_frame_is_read_as_any_frame(parts):
    data = encode("at " + "".join(parts))
    plain = traces._PLAIN_FRAME.groups(data)
    assert plain is None or list(plain) == [group for group in traces._FRAME.groups(data) or () if group is not None]


def test_a_plain_frame_is_found_plain():
    assert traces._PLAIN_FRAME.groups(b"at a.b.C$D.<init>(C.java:7) ~[a.jar:1]") == (b"a.b.C$D.<init>",)


@given(st.lists(st.sampled_from(["=" * 79, "=", "a" * 80, "/x1", " ", "\n", "2026-01-05", "req_8f2c91ab", "0123456"])))
def test_volatile_tokens_go_line_by_line_as_from_the_whole_text(parts):
    text = "".join(parts)
    data = volatile._SOUGHT.sub(volatile._word, encode(text))
    lines = [volatile._replaced(line, volatile._LONG_RUN.occurs(line)) for line in encode(text).split(b"\n")]
    assert b"\n".join(lines) == data
    if not volatile._LONG_RUN.occurs(encode(text)):
        assert volatile._replaced(encode(text), False) == data


CONTACT_ANYWHERE = PatternSet([rf"(?:^|\n){mail_markers._CONTACT}\s*$"])


@given(
    st.lists(st.sampled_from(["Ann Lee", " | ", "Head of X", "+44 20 7946 0000", "a@b.example", "\n", " ", "\r", "9"]))
)
def test_a_contact_is_looked_for_in_the_last_line_that_says_something(parts):
    text = "".join(parts)
    assert mail_markers.has_marks(text) == bool(CONTACT_ANYWHERE.which(encode(text)))


@pytest.mark.parametrize("pattern", [r"[0-9]+", r"x*", r"(a)|(b)", r"$", r"\bat (\w+)?"])
@given(text=st.text("abx1 \n\xe9", max_size=12))
def test_matches_are_those_of_the_public_interface(pattern, text):
    data = encode(text)
    ours, theirs = Pattern(pattern), re2.compile(encode(pattern))
    assert [spans[0] for spans in ours.matches(data)] == [match.span() for match in theirs.finditer(data)]
    assert ours.occurs(data) == (theirs.search(data) is not None)
    whole = theirs.fullmatch(data)
    assert ours.fits(data) == (whole is not None)
    assert ours.groups(data) == (None if whole is None else whole.groups())
