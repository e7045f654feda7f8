import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from features.errors import HistoryUnavailable, KeyReused, UnknownRequest
from features.history import History
from features.idempotency import Once
from features.schema import SAID_IN_ORDER, journal_feedback, journal_suggestions
from features.ticket import Case, Ticket
from serving.case_feedback import case_feedback, runbook_feedback
from serving.journal import FeedbackEntry, Journal, SuggestionEntry
from serving.schemas import Action, SeverityAnswer, SimilarCase, Suggestion, TargetAnswer
from serving.verdicts import VerdictReader
from training.linked import link_verdicts

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History.open(f"sqlite:///{tmp_path / 'history.db'}")) as opened:
        cases = [Case(ticket=Ticket(id=f"T-{number}", subject="No login")) for number in range(3)]
        opened.upsert(cases, masking_rules="1")
        yield opened


@pytest.fixture
def journal(history: History) -> Iterator[Journal]:
    opened = Journal(history, "default")
    opened.start()
    yield opened
    opened.stop()


def suggestion(request_id: str = "r-1", case_ids: tuple[str, ...] = ("T-1",)) -> Suggestion:
    return Suggestion(
        request_id=request_id,
        release="r1",
        index_watermark=3,
        category=TargetAnswer(value="login", confidence=0.9, action=Action.SUGGEST),
        severity=SeverityAnswer(
            value=None, most_likely=None, confidence=0.0, action=Action.ABSTAIN, sev1_flag=False, sev1_risk=0.0
        ),
        targets={},
        similar_cases=[
            SimilarCase(
                id=case_id,
                subject="No login",
                url=None,
                relevance=0.9,
                tier="strong",
                resolved_at=None,
                category="login",
                resolution="Rotated the key.",
                outcome="held",
                duplicates=0,
                why=[],
            )
            for case_id in case_ids
        ],
        related_open=[],
        resolutions=[],
        runbooks=[],
        novel=False,
        hidden_count=0,
        notes=[],
    )


def entry(given: Suggestion, ticket: Ticket | None = None) -> SuggestionEntry:
    asked = ticket or Ticket(subject="Cannot log in", fields={"area": "sso"}, created_at=NOW)
    return SuggestionEntry(at=NOW, key_id="key", ticket=asked, text="Cannot log in\n", suggestion=given)


def feedback(request_id: str = "r-1", **more: str) -> FeedbackEntry:
    values = {"kind": "accepted", "target": "case", "ref_id": "T-1", "value": None, "by": "agent"} | more
    return FeedbackEntry(at=NOW, key_id="key", request_id=request_id, **values)


def rows(history: History, table) -> list:
    with history.reading() as connection:
        return list(connection.execute(select(table)))


def test_a_suggestion_is_kept_whole(history: History, journal: Journal):
    assert journal.record(entry(suggestion())).result(5) == "r-1"
    (row,) = rows(history, journal_suggestions)
    assert (row.request_id, row.at, row.key_id, row.release, row.change_watermark) == ("r-1", NOW, "key", "r1", 3)
    assert row.answer == suggestion().model_dump(mode="json")
    assert row.ticket["subject"] == "Cannot log in"
    assert row.ticket["fields"] == {"area": "sso"}
    assert row.ticket["created_at"] == "2026-03-01T00:00:00+00:00"
    assert len(row.model_text_sha) == 64


def test_a_request_id_that_is_taken_overwrites_nothing(history: History, journal: Journal):
    first = journal.record(entry(suggestion()))
    second = journal.record(entry(suggestion()))
    assert first.result(5) == "r-1"
    assert second.result(5) != "r-1"
    assert {row.request_id for row in rows(history, journal_suggestions)} == {"r-1", second.result()}
    kept = next(row for row in rows(history, journal_suggestions) if row.request_id == second.result())
    assert kept.answer["request_id"] == second.result()


def test_many_suggestions_are_kept_together(history: History, journal: Journal):
    futures = [journal.record(entry(suggestion(f"r-{number}"))) for number in range(250)]
    assert [future.result(5) for future in futures] == [f"r-{number}" for number in range(250)]
    assert len(rows(history, journal_suggestions)) == 250


def test_a_case_that_was_erased_meanwhile_does_not_come_back(history: History, journal: Journal):
    given = suggestion(case_ids=("T-1", "T-2"))
    history.erase("T-2")
    journal.record(entry(given)).result(5)
    (row,) = rows(history, journal_suggestions)
    assert [case["id"] for case in row.answer["similar_cases"]] == ["T-1"]


def test_a_case_of_another_system_stays_in_the_answer_until_it_is_erased(history: History, journal: Journal):
    history.upsert([Case(ticket=Ticket(id="J-1", subject="No login"), system="jira")], masking_rules="1")
    journal.record(entry(suggestion(case_ids=("T-1", "J-1")))).result(5)
    (row,) = rows(history, journal_suggestions)
    assert [case["id"] for case in row.answer["similar_cases"]] == ["T-1", "J-1"]
    history.erase("J-1", system="jira")
    (row,) = rows(history, journal_suggestions)
    assert [case["id"] for case in row.answer["similar_cases"]] == ["T-1"]


def test_erasing_a_ticket_erases_its_entries_and_its_feedback(history: History, journal: Journal):
    journal.record(entry(suggestion("about"), Ticket(id="T-0", subject="No login"))).result(5)
    journal.record(entry(suggestion("other"))).result(5)
    journal.add_feedback(feedback("about"))
    journal.add_feedback(feedback("other", ref_id="T-0"))
    journal.add_feedback(feedback("other", ref_id="T-1"))
    history.erase("T-0")
    assert [row.request_id for row in rows(history, journal_suggestions)] == ["other"]
    assert [(row.request_id, row.ref_id) for row in rows(history, journal_feedback)] == [("other", "T-1")]


def test_stopping_writes_what_waits(history: History):
    journal = Journal(history, "default")
    futures = [journal.record(entry(suggestion(f"r-{number}"))) for number in range(5)]
    journal.start()
    journal.stop()
    assert all(future.done() for future in futures)
    assert len(rows(history, journal_suggestions)) == 5


def test_a_full_queue_fails_at_once(history: History):
    journal = Journal(history, "default")
    given = entry(suggestion())
    for _ in range(2_000):
        journal.record(given)
    with pytest.raises(HistoryUnavailable, match="journal is behind"):
        journal.record(given).result(0)


def test_a_database_that_is_gone_fails_the_suggestion_and_not_the_journal(journal: Journal, tmp_path: Path):
    database = tmp_path / "history.db"
    database.rename(tmp_path / "away.db")
    with pytest.raises(HistoryUnavailable, match="was moved"):
        journal.record(entry(suggestion())).result(5)
    (tmp_path / "away.db").rename(database)
    assert journal.record(entry(suggestion())).result(5) == "r-1"


def test_feedback_is_kept_once(history: History, journal: Journal):
    journal.record(entry(suggestion())).result(5)
    journal.add_feedback(feedback())
    journal.add_feedback(feedback())
    journal.add_feedback(feedback(kind="wrong"))
    kept = rows(history, journal_feedback)
    assert [(row.kind, row.target, row.ref_id, row.value, row.by_whom) for row in kept] == [
        ("accepted", "case", "T-1", None, "agent"),
        ("wrong", "case", "T-1", None, "agent"),
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_dated_feedback_ends_in_the_same_state_in_any_order_and_however_often_it_comes(
    history: History, journal: Journal, data: st.DataObject
):
    request_id = journal.record(entry(suggestion(), Ticket(id=f"T-{time.time_ns()}", subject="No login"))).result(5)
    kinds = data.draw(st.lists(st.sampled_from(["accepted", "wrong"]), min_size=1, max_size=4))
    said = [
        replace(feedback(request_id, kind=kind), at=NOW + timedelta(minutes=minute), is_dated=True)
        for minute, kind in enumerate(kinds)
    ]
    named = data.draw(st.sets(st.integers(0, len(said) - 1)))
    again = data.draw(st.lists(st.integers(0, len(said) - 1), max_size=6))
    for number in data.draw(st.permutations([*range(len(said)), *again])):
        once = Once.of(f"{request_id}{number}", caller="desk", operation="feedback", request={})
        journal.add_feedback(said[number], once=once if number in named else None)
    kept = [row for row in rows(history, journal_feedback) if row.request_id == request_id]
    assert sorted((row.at, row.kind) for row in kept) == [(each.at, each.kind) for each in said]
    with history.reading() as connection:
        statement = select(journal_feedback.c.kind).where(journal_feedback.c.request_id == request_id)
        assert connection.scalars(statement.order_by(*SAID_IN_ORDER)).all() == kinds


def test_feedback_under_a_key_is_kept_once_though_other_came_between(history: History, journal: Journal):
    journal.record(entry(suggestion(), Ticket(id="T-0", subject="Cannot log in"))).result(5)
    named = Once.of("k", caller="desk", operation="feedback", request={"kind": "wrong"})
    journal.add_feedback(feedback(kind="wrong"), once=named)
    journal.add_feedback(feedback(kind="accepted"))
    journal.add_feedback(feedback(kind="wrong"), once=named)
    assert [row.kind for row in rows(history, journal_feedback)] == ["wrong", "accepted"]
    assert len(case_feedback(history, "wrong")) == 0
    with pytest.raises(KeyReused, match="another request"):
        journal.add_feedback(feedback(), once=replace(named, fingerprint="another"))


def test_feedback_that_was_refused_may_come_again_under_its_key(history: History, journal: Journal):
    named = Once.of("k", caller="desk", operation="feedback", request={})
    with pytest.raises(UnknownRequest, match="holds no suggestion"):
        journal.add_feedback(feedback(), once=named)
    journal.record(entry(suggestion())).result(5)
    journal.add_feedback(feedback(), once=named)
    assert len(rows(history, journal_feedback)) == 1


def test_what_was_said_last_of_a_case_or_a_runbook_counts(history: History, journal: Journal):
    journal.record(entry(suggestion("r-1"), Ticket(id="T-0", subject="Cannot log in"))).result(timeout=10)
    reader = VerdictReader(history, "default")
    for kind in ("wrong", "accepted", "wrong", "accepted"):
        journal.add_feedback(feedback("r-1", kind=kind))
        journal.add_feedback(feedback("r-1", kind=kind, target="runbook", ref_id="saml"))
        is_wrong = kind == "wrong"
        assert len(case_feedback(history, "wrong")) == is_wrong
        assert len(case_feedback(history, "accepted")) == (not is_wrong)
        assert len(runbook_feedback(history, "accepted")) == (not is_wrong)
        assert reader.read("T-0", None, ()).refused_runbooks == ({"saml"} if is_wrong else set())


def test_feedback_for_an_unknown_request_is_refused(journal: Journal):
    with pytest.raises(UnknownRequest, match="no suggestion 'r-9'") as caught:
        journal.add_feedback(feedback("r-9"))
    assert caught.value.field == "request_id"


def test_cases_that_agents_accepted_or_called_wrong_are_pairs_of_rows(history: History, journal: Journal):
    rows = {f"T-{number}": history.case(f"T-{number}").row_id for number in range(3)}
    for request_id, ticket_id in (("r-1", "T-0"), ("r-2", "T-0"), ("r-3", None), ("r-4", "T-9")):
        journal.record(entry(suggestion(request_id), Ticket(id=ticket_id, subject="Cannot log in"))).result(timeout=10)
        journal.add_feedback(feedback(request_id))
    journal.add_feedback(feedback("r-1", ref_id="T-2", kind="wrong"))
    journal.add_feedback(feedback("r-1", ref_id="T-0"))
    journal.add_feedback(feedback("r-1", ref_id="T-2", target="runbook"))
    assert case_feedback(history, "accepted") == [(rows["T-0"], rows["T-1"])]
    assert case_feedback(history, "wrong") == [(rows["T-0"], rows["T-2"])]
    assert link_verdicts(history) == ([(rows["T-0"], rows["T-1"])], [(rows["T-0"], rows["T-2"])])


def test_what_comes_last_counts_though_the_clock_went_back(history: History, journal: Journal):
    for request_id in ("r-1", "r-2"):
        journal.record(entry(suggestion(request_id), Ticket(id="T-0", subject="Cannot log in"))).result(timeout=10)
    reader = VerdictReader(history, "default")
    said = [("r-1", "runbook", "accepted", NOW), ("r-2", "runbook", "wrong", NOW - timedelta(hours=1))]
    for request_id, target, kind, at in said:
        journal.add_feedback(replace(feedback(kind=kind), request_id=request_id, target=target, ref_id="sso", at=at))
    assert reader.read("T-0", None, []).refused_runbooks == {"sso"}
    at = [row.at for row in rows(history, journal_feedback)]
    assert at == [NOW, NOW]
