"""Boilerplate: what a history has in many unlike tickets is not searched for, and nothing else is left out."""

from __future__ import annotations

import string

import numpy as np
import pytest

from features.boilerplate import MIN_TICKETS, Boilerplate
from features.case_filter import CaseFilter
from features.case_index import CaseIndex, CaseQuery
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.text import ModelText, model_text
from features.ticket import Case, Ticket

FORM = "Hi support team,\nSteps to reproduce: {what}\nThis message was created by the shop robot"


def texts(n: int, subject: str = "{word} broken") -> list[ModelText]:
    words = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase]
    return [ModelText(subject.format(word=words[i]), FORM.format(what=f"open {words[i]}")) for i in range(n)]


def test_lines_and_headings_of_many_unlike_tickets_go():
    learned = Boilerplate.fit(texts(40))
    asked = ModelText("Steps to reproduce:", FORM.format(what="log in twice") + "\nIt fails")
    assert learned.without(asked) == ModelText("Steps to reproduce:", "log in twice\nIt fails")


def test_what_few_tickets_have_stays():
    few = texts(MIN_TICKETS - 1) + [ModelText(f"other {i}", f"nothing {i}") for i in range(30)]
    assert Boilerplate.fit(few).without(few[0]) == few[0]
    rare = texts(MIN_TICKETS) + [ModelText(f"other {i}", f"nothing {i}") for i in range(MIN_TICKETS * 60)]
    assert Boilerplate.fit(rare).without(rare[0]) == rare[0]


def test_an_alert_that_comes_back_is_no_boilerplate():
    alerts = texts(60, subject="Disk of host 7 is full")
    assert Boilerplate.fit(alerts).without(alerts[0]) == alerts[0]


def test_a_form_of_one_customer_is_no_boilerplate():
    history = texts(40)
    own = Boilerplate.fit(history, ["Acme"] * 40)
    assert own.without(history[0]) == history[0]
    shared = Boilerplate.fit(history, ["Acme", "Globex"] * 20)
    assert shared.without(history[0]).body == "open aa"
    unknown = Boilerplate.fit(history, [None] * 40)
    assert unknown.without(history[0]).body == "open aa"


def test_nothing_learned_leaves_everything():
    assert Boilerplate.fit([]).without(texts(1)[0]) == texts(1)[0]
    assert not len(Boilerplate().hashes)


def test_statistics_carry_it_into_a_release_and_old_ones_have_none():
    statistics = LexicalStatistics.fit_texts(texts(40))
    arrays = statistics.to_arrays()
    assert np.array_equal(LexicalStatistics.from_arrays(arrays).boilerplate.hashes, statistics.boilerplate.hashes)
    assert len(statistics.boilerplate.hashes) == 3
    del arrays["boilerplate"]
    assert not len(LexicalStatistics.from_arrays(arrays).boilerplate.hashes)


def test_two_tickets_that_share_a_form_share_no_words(tmp_path):
    encoder = HashingEncoder(32)
    words = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase][:40]
    tickets = [Ticket(id=w, subject=f"{w} broken", description=FORM.format(what=f"open {w}")) for w in words]
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    history.upsert([Case(ticket=ticket) for ticket in tickets], masking_rules="1")
    index = CaseIndex.create(
        tmp_path / "index", encoder, LexicalStatistics.fit_texts([model_text(ticket) for ticket in tickets])
    )
    index.replay(history)
    try:
        text = model_text(Ticket(subject="invoice", description=FORM.format(what="pay ab")))
        query = CaseQuery(text=text, vector=encoder.encode([text.text])[0], now=0.0)
        found = {index.entries([c.row_id])[0].id: c for c in index.search(query, CaseFilter())}
        assert max(found, key=lambda id_: found[id_].bm25) == "ab"
        assert [id_ for id_, candidate in found.items() if candidate.bm25 > 0] == ["ab"]
        assert found["ac"].rarest_shared == pytest.approx(0.0)
    finally:
        index.close()
        history.close()
