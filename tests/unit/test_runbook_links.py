"""What links to runbooks teach: by category and product, beside the text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from features.encoder import HashingEncoder
from features.history import History
from features.runbook_index import RunbookScores
from features.runbook_names import RunbookNames
from features.runbooks import Runbook, RunbookSection
from features.ticket import Author, Case, Link, LinkType, Message, Outcome, Ticket
from serving.runbook_answers import followed, linked_runbooks
from serving.runbook_map import RunbookMap, lift
from training.data import load_training_data
from training.runbook_links import LinkedTicket, fit_runbook_links, fit_runbook_map

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
IDS = ["saml", "billing", "export"]
SAML = Runbook(
    "saml", "SAML login failures", "https://wiki.example/saml/", sections=(RunbookSection("", "certificate"),)
)
BILLING = Runbook("billing", "Billing", sections=(RunbookSection("", "invoice"),))


def linked(
    category: str | None, runbook: str, *, product: str | None = None, customer: str | None = None
) -> LinkedTicket:
    """A ticket whose text says nothing of any runbook."""
    nothing = np.zeros(3)
    scores = RunbookScores(nothing, nothing, nothing, np.zeros(3, dtype=np.int64))
    return LinkedTicket(scores, np.array([name == runbook for name in IDS]), category, 1.0, product, customer, FIRST)


def test_categories_that_always_need_the_same_runbook_teach_it():
    learned = fit_runbook_map([linked("Login", "saml"), linked("Invoices", "billing")] * 30, IDS)

    assert learned.category == {"Invoices": {"billing": 30}, "Login": {"saml": 30}}
    assert learned.category_weight > 0.5
    more = learned.log_odds(IDS, category="Login", confidence=1.0, product=None)
    assert more[0] > 0 > more[1]
    assert more[2] == 0.0, "a runbook that no link names is neither favoured nor held back"


def test_an_unsure_category_says_less():
    learned = fit_runbook_map([linked("Login", "saml"), linked("Invoices", "billing")] * 30, IDS)

    sure, unsure = (learned.log_odds(IDS, category="Login", confidence=c, product=None) for c in (1.0, 0.5))

    assert unsure == pytest.approx(sure / 2)


def test_links_that_do_not_follow_the_category_weigh_nothing():
    rng = np.random.default_rng(0)
    tickets = [linked(str(rng.choice(["Login", "Invoices"])), str(rng.choice(IDS))) for _ in range(200)]

    assert fit_runbook_map(tickets, IDS).category_weight < 0.2


def test_nothing_is_learned_from_few_links():
    assert fit_runbook_map([linked("Login", "saml", product="portal")] * 19, IDS) == RunbookMap()


def test_a_label_of_few_tickets_or_of_one_customer_stays_out_of_the_release():
    tickets = [linked("Login", "saml", product="portal", customer=f"C{number}") for number in range(20)]
    rare = [linked("Login", "saml", product="Project Halcyon", customer=name) for name in ("C1", "C2")]
    private = [linked("Merger", "billing", product="vault", customer="C1")] * 9

    learned = fit_runbook_map([*tickets, *rare, *private], IDS)

    assert learned.product == {"portal": {"saml": 20}}
    assert learned.category == {"Login": {"saml": 22}}


def test_a_map_survives_a_release():
    learned = fit_runbook_map([linked("Login", "saml", product="portal"), linked("Invoices", "billing")] * 30, IDS)

    assert RunbookMap.from_json(learned.to_json()) == learned


def test_the_lift_of_an_unknown_label_is_nothing():
    learned = RunbookMap({"Login": {"saml": 3}}, category_weight=1.0)

    assert learned.log_odds(IDS, category="Weather", confidence=1.0, product=None).tolist() == [0.0, 0.0, 0.0]
    assert lift(np.zeros(3), np.zeros(3)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Followed SAML Login Failures, step 3", {"saml"}),
        ("see https://wiki.example/saml#step-3", {"saml"}),
        ("see https://wiki.example/saml-old", set()),
        ("see https://wiki.example/saml/rotate", set()),
        ("see https://wiki.example/saml. It helped", {"saml"}),
        ("see https://wiki.example/saml/#step-3", {"saml"}),
        ("xSAML login failures", set()),
        ("Billing is done by another team", set()),
        ("", set()),
    ],
)
def test_texts_name_runbooks_by_title_or_address(text: str, found: set[str]):
    assert RunbookNames([SAML, BILLING]).mentioned(text) == found


def test_a_case_links_by_id_by_address_or_by_name():
    names = RunbookNames([SAML, BILLING])
    links = (Link(LinkType.RUNBOOK, "billing"), Link(LinkType.RUNBOOK, "gone"), Link(LinkType.RELATED, "saml"))
    said = Message(FIRST, Author.AGENT, "I used https://wiki.example/saml")
    asked = Message(FIRST, Author.CUSTOMER, "Is it the one called SAML login failures?")

    assert linked_runbooks(Case(ticket=Ticket(id="1", subject="x"), links=links), names) == {"billing"}
    assert linked_runbooks(Case(ticket=Ticket(id="1", subject="x", messages=(said,))), names) == {"saml"}
    assert linked_runbooks(Case(ticket=Ticket(id="1", subject="x", messages=(asked,))), names) == set()
    resolved = Case(ticket=Ticket(id="1", subject="x"), outcome=Outcome(resolution="Followed 'SAML login failures'."))
    assert followed([(0.9, resolved), (0.4, resolved)], names) == {"saml": [0.9, 0.4]}


def test_what_two_runbooks_are_called_names_neither():
    twin = replace(SAML, id="saml-2", url="https://wiki.example/other")

    assert RunbookNames([SAML, twin]).mentioned("followed SAML login failures") == set()
    assert RunbookNames([SAML, twin]).mentioned("see https://wiki.example/other") == {"saml-2"}
    assert RunbookNames([SAML]).id_of("https://wiki.example/saml/#resolution") == "saml"


def test_links_before_the_cut_teach_and_those_after_score(tmp_path: Path):
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    history.replace_runbooks([SAML, BILLING])
    cases = [
        Case(
            ticket=Ticket(id=f"T-{day}", subject="help please", created_at=FIRST + timedelta(days=day)),
            outcome=Outcome(category="Login" if day % 2 else "Invoices"),
            links=(Link(LinkType.RUNBOOK, "saml" if day % 2 else "billing"),),
        )
        for day in range(60)
    ]
    history.upsert(cases, masking_rules="1")
    encoder = HashingEncoder()
    data = load_training_data(history, encoder)

    learned, figures = fit_runbook_links(data, history, encoder, FIRST + timedelta(days=40), {})

    assert sum(learned.category["Login"].values()) == 20
    assert figures.by_text["fused"].n == 60
    assert {name: found.n for name, found in figures.newest.items()} == {"fused": 20, "learned": 20}
    assert figures.newest["learned"].recall_at_1 == 1.0 > figures.newest["fused"].recall_at_1
    wrong = {stored.row_id: ("Invoices", 1.0) for stored in data.cases}
    _, misled = fit_runbook_links(data, history, encoder, FIRST + timedelta(days=40), wrong)
    assert misled.newest["learned"].recall_at_1 == 0.5, "newest tickets count with the category that was predicted"
    history.close()
