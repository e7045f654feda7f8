"""What is masked, what is not, and the masker's promises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.linear_regex import PatternSet, encode
from features.masking import MAX_GROWTH, RULES, RULES_VERSION, Masker

MASKER = Masker()
TRIGGERS = PatternSet(rule.trigger for rule in RULES)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ann@example.com, please", "write to <EMAIL>, please"),
        ("Jürgen.Öz@müller-gmbh.de", "<EMAIL>"),
        ("GET /users?email=ann%40example.com&x=1", "GET /users?email=<EMAIL>&x=1"),
        ("<ann.o'neil+x@mail.example.co.uk>", "<<EMAIL>>"),
        ("card 4111 1111 1111 1111 123", "card <CARD> 123"),
        ("card 4111.1111.1111.1111.", "card <CARD>."),
        ("3782-822463-10005 or 5105105105105100", "<CARD> or <CARD>"),
        ("IBAN DE89 3704 0044 0532 0130 00 BIC X", "IBAN <IBAN> BIC X"),
        ("my IBAN: DE00 0000 0000 1234 5678 90", "my IBAN: <IBAN>"),
        ("GB29NWBK60161331926819.", "<IBAN>."),
    ],
)
def test_personal_data(text: str, masked: str):
    assert MASKER.mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "at org.apache.activemq.Broker.start(Broker.java:1234)",
        "java.lang.Object@6d06d69c.toString",
        "lodash@4.17.21, icon@2x.png, git@github.com:x/y",
        "principal nn/host1@EXAMPLE.COM",
        "r1410783 | 2012-11-17 12:56:07 -0800 (Sat, 17 Nov 2012)",
        "blk_1897961957_824575827 len=134217728 id 4539123456789012345",
        "1.4111.1111.1111.1111 and 4111.1111.1111.1112 and 4111.1111.1111.1111.1",
        "build 4111111111111112, order 5500000000000001",
        "commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b",
        "AB12 CDEF 3456 7890 1234 is no IBAN",
        "release 2.7.3.1 of 2026-01-05T08:14:22,229Z",
        "hdfs dfs -D dfs.block.size=67108864 1499594381431 0x80070005",
        "http://mail-archives.example/mbox/%3C1527716475007-0.post%40n4.example.com%3E",
        "uuid 123e4567-e89b-12d3-a456-426614174000",
        "",
    ],
)
def test_what_support_text_is_full_of_stays(text: str):
    assert MASKER.mask(text) == text


def test_kinds_together_and_placeholders_stay():
    text = "ann@example.com from 203.0.113.9:443 rang +49 30 1234567, password=hunter2, https://u:p@host.example/x"
    masked = "<EMAIL> from <IP>:443 rang <PHONE>, password=<PASSWORD>, https://<URL_CREDENTIALS>@host.example/x"
    assert MASKER.mask(text) == masked
    assert MASKER.mask(masked) == masked


def _capitalised(text: str) -> list[tuple[int, int]]:
    return [(text.index(name), text.index(name) + len(name)) for name in ("Ann Lee", "NAME", "é Bo") if name in text]


def test_names_are_masked_where_a_recogniser_is_given():
    assert (
        Masker(_capitalised).mask("ö Ann Lee and é Bo wrote to ann@example.com")
        == "ö <NAME> and <NAME> wrote to <EMAIL>"
    )
    assert MASKER.mask("Ann Lee") == "Ann Lee"


@pytest.mark.parametrize("spans", [[(0, 99)], [(-3, 2)], [(2, 2)], [(3, 1)]])
def test_spans_outside_the_text_are_left_out(spans: list[tuple[int, int]]):
    assert Masker(lambda _: spans).mask("abcd") == "abcd"


def test_overlapping_names_are_masked_once():
    assert Masker(lambda text: [(0, 3), (2, 5)] if text[0] != "<" else []).mask("Ann Lee") == "<NAME> Lee"


def test_a_name_never_cuts_a_placeholder():
    everything = Masker(lambda text: [(0, len(text))] if "@" not in text and "<" in text else [])
    assert everything.mask("mail a@b.example") == "mail <EMAIL>"


def test_what_a_recogniser_raises_is_passed_on():
    def broken(_: str) -> list[tuple[int, int]]:
        raise LookupError("no model")

    with pytest.raises(LookupError, match="no model"):
        Masker(broken).mask("x")


def test_rules_have_a_version():
    assert MASKER.rules_version == RULES_VERSION


PIECES = [
    *[
        "ann@b.co",
        "10.2.3.4",
        "203.0.113.9:80",
        "::1",
        "2001:db8::7",
        "+49 30 1234567",
        "030 7654321",
        "(415) 555-0132",
    ],
    *[
        "4111 1111 1111 1111",
        "4111",
        "1111",
        "DE89 3704 0044 0532 0130 00",
        "DE89",
        "3704",
        "00",
        "0x",
        "1",
        "2",
        "tel: ",
    ],
    *[
        "password=",
        "passwd: ",
        "token=",
        "secret: ",
        " is ",
        "value=",
        "</name>",
        "<value>",
        "<EMAIL>",
        "<NAME>",
        "://",
    ],
    *["sk_live_abcdefgh12345678", "AKIAIOSFODNN7EXAMPLE", "eyJhbGciOi.eyJzdWIiOi.x", "bearer ", "authorization: "],
    *["cookie: a=", "curl -u ", "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "://a:b@", "%3C", "%40"],
    *[
        '"',
        "'",
        ";",
        ",",
        ".",
        "-",
        "_",
        ":",
        "/",
        "@",
        "<",
        ">",
        "a",
        "é",
        "\ud800",
        "\x00",
        "\n",
        "\t",
        " ",
        " ",
        " ",
    ],
]
hostile = st.lists(st.sampled_from(PIECES), max_size=25).map("".join)
any_text = st.text(st.characters(codec=None), max_size=80) | hostile


@settings(deadline=None)
@given(any_text)
def test_masking_is_idempotent_and_bounded(text: str):
    masked = MASKER.mask(text)
    assert MASKER.mask(masked) == masked
    assert len(masked) <= MAX_GROWTH * len(text)


@settings(deadline=None)
@given(any_text)
def test_a_rule_finds_nothing_without_its_trigger(text: str):
    data = encode(text)
    triggered = TRIGGERS.which(data)
    for number, rule in enumerate(RULES):
        assert number in triggered or not rule.find(data), rule.find.__name__


@settings(deadline=None)
@given(any_text, st.lists(st.tuples(st.integers(-2, 90), st.integers(-2, 90)), max_size=4))
def test_no_recogniser_breaks_the_masker(text: str, spans: list[tuple[int, int]]):
    masked = Masker(lambda _: spans).mask(text)
    assert len(masked) <= MAX_GROWTH**2 * len(text)
