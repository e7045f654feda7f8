import signal
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import serving.sentences
from serving.sentences import MAX_SENTENCE_CHARS, READ_CHARS, sentences


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        (
            "Set dfs.replication in hdfs-site.xml to 2. Then restarted.",
            ["Set dfs.replication in hdfs-site.xml to 2.", "Then restarted."],
        ),
        ("Fixed in 2.7.1. Upgrade to 3.0.", ["Fixed in 2.7.1.", "Upgrade to 3.0."]),
        ("Use a proxy, e.g. nginx, i.e. the usual one.", ["Use a proxy, e.g. nginx, i.e. the usual one."]),
        ('Why?! It (really.) was "it..." Ok… Done.', ["Why?!", "It (really.)", 'was "it..."', "Ok…", "Done."]),
        ("Page waits 250 ms. Feels good now.", ["Page waits 250 ms.", "Feels good now."]),
        ("See https://example.com/a.b?c=d. Done!", ["See https://example.com/a.b?c=d.", "Done!"]),
        ("* Raised the limit\n* Restarted the worker", ["Raised the limit", "Restarted the worker"]),
        ("1. Stop it.\n2) Start it.", ["Stop it.", "Start it."]),
        ("Raised the\nlimit of the worker", ["Raised the limit of the worker"]),
        ("Ran this:\n{code}\nrm -rf /tmp/x\n{code}\nand it went", ["Ran this:", "and it went"]),
        ("Before\n{noformat}never closed. Really.", ["Before"]),
        ("> Why is it slow?\nbq. Is it?\nIt was the disk.", ["It was the disk."]),
        (
            "It failed:\n\tat org.x.Y.z(Y.java:12)\n2026-01-02 10:00:00 ERROR no\nRestarted it.",
            ["It failed:", "Restarted it."],
        ),
        ("| -1 | tests | 0m 1s |\n@@ -1 +1 @@\n+++ b/x\nDone.", ["Done."]),
        ("", []),
    ],
)
def test_sentences_of_a_note(note: str, expected: list[str]):
    assert list(sentences(note)) == expected


def test_what_is_read_is_bounded():
    assert list(sentences("word " * READ_CHARS)) == []
    assert list(sentences(" " * 2 * READ_CHARS)) == []
    assert list(sentences("Done" + " " * READ_CHARS)) == ["Done"]
    many = list(sentences("Raised the limit. " * READ_CHARS))
    assert len(many) == READ_CHARS // len("Raised the limit. ") + 1


@pytest.fixture
def no_hang() -> Iterator[None]:
    """End a test that would go on for an hour."""

    def over(*_args: object) -> None:
        raise AssertionError("it takes more than linear time")

    before = signal.signal(signal.SIGALRM, over)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("unit", [".", "!?", ".)", "x.", "a(", ") ", ";", " ", "@@ ", "{code:", "- \n", "at a.", "{}"])
@pytest.mark.usefixtures("no_hang")
def test_marks_without_end_take_linear_time(unit: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(serving.sentences, "READ_CHARS", 300_000)
    list(sentences("x" + unit * (300_000 // len(unit)) + "x"))


@given(st.text() | st.text(alphabet="ab.!?:;{}code>*|1 \n\t'\"", max_size=400))
def test_every_sentence_stands_in_the_note(note: str):
    words = " ".join(note.split())
    for sentence in sentences(note):
        assert sentence == " ".join(sentence.split())
        assert 0 < len(sentence) <= MAX_SENTENCE_CHARS
        # Lines that were joined may have had a list marker or a quote between them.
        assert all(word in words for word in sentence.split())
