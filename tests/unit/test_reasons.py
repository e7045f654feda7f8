from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.case_index import Candidate
from features.feature_space import Example
from features.lexical import document_terms
from features.text import ModelText, model_text
from features.ticket import Ticket
from serving.reasons import Asked, case_reasons

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
FAR = Candidate(row_id=1, cosine=0.1, bm25=0.0, bm25_subject=0.0)


def reasons(ticket: Ticket, case: Ticket, candidate: Candidate = FAR) -> list[str]:
    asked = Asked.of(Example(ticket, model_text(ticket), np.zeros(1, np.float32)), now=NOW.timestamp())
    text = model_text(case)
    return case_reasons(asked, case, candidate, document_terms(text.subject, text.body).text.hashes)


def test_everything_shared_is_named():
    ticket = Ticket(
        subject="Exports failing with CBL-7001",
        description="Nightly exports are stuck. Logins work.",
        product="reports",
        customer="Acme",
    )
    case = Ticket(
        subject="CBL-7001 when exporting",
        description="The nightly export is stuck again",
        product="reports",
        customer="Acme",
        created_at=NOW - timedelta(days=10),
    )
    found = reasons(ticket, case, Candidate(row_id=1, cosine=0.71, bm25=0.0, bm25_subject=0.0))
    assert found == [
        "shares CBL-7001",
        "words in common: Exports, Nightly, stuck",
        "close in meaning (0.71)",
        "same product (reports)",
        "same customer",
        "opened 10 days earlier",
    ]


def test_nothing_shared_is_nothing_said():
    assert reasons(Ticket(subject="Login"), Ticket(subject="Invoice")) == []
    assert reasons(Ticket(), Ticket()) == []


def test_unknown_product_and_customer_are_not_the_same():
    assert reasons(Ticket(subject="Login"), Ticket(subject="Invoice", product=None, customer=None)) == []


def test_a_word_is_named_once_and_never_a_placeholder():
    ticket = Ticket(subject="Export export EXPORTS", description="exporting for <EMAIL> and <NAME> at 10:15")
    case = Ticket(subject="exports", description="write to <EMAIL>, <NAME> at 11:30")
    assert reasons(ticket, case) == ["words in common: Export"]


@pytest.mark.parametrize(
    ("age", "said"),
    [
        (timedelta(days=-1), "opened after this ticket"),
        (timedelta(hours=3), "opened within a day"),
        (timedelta(days=1, hours=3), "opened a day earlier"),
        (timedelta(days=2), "opened 2 days earlier"),
        (timedelta(days=59), "opened 59 days earlier"),
        (timedelta(days=122), "opened 4 months earlier"),
        (timedelta(days=4018), "opened 11 years earlier"),
    ],
)
def test_age(age: timedelta, said: str):
    assert reasons(Ticket(), Ticket(created_at=NOW - age)) == [said]


def test_function_words_are_no_reason():
    ticket = Ticket(subject="We cannot export since this morning", description="There were exports which have failed")
    case = Ticket(subject="Since this morning there have been errors which our users see")
    assert reasons(ticket, case) == ["words in common: morning"]


def test_words_are_those_shown_and_the_language_that_of_the_whole_ticket():
    ticket = Ticket(
        subject="Anmeldung schlägt fehl",
        description="Seit heute Morgen können sich unsere Kollegen nicht mehr anmelden, weil das Zertifikat fehlt.",
    )
    shown = ModelText("Anmeldung", "unsere können Zertifikat")
    example = Example(ticket, model_text(ticket), np.zeros(1, np.float32))
    words = [word for word, _ in Asked.of(example, now=NOW.timestamp(), shown=shown).words]
    assert words == ["Anmeldung", "Zertifikat"]
