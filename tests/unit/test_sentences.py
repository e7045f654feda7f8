import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    many = list(sentences("Raised the limit. " * READ_CHARS))
    assert len(many) == READ_CHARS // len("Raised the limit. ") + 1


@given(st.text() | st.text(alphabet="ab.!?:;{}code>*|1 \n\t'\"", max_size=400))
def test_every_sentence_stands_in_the_note(note: str):
    words = " ".join(note.split())
    for sentence in sentences(note):
        assert sentence == " ".join(sentence.split())
        assert 0 < len(sentence) <= MAX_SENTENCE_CHARS
        # Lines that were joined may have had a list marker or a quote between them.
        assert all(word in words for word in sentence.split())
