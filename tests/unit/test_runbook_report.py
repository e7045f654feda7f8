"""The report on runbooks: what is missing, unused, failing and old, and what that costs."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from evaluation.report.page import excerpt
from evaluation.report.runbook_page import render_runbooks
from evaluation.runbook_draft import draft
from evaluation.runbook_report import RunbookReport, runbook_report
from evaluation.runbook_use import RunbookUse, runbook_use
from evaluation.topic_words import common_words
from evaluation.topics import topics, usual_nearness
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.runbook_index import RunbookIndex
from features.runbook_sources.markdown import parse_runbook
from features.runbooks import Runbook, RunbookSection
from features.ticket import Case, FixOutcome, Link, LinkType, Outcome, Severity, Status, Ticket

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
TODAY = date(2026, 7, 1)
ENCODER = HashingEncoder()
SAML = Runbook(
    "saml",
    "SAML login failures",
    last_reviewed=date(2026, 6, 1),
    sections=(RunbookSection("Meaning", "SAML login fails since the certificate has expired"),),
)
OLD = Runbook(
    "export", "Export failures", last_reviewed=date(2020, 1, 1), sections=(RunbookSection("", "export stuck in queue"),)
)
NEVER = Runbook("quantum", "Quantum relay", sections=(RunbookSection("", "entangle the pairs again"),))


def case(
    number: int,
    subject: str,
    *links: Link,
    outcome: FixOutcome = FixOutcome.UNKNOWN,
    group: str | None = None,
    hours: float = 10.0,
) -> Case:
    created = FIRST + timedelta(days=number)
    return Case(
        ticket=Ticket(id=f"T-{number}", subject=subject, created_at=created, access_group=group, product="portal"),
        outcome=Outcome(
            status=Status.RESOLVED,
            resolved_at=created + timedelta(hours=hours),
            category="Webhooks" if "webhook" in subject else "Login",
            severity=Severity.SEV3,
            resolution=f"Checked the gateway log. Replayed the dead letters of the queue by hand for {subject}.",
            outcome=outcome,
        ),
        links=links,
    )


def used(folder: Path, cases: list[Case], runbooks: list[Runbook], days: int = 365) -> tuple[RunbookUse, History]:
    history = History.open(f"sqlite:///{folder / 'history.db'}")
    history.replace_runbooks(runbooks)
    history.upsert(cases, masking_rules="1")
    index = RunbookIndex.build(history.runbooks(), ENCODER, store=history)
    use = runbook_use(history, ENCODER, index, days=days, progress=lambda done, total: None)
    assert use is not None
    return use, history


def reported(use: RunbookUse, runbooks: list[Runbook]) -> RunbookReport:
    statistics = LexicalStatistics.fit_texts([ticket.text for ticket in use.tickets])
    return runbook_report(use, runbooks, statistics, today=TODAY)


@pytest.fixture
def cases() -> list[Case]:
    """Six tickets that no runbook is for, four with a linked one, two that read like one."""
    webhook = [case(number, f"webhook deliveries missing again {number}", hours=20.0 + number) for number in range(6)]
    followed = [
        case(10, "cannot sign in", Link(LinkType.RUNBOOK, "saml"), outcome=FixOutcome.REOPENED),
        case(11, "cannot sign in", Link(LinkType.RUNBOOK, "saml"), outcome=FixOutcome.HELD),
        case(12, "cannot sign in", Link(LinkType.RUNBOOK, "saml")),
        case(13, "export stuck in queue", Link(LinkType.RUNBOOK, "export")),
    ]
    alike = [case(20, "export stuck in queue"), case(21, "SAML login fails since the certificate has expired")]
    return [*webhook, *followed, *alike]


def test_frequent_tickets_without_a_runbook_are_a_gap(tmp_path: Path, cases: list[Case]):
    use, history = used(tmp_path, cases, [SAML, OLD, NEVER])
    report = reported(use, [SAML, OLD, NEVER])

    (gap,) = report.gaps
    assert (gap.category, gap.stake.n) == ("Webhooks", 6)
    assert {"webhook", "deliveries", "missing"} <= set(gap.words)
    assert gap.cluster in {f"T-{number}" for number in range(6)}
    assert gap.stake.hours == 22.5
    assert gap.stake.a_month == pytest.approx(6 / use.months, abs=0.01)
    assert gap.stake.hours_a_month == pytest.approx(22.5 * 6 / use.months, abs=0.1)
    assert (report.n_tickets, report.n_covered) == (12, 6)
    history.close()


def test_what_became_of_each_runbook(tmp_path: Path, cases: list[Case]):
    use, history = used(tmp_path, cases, [SAML, OLD, NEVER])
    report = reported(use, [SAML, OLD, NEVER])

    (failing,) = report.failing
    assert (failing.id, failing.followed, failing.reopened, failing.held) == ("saml", 3, 1, 1)
    assert failing.stake.n == 4, "the ticket that reads like it is of its topic"
    assert [state.id for state in report.outdated] == ["export"], "the other one was reviewed, or has no tickets"
    assert [state.id for state in report.unused] == ["quantum"]
    history.close()


def test_the_page_shows_examples_but_nothing_of_an_access_group(tmp_path: Path):
    hostile = "<script>alert(1)</script> webhook"
    cases = [case(number, f"{hostile} broken") for number in range(5)]
    cases += [case(number, "webhook broken projectnightfall", group="board") for number in range(5, 11)]
    use, history = used(tmp_path, cases, [SAML])
    report = reported(use, [SAML])
    texts = {row: excerpt(stored.case) for row, stored in history.cases(report.row_ids).items()}

    page = render_runbooks(report, texts, min_tickets=5)

    assert "&lt;script&gt;alert(1)" in page
    assert "<script" not in page
    assert "nightfall" not in page.lower()
    assert "nightfall" not in str(report.to_json()).lower()
    history.close()


def test_only_the_newest_days_count(tmp_path: Path, cases: list[Case]):
    use, history = used(tmp_path, cases, [SAML], days=10)

    assert [ticket.stored.case.id for ticket in use.tickets] == ["T-11", "T-12", "T-13", "T-20", "T-21"]
    history.close()


def test_a_history_without_dates_has_no_report(tmp_path: Path):
    history = History.open(f"sqlite:///{tmp_path / 'history.db'}")
    history.upsert([Case(ticket=Ticket(id="1", subject="x"))], masking_rules="1")

    index = RunbookIndex.build([], ENCODER)
    assert runbook_use(history, ENCODER, index, days=9, progress=lambda done, total: None) is None
    history.close()


def test_topics_are_near_their_centre_and_of_one_label():
    angles = np.deg2rad([0, 5, 10, 15, 90, 92, 94])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    reach = float(np.cos(np.deg2rad(7)))

    found = topics(vectors, ["a"] * 7, min_cosine=reach, min_size=2)

    assert [sorted(topic.members.tolist()) for topic in found] == [[0, 1, 2], [4, 5, 6]]
    assert all(topic.members[0] == topic.centre for topic in found)
    assert [t.members.tolist() for t in topics(vectors[:2], ["a", None], min_cosine=reach, min_size=2)] == []


def test_usual_nearness_is_that_of_nearest_neighbours():
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], dtype=np.float32)

    assert usual_nearness(vectors) == pytest.approx(0.8)
    assert usual_nearness(vectors[:1]) == 1.0


def test_copies_say_nothing_of_how_near_tickets_usually_are():
    vectors = np.array([[1, 0]] * 50 + [[0.6, 0.8], [0, 1]], dtype=np.float32)

    assert usual_nearness(vectors) == pytest.approx(0.6)
    assert usual_nearness(vectors[:50]) < 1.0
    assert [len(topic.members) for topic in topics(vectors, [None] * 52, min_cosine=0.95, min_size=3)] == [50]


def test_words_of_fewer_than_three_texts_name_nothing():
    assert common_words(["secret", "secret"], LexicalStatistics.fit([])) == ()


def test_a_draft_is_a_runbook_that_can_be_imported(cases: list[Case]):
    text = draft([*cases[:3], case(30, "webhook of projectnightfall", group="board")], ["webhook", "deliveries"])

    assert "nightfall" not in text
    runbook = parse_runbook(text, Path("draft.md"))
    assert runbook.title == "webhook deliveries missing again 0"
    assert [section.heading for section in runbook.sections] == [
        "Meaning",
        "Symptoms",
        "Diagnosis",
        "Resolution",
        "Source cases",
    ]
    by_heading = {section.heading: section.text for section in runbook.sections}
    assert "Checked the gateway log" in by_heading["Diagnosis"]
    assert "Replayed the dead letters" in by_heading["Resolution"]
    assert all(f"T-{number}" in by_heading["Source cases"] for number in range(3))


def test_a_draft_of_nothing_is_still_markdown():
    assert draft([], []).startswith("---\nid: untitled\n")


def test_categories_say_how_many_of_their_tickets_have_no_runbook(tmp_path: Path, cases: list[Case]):
    use, history = used(tmp_path, cases, [SAML, OLD])
    report = reported(use, [SAML, OLD])

    assert [(each.category, each.stake.n, each.n_all) for each in report.uncovered] == [("Webhooks", 6, 6)]
    page = render_runbooks(report, {}, min_tickets=5)
    assert "Tickets without a runbook, in a frequent topic or not" in page
    history.close()
