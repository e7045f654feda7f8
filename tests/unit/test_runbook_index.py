"""Which runbook to follow, and where to start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from features.encoder import HashingEncoder, Vectors
from features.history import History
from features.lexical import LexicalStatistics
from features.runbook_index import MIN_RELEVANCE, KnownLinks, RunbookHit, RunbookIndex
from features.runbook_query import RunbookQuery
from features.runbooks import Runbook, RunbookSection
from features.text import ModelText

ENCODER = HashingEncoder(64)

SAML = Runbook(
    id="saml",
    title="SAML login failures",
    url="https://wiki.example/saml",
    tags=("sso",),
    sections=(
        RunbookSection("Meaning", "Users cannot complete single sign-on, the certificate has expired"),
        RunbookSection("Diagnosis", ""),
        RunbookSection("Mitigation", "Activate the previous certificate with samlctl"),
    ),
)
EXPORT = Runbook(
    id="export",
    title="Export failures",
    sections=(RunbookSection("", "Exports time out when a report has too many rows"),),
)
BILLING = Runbook(id="billing", title="Invoice disputes", sections=(RunbookSection("Check", "Compare usage events"),))
INDEX = RunbookIndex.build([SAML, EXPORT, BILLING], ENCODER)


class CountingEncoder(HashingEncoder):
    """Notes how many texts it was given."""

    n_encoded = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.n_encoded += len(texts)
        return super().encode(texts)


def search(subject: str, body: str = "", index: RunbookIndex = INDEX, limit: int = 3, **known: Any) -> list[RunbookHit]:
    return index.search(asked(subject, body), KnownLinks(**known), limit=limit)


def asked(subject: str, body: str = "") -> RunbookQuery:
    text = ModelText(subject, body)
    return RunbookQuery.of(text, ENCODER.encode([text.text])[0], ENCODER)


def test_the_best_section_is_where_to_start():
    (hit, *_) = search("SAML login failures", "which command to activate the previous certificate")

    assert (hit.id, hit.title, hit.url, hit.section) == ("saml", SAML.title, SAML.url, "Mitigation")
    assert 0.5 < hit.relevance <= 1.0
    assert hit.why[0].startswith("its section “Mitigation” reads alike (cosine 0.")
    assert hit.why[1].startswith("shares the words ")
    assert "previous" in hit.why[1]


def test_text_without_a_heading_is_named_by_the_title():
    assert search("Exports time out", "too many rows in a report")[0].section == "Export failures"


def test_nothing_relevant_gives_nothing():
    assert search("Where is my parcel", "It was sent on Monday") == []
    assert search("", "") == []
    assert RunbookIndex.build([], ENCODER).search(asked("a", "b")) == []


def test_links_of_similar_cases_count():
    assert search("Where is my parcel", followed={"billing": [0.1], "unknown": [9.0]}) == []

    (hit,) = search("Where is my parcel", followed={"billing": [1.0]})
    (sure,) = search("Where is my parcel", followed={"billing": [1.0, 1.0, 1.0]})

    assert hit.id == "billing"
    assert MIN_RELEVANCE < hit.relevance == pytest.approx(0.5)
    assert sure.relevance == pytest.approx(0.875)
    assert hit.why[0] == "followed in 1 similar resolved case"
    assert sure.why[0] == "followed in 3 similar resolved cases"


def test_links_add_to_the_text():
    plain = {hit.id: hit.relevance for hit in search("SAML login failures", "certificate expired")}
    linked = {
        hit.id: hit.relevance for hit in search("SAML login failures", "certificate expired", followed={"saml": [1.0]})
    }

    assert linked["saml"] == pytest.approx(1 - (1 - plain["saml"]) / 2)


def test_links_of_the_category_add_to_the_text_and_are_said():
    plain = search("Exports time out", "invoice")
    learned = search("Exports time out", "invoice", log_odds=np.array([0.0, 2.0, 0.0]))

    assert (plain[0].id, learned[0].id) == ("export", "export")
    assert learned[0].relevance > plain[0].relevance
    assert "tickets of this category or product often link to it" in learned[0].why
    assert "tickets of this category or product often link to it" not in plain[0].why


def test_a_runbook_that_was_refused_for_this_ticket_is_not_shown_again():
    known = {"followed": {"saml": [1.0, 1.0]}}

    assert [hit.id for hit in search("SAML login failures", **known)] == ["saml"]
    assert search("SAML login failures", **known, refused=frozenset({"saml", "gone"})) == []


def test_what_fits_half_as_well_as_the_best_is_not_shown():
    assert [hit.id for hit in search("x", followed={"saml": [5.0], "export": [0.5], "billing": [1.2]})] == [
        "saml",
        "billing",
    ]


def test_limit_and_order():
    hits = search("SAML export invoice", followed={"saml": [1.0], "export": [2.0], "billing": [3.0]}, limit=2)

    assert [hit.id for hit in hits] == ["billing", "export"]


def test_titles_services_tags_and_the_first_heading_can_be_left_out():
    bare = RunbookIndex.build([SAML, EXPORT, BILLING], ENCODER, use_titles=False)

    for word in ("failures", "sso", "Meaning"):
        assert INDEX.scores(asked(word)).lexical.any()
        assert not bare.scores(asked(word)).lexical.any()
    assert bare.scores(asked("Mitigation")).lexical[0] > 0
    assert search("Exports time out", "too many rows in a report", bare)[0].id == "export"


def test_headings_without_text_are_words_of_the_runbook_but_no_place_to_start():
    scores = INDEX.scores(asked("Diagnosis", "SAML login failures"))

    assert scores.lexical[0] > 0
    assert scores.best_section[0] in (0, 1)
    assert INDEX.ids == ["saml", "export", "billing"]


def test_a_runbook_without_text_is_found_by_its_title():
    empty = Runbook(id="empty", title="Quantum relay restarts")
    index = RunbookIndex.build([empty, SAML], ENCODER)

    assert search("Quantum relay restarts", index=index)[0].section == "Quantum relay restarts"


def test_a_runbook_scores_alone_as_among_others_by_its_vectors():
    alone = RunbookIndex.build([SAML], ENCODER)
    query = asked("certificate", "expired")

    assert alone.scores(query).dense[0] == pytest.approx(INDEX.scores(query).dense[0])


def test_words_that_tickets_rarely_use_are_named_first():
    statistics = LexicalStatistics.fit_texts([ModelText("users cannot complete certificate", "activate")] * 50)
    index = RunbookIndex.build([SAML, EXPORT], ENCODER, statistics)

    hit = search("SAML login failures", "users cannot activate the certificate with samlctl", index)[0]

    words = set(hit.why[1].removeprefix("shares the words ").split(", "))
    assert words == {"SAML", "login", "failures", "samlctl"}


def test_only_new_sections_are_encoded(tmp_path: Path):
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    encoder = CountingEncoder(64)
    first = RunbookIndex.build([SAML, EXPORT], encoder, store=history)
    assert encoder.n_encoded == 3

    second = RunbookIndex.build([SAML, EXPORT, BILLING], encoder, store=history)

    assert encoder.n_encoded == 4
    query = asked("certificate")
    np.testing.assert_allclose(second.scores(query).dense[:2], first.scores(query).dense)
    history.close()


def test_the_best_section_of_each_runbook_is_the_nearest_to_text_and_subject_together():
    rng = np.random.default_rng(0)
    words = ["certificate", "export", "queue", "invoice", "metadata", "login", "report", "usage"]
    runbooks = [
        Runbook(f"r{n}", f"title {n}", sections=tuple(
            RunbookSection(f"h{k}", " ".join(rng.choice(words, 4))) for k in range(int(rng.integers(1, 6)))
        ))
        for n in range(20)
    ]  # fmt: skip
    query = asked("export report", "the queue of the invoice export is full")

    found = RunbookIndex.build(runbooks, ENCODER).scores(query).best_section

    for runbook, best in zip(runbooks, found.tolist(), strict=True):
        texts = [f"{runbook.title}\n{section.heading}\n{section.text}" for section in runbook.sections]
        assert best == int(np.argmax((ENCODER.encode(texts) @ query.vectors.T).sum(axis=1)))
