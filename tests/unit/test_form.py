"""The form of a ticket: finite whatever is written, and pointing where its names say."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.form import FORM_NAMES, form_features
from features.text import MAX_BODY_CHARS, MAX_SUBJECT_CHARS, ModelText, model_text
from features.ticket import Author, Message, Ticket

CLOCK = ("hour_sine", "hour_cosine", "weekend")
LENGTHS = ("text_length", "lines")


def form(ticket: Ticket) -> dict[str, float]:
    features = form_features(ticket, model_text(ticket))
    assert (features.shape, features.dtype) == ((len(FORM_NAMES),), np.float64)
    return dict(zip(FORM_NAMES, features.tolist(), strict=True))


@given(st.text(), st.text(), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_any_ticket_has_a_finite_form(subject: str, description: str, at: datetime | None):
    found = form(Ticket(subject=subject, description=description, created_at=at))
    assert all(math.isfinite(value) for value in found.values())
    assert all(value >= 0 for name, value in found.items() if name not in CLOCK)
    assert all(found[name] in (0.0, 1.0) for name in ("has_trace", "names_exception", "weekend"))
    assert found["hour_sine"] ** 2 + found["hour_cosine"] ** 2 == pytest.approx(0.0 if at is None else 1.0)


@given(st.text(alphabet=st.characters(categories=["Cs", "Cc", "Cf", "Lu"])))
def test_surrogates_and_control_characters_have_a_form(text: str):
    assert np.isfinite(form_features(Ticket(), ModelText(text, text))).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("says_broken", "the agent crashes and is unresponsive"),
        ("says_everybody", "nobody can work, all customers are affected in PRODUCTION"),
        ("says_cosmetic", "a typo in the tooltip"),
        ("says_test", "fails in the staging environment"),
        ("has_trace", "it says\n   at com.example.Main.run(Main.java:3)"),
        ("has_trace", 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n    x()\nValueError: bad'),
        ("names_exception", "NullPointerException"),
        ("lines", "one\ntwo\nthree"),
    ],
)
def test_words_and_marks_raise_their_own_count(name: str, text: str):
    plain = form(Ticket(subject="Report", description="the numbers look other than before"))
    assert plain[name] == 0.0
    found = form(Ticket(subject="Report", description=text))
    assert found[name] > 0.0
    more = form(Ticket(subject="Report", description=f"{text}\n{text}"))
    assert more[name] >= found[name]
    quiet = {other for other in FORM_NAMES if other.startswith("says_")} - {name, "says_broken"}
    assert all(found[other] == 0.0 for other in quiet)


@pytest.mark.parametrize("word", ["class", "downloads", "prodigy", "latest", "attestation", "contest", "labelled"])
def test_a_word_within_another_is_not_heard(word: str):
    found = form(Ticket(subject=word, description=f"the {word} here"))
    assert all(value == 0.0 for name, value in found.items() if name.startswith("says_"))


def test_words_of_the_subject_count_as_those_of_the_text():
    above, below = form(Ticket(subject="outage")), form(Ticket(description="outage"))
    assert above["says_broken"] == below["says_broken"] > 0


def test_longer_is_longer():
    short, long = (form(Ticket(subject="s" * n, description="a b " * n)) for n in (3, 30))
    assert short["subject_length"] < long["subject_length"]
    assert short["text_length"] < long["text_length"]


def test_the_first_messages_stand_in_for_a_description():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    messages = (Message(at, Author.CUSTOMER, "an outage"), Message(at, Author.AGENT, "a typo"))
    found = form(Ticket(subject="Report", messages=messages))
    assert found["says_broken"] > 0
    assert found["says_cosmetic"] == 0.0, "what an agent answers came later"


def test_the_hour_is_that_of_utc():
    noon = datetime(2026, 8, 1, 12, 30, tzinfo=UTC)  # a Saturday
    there = noon.astimezone(timezone(timedelta(hours=14)))  # where it is Sunday
    found = form(Ticket(created_at=noon))
    assert found == form(Ticket(created_at=there))
    assert (found["hour_cosine"] < -0.9, found["weekend"]) == (True, 1.0)
    assert form(Ticket(created_at=noon + timedelta(days=2)))["weekend"] == 0.0
    late, early = (
        form(Ticket(created_at=noon.replace(hour=hour, minute=minute))) for hour, minute in ((23, 59), (0, 1))
    )
    assert late["hour_cosine"] == pytest.approx(early["hour_cosine"], abs=1e-3), "midnight is no border"


@pytest.mark.parametrize("hostile", ["crash! ", "\tat a(", "prod\n", "a" * 64, "!\n", "Error Error"])
def test_only_what_models_read_is_counted(hostile: str):
    huge = form(Ticket(subject="s", description=hostile * (1_000_000 // len(hostile))))
    most = math.log1p(MAX_SUBJECT_CHARS + MAX_BODY_CHARS + 1)
    assert all(value <= most for value in huge.values())


@pytest.mark.parametrize(
    "change", [str.upper, lambda text: f"\n\n{text}  \n", lambda text: f"{text}\n-- \nAnn\n+49 30 1"]
)
def test_capitals_blanks_and_signatures_count_for_nothing(change):
    text = "Since the update nobody can log in, and the export is down for all customers of ours."
    assert form(Ticket(subject="Login", description=change(text))) == form(Ticket(subject="Login", description=text))
