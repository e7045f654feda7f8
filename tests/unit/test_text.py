"""Model text: the steps together, and its promises."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features.masking import Masker
from features.text import MAX_BODY_CHARS, MAX_SUBJECT_CHARS, ModelText, identifiers, model_text
from features.ticket import Author, Message, Ticket


def body_of(description: str) -> str:
    return model_text(Ticket(description=description)).body


def test_all_steps_together():
    description = (
        "Hi team,\n\nthe nightly export stops with CBL-7001 since 2026-01-05, see log:\n\n"
        "2026-01-05 02:10:00,120 INFO  export.Run: start req_8f2c91ab\n"
        "2026-01-05 02:10:44,462 ERROR export.Run: failed for <EMAIL>\n"
        "java.io.IOException: No space left on /var/tmp/exp-123456\n"
        "\tat com.acme.Disk.write(Disk.java:77)\n"
        "\tat com.acme.Export.run(Export.java:12)\n\n"
        "SchÃ¶ne GrÃ¼ÃŸe\nAnn Lee\n"
    )
    text = model_text(Ticket(subject="AW: Fwd:  Export fails at 02:10", description=description))
    assert text.subject == "Export fails at time"
    assert text.body == (
        "Hi team,\nthe nightly export stops with CBL-7001 since date, see log:\n"
        "INFO export.Run: start req_id\nERROR export.Run: failed for email\n"
        "java.io.IOException: No space left on /var/tmp/exp_id\nat com.acme.Disk.write\nat com.acme.Export.run"
    )
    assert text.text == f"{text.subject}\n{text.body}"


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("schÃ¶n â€“ kaputt", "schön – kaputt"),
        ("it\u2019s \u201cfine\u201d", 'it\'s "fine"'),
        ("a\x00b\u200bc\ufeff\x07", "abc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\ud83d\ude00 \ud800x", "😀 x"),
        ("Ｆｕｌｌ ﬁne e\u0301", "Full fine é"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("a\u00a0\t  b", "a b"),
    ],
)
def test_unicode_is_repaired(text: str, repaired: str):
    assert body_of(text) == repaired


def test_lines_are_said_once():
    assert body_of("the same long line\n\n\nthe same long line\nno\nno") == "the same long line\nno\nno"


def test_of_a_long_text_head_errors_and_tail_stay():
    filler = [f"nothing to see in sentence {number} of this letter" for number in range(400)]
    filler[200] = "and here it said CBL-7001 export failed"
    text = body_of("\n".join(["first line", *filler, "last line"]))
    assert len(text) <= MAX_BODY_CHARS
    assert text.startswith("first line\n")
    assert text.endswith("\nlast line")
    assert "\nand here it said CBL-7001 export failed\n" in text


def test_of_a_huge_text_the_error_is_read():
    huge = "x y z\n" * 400_000 + "java.io.IOException: disk full\n" + "x y z\n" * 400_000
    ticket = Ticket(subject="s" * 10_000, description=huge)
    text = model_text(ticket)
    assert "java.io.IOException: disk full" in text.body
    assert len(text.subject) <= MAX_SUBJECT_CHARS
    assert "IOException" in identifiers(ticket)


def test_one_endless_word_is_cut():
    assert len(body_of("xy" * 1_000_000)) <= MAX_BODY_CHARS


AT = datetime(2026, 1, 5, tzinfo=UTC)


def test_messages_stand_in_for_a_blank_description():
    messages = (
        Message(AT, Author.CUSTOMER, "It is broken."),
        Message(AT, Author.CUSTOMER, "Really."),
        Message(AT, Author.AGENT, "What is?"),
        Message(AT, Author.CUSTOMER, "The export."),
    )
    assert model_text(Ticket(description=" \n", messages=messages)).body == "It is broken.\nReally."
    assert model_text(Ticket(description="Mine.", messages=messages)).body == "Mine."
    assert model_text(Ticket(messages=messages[2:])).body == ""


def test_masked_and_plain_tickets_read_the_same():
    plain = "ann@example.com from 203.0.113.9:443 cannot log in"
    assert body_of(Masker().mask(plain)) == body_of(plain) == "email from ip cannot log in"


def test_blank_tickets():
    assert model_text(Ticket()) == ModelText("", "")
    assert identifiers(Ticket()) == ()


def test_identifiers_come_from_subject_and_description():
    ticket = Ticket(subject="CBL-4012", description="2026-01-05 02:10:44 ERROR x\njava.io.IOException: y")
    assert identifiers(ticket) == ("CBL-4012", "IOException")


LINES = [
    *[
        "Thanks,",
        "Best regards",
        "Bob",
        "> quoted",
        "On Mon, Jan 5 Bob wrote:",
        "From: a",
        "Sent: b",
        "Subject: FW: x",
        "--",
    ],
    *[
        "Sent from my iPhone",
        "-----Original Message-----",
        "Begin forwarded message:",
        "PS",
        "Re: x",
        "a b c d e f",
        "",
        " ",
    ],
    *[
        "java.lang.Error: x",
        "\tat a.b.C.d(E.java:1)",
        "    at f (/x/y.js:1:2)",
        "Caused by: x",
        "... 3 more",
        "    code()",
    ],
    *["Traceback (most recent call last):", '  File "a/b.py", line 3, in f', "ValueError: x", "goroutine 1 [running]:"],
    *[
        "main.f(0x0)",
        "\t/a/b.go:12 +0x1",
        "2018-07-11 11:10:44,462 ERROR x",
        "10:10:10 INFO y",
        "Ann &amp; Bo",
        "schÃ¶n",
    ],
    *["\ud800", "\x00\x1b[0m", "\u2028", "req_8f2c at 12:30", "<IP>:80 <EMAIL>", "deadbeef12 123456"],
]
mails = st.lists(st.sampled_from(LINES), max_size=40).map("\n".join)
tokens = st.lists(
    st.sampled_from([*" -_:/.,()@<>&;=", "12:30", "9f86d081", "blk_1", "time", "id", "10.2.3.4"]), max_size=30
)
any_text = st.text(st.characters(codec=None), max_size=120) | mails | tokens.map("".join)


@given(any_text, any_text)
@example("", "Thanks\n" * 300)
@example("Re: " * 50, "> " * 500)
@settings(max_examples=300, deadline=None)
def test_model_text_is_bounded_and_idempotent(subject: str, description: str):
    text = model_text(Ticket(subject=subject, description=description))
    assert len(text.subject) <= MAX_SUBJECT_CHARS
    assert len(text.body) <= MAX_BODY_CHARS
    assert model_text(Ticket(subject=text.subject, description=text.body)) == text
    assert len(identifiers(Ticket(subject=subject, description=description))) <= 24


HOSTILE = [
    *[
        "a",
        "1",
        "1.",
        "a@",
        "a@b.co ",
        "1.2.3.4 ",
        "10.2.3.4 ",
        "::",
        "abcd::1 ",
        "://a:",
        "://a:b@",
        "12:30:00 ",
        "1-",
    ],
    *["+1 2 3 4 5 6 7", "030 1", "4111 ", "DE89 ", "password=", 'password="', "secret: ", "token=", "password is "],
    *["clave: a", "eyJaaaaaaaa.", "a_b_live_1", "07Q~", "-----BEGIN PRIVATE KEY-----", "curl -u ", "cookie: a="],
    *["authorization: ", "bearer ", "<name>", "<EMAIL>", "<", "[", "\\", "'", "\n", "> \n", "é", "\ud800", "\x00"],
    *["Thanks\n", "at a.b(c) ", "at a.b.C.d(E.java:1)\n", 'File "', "a-1", "a_", "&amp;", "Ã"],
]


def _seconds(work: Callable[[str], object], text: str) -> float:
    start = time.process_time()
    work(text)
    return time.process_time() - start


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("work", [Masker().mask, body_of], ids=["mask", "model_text"])
def test_time_grows_with_length_and_no_faster(work: Callable[[str], object], piece: str):
    """Four times the text takes about four times as long: a square would take sixteen."""
    short = (piece * 50_000)[:50_000]
    # The floor keeps noise of a millisecond out of the quotient; the better of two runs, in the processor's time,
    # keeps a busy machine out.
    once = min(_seconds(work, short) for _ in range(2)) + 0.02
    four = min(_seconds(work, short * 4) for _ in range(2))
    assert four < 9 * once
