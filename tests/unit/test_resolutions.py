import time

import pytest

from features.ticket import FixOutcome
from serving.resolutions import MAX_SUMMARY_CHARS, ResolvedNote, resolutions, says_what_was_done, summarise

ROTATED = "Rotated the SAML certificate and reloaded the identity provider metadata."
QUEUE = "Raised the memory limit of the export worker and restarted the stuck queue."


def note(case_id: str, text: str, outcome: FixOutcome = FixOutcome.UNKNOWN) -> ResolvedNote:
    return ResolvedNote(case_id, text, outcome)


@pytest.mark.parametrize(
    "text",
    ["", "fixed, thanks", "Closing as duplicate of CS-10444.", "No reply, closing", "<EMAIL> <PHONE>", "r1234567 #12"],
)
def test_a_note_that_only_ends_a_case_says_nothing(text: str):
    assert not says_what_was_done(text)
    assert resolutions([note("1", text)]) == []


def test_the_same_advice_is_given_once_with_its_sources():
    answers = resolutions(
        [
            note("1", QUEUE),
            note("2", ROTATED, FixOutcome.REOPENED),
            note(
                "3", "We rotated the SAML certificate, then reloaded metadata of the identity provider", FixOutcome.HELD
            ),
        ]
    )
    assert [answer.case_ids for answer in answers] == [["2", "3"], ["1"]]
    first, second = answers
    assert first.support == 2
    assert first.held_rate == 0.5
    assert first.summary.startswith("We rotated"), "the fix that held is the one to follow"
    assert second.held_rate is None


def test_equal_support_keeps_the_order_of_the_cases():
    answers = resolutions([note("1", QUEUE), note("2", ROTATED)])
    assert [answer.case_ids for answer in answers] == [["1"], ["2"]]


def test_limit():
    texts = [QUEUE, ROTATED, "Increased webhook timeout because receivers answered slowly overnight."]
    notes = [note(str(i), text) for i, text in enumerate(texts)]
    assert len(resolutions(notes, limit=2)) == 2


def test_a_summary_begins_with_what_was_done():
    assert summarise(f"Hello, thanks for waiting. {ROTATED} Closing.") == f"{ROTATED} Closing."


def test_a_summary_is_bounded_and_extractive():
    text = " ".join([QUEUE] * 50)
    assert len(summarise(text)) <= MAX_SUMMARY_CHARS
    assert text.startswith(summarise(text))
    word = "x" * 1000
    assert len(summarise(word)) == MAX_SUMMARY_CHARS
    assert summarise(word).endswith("…")


def test_a_megabyte_of_note_takes_no_time():
    huge = note("1", f"{ROTATED} " * 14_000)
    started = time.process_time()
    assert len(resolutions([huge] * 10)) == 1
    assert time.process_time() - started < 1.0
