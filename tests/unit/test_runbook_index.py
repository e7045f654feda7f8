"""Which runbook to follow, and where to start."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from features.encoder import HashingEncoder, Vectors
from features.history import History
from features.lexical import LexicalStatistics
from features.runbook_index import MIN_RELEVANCE, RunbookHit, RunbookIndex
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


def search(subject: str, body: str = "", index: RunbookIndex = INDEX, **options: object) -> list[RunbookHit]:
    return index.search(asked(subject, body), **options)


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


@pytest.mark.parametrize("name", ["billing", "https://wiki.example/saml"])
def test_links_of_similar_cases_count_by_id_or_url(name: str):
    assert search("Where is my parcel", linked={name: 0.1, "unknown": 9.0}) == []

    (hit,) = search("Where is my parcel", linked={name: 1.0})
    (sure,) = search("Where is my parcel", linked={name: 3.0})

    assert hit.id == {"billing": "billing", "https://wiki.example/saml": "saml"}[name]
    assert MIN_RELEVANCE < hit.relevance == pytest.approx(0.5)
    assert sure.relevance == pytest.approx(0.875)
    assert hit.why[0] == "linked from similar resolved cases"


def test_links_add_to_the_text():
    plain = {hit.id: hit.relevance for hit in search("SAML login failures", "certificate expired")}
    linked = {
        hit.id: hit.relevance for hit in search("SAML login failures", "certificate expired", linked={"saml": 1.0})
    }

    assert linked["saml"] == pytest.approx(1 - (1 - plain["saml"]) / 2)


def test_limit_and_order():
    hits = search("SAML export invoice", linked={"saml": 1.0, "export": 2.0, "billing": 3.0}, limit=2)

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
