"""One suite over every database that a history may be kept in."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, text, update

from features.errors import HistoryUnavailable, KeyReused, UnknownCase
from features.history import History
from features.history_engine import IMPATIENT, PATIENT, Database, Patience
from features.history_rows import content_hash, digests
from features.idempotency import KEPT, Once
from features.runbooks import Runbook, RunbookSection
from features.schema import (
    idempotency_keys,
    journal_feedback,
    journal_suggestions,
    links,
    messages,
    metadata,
    outcomes,
    tickets,
    tombstones,
    vector_uses,
    vectors,
)
from features.text import model_text
from features.ticket import Author, Case, FixOutcome, Link, LinkType, Message, Outcome, Severity, Status, Ticket
from features.vectors import text_sha256

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET_WORDS = "the marmot ate the invoice"


def a_case(number: int | str = 1, **changes: object) -> Case:
    ticket = Ticket(id=f"T-{number}", subject=f"Subject {number}", description="Login fails", created_at=NOON)
    return Case(ticket=replace(ticket, **changes), outcome=Outcome(category="SSO"))


FULL = Case(
    ticket=Ticket(
        id="Ä-1/β",
        version=7,
        subject="Büro 🔥 \u202eabc",
        description="line\nline\ttab 'quote' \"double\" %s ? :x",
        created_at=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=5, minutes=30))),
        messages=(
            Message(at=NOON, by=Author.CUSTOMER, text="first"),
            Message(at=NOON + timedelta(seconds=1), by=Author.AGENT, text="second"),
        ),
        product="Sync",
        customer="Acme",
        customer_tier="gold",
        channel="mail",
        language="de",
        access_group="emea",
        reporter="00ff",
        fields={"seats": 12, "rate": 0.1, "beta": True, "region": "eu", "big": 2**62},
    ),
    outcome=Outcome(
        status=Status.RESOLVED,
        resolved_at=NOON,
        category="SSO",
        severity=Severity.SEV2,
        targets={"team": "identity"},
        resolution="Renewed the certificate",
        outcome=FixOutcome.REOPENED,
        url="https://desk.example/1",
    ),
    links=(Link(LinkType.RUNBOOK, "rotate-cert"), Link(LinkType.DUPLICATE_OF, "T-1"), Link(LinkType.RELATED, "T-1")),
)


def rows_of(history: History, table: object) -> int:
    with history.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def content(case: Case) -> Case:
    """The case with mappings as plain dicts and times in UTC, to compare."""
    at = case.ticket.created_at
    ticket = replace(case.ticket, fields=dict(case.ticket.fields), created_at=at and at.astimezone(UTC))
    return replace(case, ticket=ticket, outcome=replace(case.outcome, targets=dict(case.outcome.targets)))


# --- storing and reading ---


def test_a_case_comes_back_as_it_was(history: History) -> None:
    history.upsert([FULL], masking_rules="3")
    stored = history.case("Ä-1/β")
    assert stored is not None
    assert content(stored.case) == content(FULL)
    assert (stored.row_id, stored.change, stored.masking_rules) == (1, 1, "3")
    assert stored.case.ticket.created_at is not None
    assert stored.case.ticket.created_at.tzinfo is UTC
    assert history.cases([1, 99]) == {1: stored}
    assert list(history.iter_cases()) == [stored]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    words=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60),
    number=st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.booleans(),
    at=st.datetimes(datetime(1970, 1, 2), datetime(2026, 9, 30), timezones=st.just(UTC)),
)
def test_any_text_number_and_time_comes_back(history: History, words: str, number: float, at: datetime) -> None:
    case = a_case(subject=words, description=words, created_at=at, fields={words: number})
    history.upsert([case], masking_rules="1")
    stored = history.case("T-1")
    assert stored is not None
    assert content(stored.case) == content(case)
    assert history.upsert([case], masking_rules="1").unchanged == 1


def test_an_unknown_case_is_none(history: History) -> None:
    history.upsert([a_case()], masking_rules="1")
    assert history.case("T-2") is None
    assert history.case("T-1", system="other") is None


def test_systems_are_apart(history: History) -> None:
    result = history.upsert([a_case(), replace(a_case(), system="jira")], masking_rules="1")
    assert result.inserted == 2
    assert [stored.case.system for stored in history.iter_cases()] == ["default", "jira"]


def test_cases_are_read_in_pages_by_row(history: History) -> None:
    history.upsert([a_case(number) for number in range(1, 26)], masking_rules="1")
    assert [stored.row_id for stored in history.iter_cases(batch=7)] == list(range(1, 26))


def test_a_time_without_zone_is_refused(history: History) -> None:
    with pytest.raises(Exception, match="without a time zone cannot be stored"):
        history.upsert([a_case(created_at=NOON.replace(tzinfo=None))], masking_rules="1")
    assert history.count().tickets == 0


def test_counts(history: History) -> None:
    assert history.count().earliest is None
    history.upsert([a_case(1), FULL, a_case(2, created_at=NOON + timedelta(days=1))], masking_rules="1")
    counts = history.count()
    assert (counts.tickets, counts.resolved, counts.open, counts.links) == (3, 1, 2, 3)
    assert (counts.earliest, counts.latest) == (FULL.ticket.created_at, NOON + timedelta(days=1))


def test_labels_are_those_of_every_ticket(history: History) -> None:
    assert history.labels() == []
    unlabelled = Case(ticket=Ticket(id="T-9", subject="Printer"), outcome=Outcome())
    history.upsert([a_case(1), FULL, unlabelled], masking_rules="1")
    assert sorted(history.labels(), key=repr) == [("SSO", {"team": "identity"}), ("SSO", {}), (None, {})]


# --- upsert ---


def test_the_same_again_changes_nothing(history: History) -> None:
    first = history.upsert([a_case(1), FULL], masking_rules="1")
    again = history.upsert([FULL, a_case(1)], masking_rules="1")
    assert (first.inserted, first.change) == (2, 2)
    assert (again.inserted, again.updated, again.unchanged, again.change) == (0, 0, 2, 2)
    assert history.last_change() == 2


def test_an_update_takes_a_new_number_and_replaces_every_part(history: History) -> None:
    history.upsert([FULL, a_case(2)], masking_rules="1")
    changed = replace(
        FULL,
        ticket=replace(FULL.ticket, subject="Other", messages=FULL.ticket.messages[:1], fields={}),
        outcome=Outcome(),
        links=(*FULL.links[1:], Link(LinkType.RUNBOOK, "new")),
    )
    result = history.upsert([changed], masking_rules="2")
    assert (result.updated, result.change) == (1, 3)
    stored = history.cases([1])[1]
    assert content(stored.case) == content(changed)
    assert (stored.change, stored.masking_rules) == (3, "2")
    assert {link.to_id: link.created_change for link in history.links()} == {"T-1": 1, "new": 3}


def test_an_older_version_is_left_out(history: History) -> None:
    history.upsert([a_case(version=5)], masking_rules="1")
    result = history.upsert([a_case(version=4, subject="old")], masking_rules="1")
    assert (result.unchanged, result.change) == (1, 1)
    assert history.upsert([a_case(version=5, subject="new")], masking_rules="1").updated == 1


def test_a_case_without_version_does_not_forget_the_version(history: History) -> None:
    history.upsert([a_case(version=5)], masking_rules="1")
    assert history.upsert([a_case(subject="new")], masking_rules="1").updated == 1
    assert history.upsert([a_case(version=4, subject="old")], masking_rules="1").unchanged == 1
    stored = history.case("T-1")
    assert stored is not None
    assert (stored.case.ticket.subject, stored.case.ticket.version) == ("new", 5)


def test_version_and_masking_rules_are_noted_without_a_change(history: History) -> None:
    history.upsert([a_case(version=1)], masking_rules="1")
    assert history.upsert([a_case(version=2)], masking_rules="2").unchanged == 1
    stored = history.case("T-1")
    assert stored is not None
    assert (stored.change, stored.masking_rules, stored.case.ticket.version) == (1, "2", 2)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 3), st.none() | st.integers(0, 2), st.sampled_from("ab")), min_size=1, max_size=8
    )
)
def test_a_batch_is_the_same_as_its_cases_one_by_one(
    history: History, steps: list[tuple[int, int | None, str]]
) -> None:
    def cases(system: str) -> list[Case]:
        return [replace(a_case(i, version=version, subject=words), system=system) for i, version, words in steps]

    systems = [f"{kind}{time.time_ns()}" for kind in ("batch", "single")]
    at_once = history.upsert(cases(systems[0]), masking_rules="1")
    singly = [history.upsert([case], masking_rules="1") for case in cases(systems[1])]
    assert at_once.inserted == sum(result.inserted for result in singly)
    assert at_once.updated == sum(result.updated for result in singly)
    assert at_once.unchanged == sum(result.unchanged for result in singly)
    stored = [
        {s.case.id: (s.case.ticket, s.case.outcome) for s in history.iter_cases() if s.case.system == system}
        for system in systems
    ]
    assert stored[0] == stored[1]


def test_a_batch_of_any_size(history: History) -> None:
    cases = [a_case(number) for number in range(1201)]
    assert history.upsert(cases, masking_rules="1").inserted == 1201
    assert history.upsert(cases, masking_rules="1").unchanged == 1201
    assert history.upsert([], masking_rules="1").change == 0


def test_an_error_half_way_stores_nothing(history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    bad = a_case(3, created_at=NOON.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a time zone"):
        history.upsert([a_case(2), bad], masking_rules="1")
    assert history.count().tickets == 1
    assert history.last_change() == 1
    assert history.upsert([a_case(2)], masking_rules="1").change == 2


# --- writes that apply once ---


def once(key: str, request: object = "same", caller: str = "desk") -> Once:
    return Once.of(key, caller=caller, operation="cases", request={"case": request})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_events_end_in_the_same_state_in_any_order_and_however_often_they_come(
    history: History, data: st.DataObject
) -> None:
    """Each event is known by its version, by its key, or by both."""
    prefix = f"{time.time_ns()}-"
    versions = [(ticket, version) for ticket in range(2) for version in range(1, 4)]
    named = data.draw(st.sets(st.sampled_from(versions)))
    deliveries = data.draw(st.lists(st.sampled_from(versions), max_size=12)) + versions
    answers: dict[tuple[int, int], set[int]] = {}
    for event in data.draw(st.permutations(deliveries)):
        ticket, version = event
        case = a_case(f"{prefix}{ticket}", version=version, subject=f"as of {version}")
        name = once(f"{prefix}{event}", version) if event in named else None
        change = history.upsert([case], masking_rules="1", once=name).change
        if name is not None:
            answers.setdefault(event, set()).add(change)
    for ticket in range(2):
        stored = history.case(f"T-{prefix}{ticket}")
        assert stored is not None
        assert (stored.case.ticket.version, stored.case.ticket.subject) == (3, "as of 3")
    assert all(len(changes) == 1 for changes in answers.values())


def test_a_repeat_is_answered_as_the_first_and_undoes_nothing(history: History) -> None:
    first = history.upsert([a_case(subject="old")], masking_rules="1", once=once("k")).change
    history.upsert([a_case(subject="new")], masking_rules="1")
    assert history.upsert([a_case(subject="old")], masking_rules="1", once=once("k")).change == first
    stored = history.case("T-1")
    assert stored is not None
    assert stored.case.ticket.subject == "new"


def test_a_repeat_does_not_bring_back_what_was_erased_and_keeps_nothing_of_it(history: History) -> None:
    name = once("8e03978e", {"id": "T-1", "subject": SECRET_WORDS})
    history.upsert([a_case(subject=SECRET_WORDS)], masking_rules="1", once=name)
    history.erase("T-1")
    assert history.upsert([a_case(subject=SECRET_WORDS)], masking_rules="1", once=name).change == 1
    assert history.case("T-1") is None
    with history.reading() as connection:
        (row,) = connection.execute(select(idempotency_keys))
    assert set(row._mapping) == {"name", "fingerprint", "change", "at"}
    assert all(re.fullmatch("[0-9a-f]{64}", each) for each in (row.name, row.fingerprint))


def test_a_key_that_comes_with_something_else_is_refused(history: History) -> None:
    history.upsert([a_case()], masking_rules="1", once=once("k"))
    with pytest.raises(KeyReused, match="came with another request before"):
        history.upsert([a_case(2)], masking_rules="1", once=once("k", "other"))
    assert history.count().tickets == 1
    assert history.upsert([a_case(2)], masking_rules="1", once=once("k", "other", caller="another")).inserted == 1


def test_what_was_not_stored_may_be_sent_again_under_its_key(history: History) -> None:
    bad = a_case(created_at=NOON.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a time zone"):
        history.upsert([bad], masking_rules="1", once=once("k"))
    assert rows_of(history, idempotency_keys) == 0
    assert history.upsert([a_case()], masking_rules="1", once=once("k")).inserted == 1


def test_a_key_is_forgotten_after_a_day(history: History) -> None:
    history.upsert([a_case()], masking_rules="1", once=once("k"))
    for kept, is_known in ((KEPT - timedelta(minutes=5), True), (KEPT + timedelta(minutes=5), False)):
        with history.writing() as connection:
            connection.execute(update(idempotency_keys).values(at=datetime.now(UTC) - kept))
        history.upsert([a_case(subject="new")], masking_rules="1")
        history.upsert([a_case()], masking_rules="1", once=once("k"))
        stored = history.case("T-1")
        assert stored is not None
        assert (stored.case.ticket.subject == "new") is is_known
    assert rows_of(history, idempotency_keys) == 1


def test_the_same_write_at_the_same_time_from_two_processes_is_applied_once(history: History, url: str) -> None:
    """Two writes that undo each other, each sent by eight at once: had one come twice, there were more changes."""
    replica = History.open(url)
    together = threading.Barrier(16)
    changes: dict[str, list[int]] = {"a": [], "b": []}

    def write(number: int) -> None:
        words = "ab"[number % 2]
        together.wait(30)
        own = (history, replica)[number // 2 % 2]
        changes[words].append(own.upsert([a_case(subject=words)], masking_rules="1", once=once(words, words)).change)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    replica.close()
    assert history.last_change() == 2
    assert {tuple(sorted(set(each))) for each in changes.values()} == {(1,), (2,)}
    assert len(changes["a"]) == len(changes["b"]) == 8


# --- changes ---


def test_changes_are_read_in_pages_and_a_row_comes_once(history: History) -> None:
    history.upsert([a_case(number) for number in range(1, 6)], masking_rules="1")
    history.upsert([a_case(2, subject="new")], masking_rules="1")
    history.erase("T-4")
    found = []
    watermark = 0
    while page := history.changes_since(watermark, 2):
        found += page
        watermark = page[-1].change
    assert [(change.change, change.row_id) for change in found] == [(1, 1), (3, 3), (5, 5), (6, 2), (7, 4)]
    assert found[3].case is not None
    assert found[3].case.case.ticket.subject == "new"
    assert found[4].case is None
    assert watermark == history.last_change() == 7


def test_numbers_become_visible_in_the_order_they_are_given(history: History) -> None:
    """Whoever follows the changes while others write misses none."""
    n_writers, n_batches = 4, 12

    def write(writer: int) -> None:
        for batch in range(n_batches):
            history.upsert([a_case(f"{writer}-{batch}-{i}") for i in range(3)], masking_rules="1")

    writers = [threading.Thread(target=write, args=(number,)) for number in range(n_writers)]
    for thread in writers:
        thread.start()
    seen: list[int] = []
    deadline = time.monotonic() + 60
    while len(seen) < n_writers * n_batches * 3 and time.monotonic() < deadline:
        seen += [change.change for change in history.changes_since(seen[-1] if seen else 0, 50)]
    for thread in writers:
        thread.join()
    assert seen == list(range(1, n_writers * n_batches * 3 + 1))


def test_writers_of_the_same_cases_do_not_clash(history: History) -> None:
    failures: list[Exception] = []

    def write() -> None:
        try:
            for number in range(20):
                history.upsert([a_case(number), a_case(number + 1)], masking_rules="1")
        except Exception as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert history.last_change() == history.count().tickets == 21


# --- readers and writers ---


def test_a_reader_never_waits_for_a_writer(history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    with history.writing() as connection:
        connection.execute(tickets.update().values(subject="not yet", change=99))
        started = time.monotonic()
        stored = history.case("T-1")
        assert history.last_change() == 1
        assert time.monotonic() - started < PATIENT.wait_seconds / 2
    assert stored is not None
    assert stored.case.ticket.subject == "Subject 1"


def test_a_reader_sees_one_state(history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    with history.reading() as connection:
        before = connection.execute(select(tickets.c.subject)).scalar_one()
        history.upsert([a_case(1, subject="new")], masking_rules="1")
        assert connection.execute(select(tickets.c.subject)).scalar_one() == before


def test_a_writer_that_waits_too_long_says_so(url: str) -> None:
    history = History.open(url, Patience(wait_seconds=1.0))
    history.upsert([a_case(1)], masking_rules="1")
    with history.writing() as connection:
        connection.execute(text("UPDATE change_counter SET value = value"))
        with pytest.raises(HistoryUnavailable, match=r"does not answer .*lock"):
            history.upsert([a_case(2)], masking_rules="1")
    assert history.upsert([a_case(2)], masking_rules="1").inserted == 1
    history.close()


def test_the_impatient_read_what_the_patient_wrote(url: str, history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    reader = History.open(url, IMPATIENT)
    assert reader.last_change() == 1
    assert reader.is_answering
    reader.close()


def test_messages_of_errors_hold_no_text_of_tickets(history: History) -> None:
    with history.writing() as connection:
        connection.execute(text("DROP TABLE outcomes"))
    case = a_case(1, description=SECRET_WORDS)
    with pytest.raises(Exception, match="outcomes") as caught:
        history.upsert([case], masking_rules="1")
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET_WORDS not in str(error)
        error = error.__cause__ or error.__context__


def test_a_server_that_came_back_is_used_again(postgresql: str) -> None:
    history = History.open(f"{postgresql}postgres")
    other = History.open(f"{postgresql}postgres")
    with other.writing() as connection:
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"))
    assert history.count().tickets == 0
    history.close()
    other.close()


# --- links ---


def test_a_link_finds_its_case_when_that_comes(history: History) -> None:
    history.upsert([FULL], masking_rules="1")
    assert {(link.type, link.to_row) for link in history.links()} == {
        (LinkType.RUNBOOK, None),
        (LinkType.DUPLICATE_OF, None),
        (LinkType.RELATED, None),
    }
    history.upsert([a_case(1), replace(a_case("1"), system="other"), a_case("rotate-cert")], masking_rules="1")
    history.upsert([replace(a_case(), ticket=replace(a_case().ticket, id="rotate-cert"))], masking_rules="1")
    assert [(link.from_id, link.to_id, link.to_row) for link in history.links(LinkType.DUPLICATE_OF)] == [
        ("Ä-1/β", "T-1", 2)
    ]
    assert [link.to_row for link in history.links(LinkType.RUNBOOK)] == [None]


# --- vectors ---


def test_vectors_come_back_bit_by_bit_and_stay(history: History) -> None:
    some = {f"k{i}": np.random.default_rng(i).normal(size=384).astype(np.float32) for i in range(700)}
    history.put_vectors(some)
    history.put_vectors({"k1": np.zeros(384, dtype=np.float32)})
    found = history.vectors([*some, "absent"])
    assert found.keys() == some.keys()
    assert all(found[key].dtype == np.float32 and np.array_equal(found[key], some[key]) for key in some)


def test_vectors_of_a_row_that_was_erased_meanwhile_are_not_stored(history: History) -> None:
    history.upsert([a_case(1), a_case(2)], masking_rules="1")
    history.erase("T-1")
    vector = np.ones(4, dtype=np.float32)
    history.put_vectors({"gone": vector, "shared": vector}, {"gone": [1], "shared": [1, 2]})
    assert set(history.vectors(["gone", "shared"])) == {"shared"}
    assert rows_of(history, vector_uses) == 1


# --- erasure ---


def suggestion(request_id: str, **values: object) -> dict[str, object]:
    common = {"at": NOON, "ticket_system": "default", "ticket_id": None, "model_text_sha": None}
    return {"request_id": request_id, "ticket": {}, "answer": {}} | common | values


def test_erasing_leaves_nothing_but_a_number(history: History) -> None:
    case = replace(
        FULL,
        ticket=replace(FULL.ticket, description=SECRET_WORDS),
        outcome=replace(FULL.outcome, resolution=SECRET_WORDS),
    )
    history.upsert([case, a_case(2)], masking_rules="1")
    vector = np.ones(4, dtype=np.float32)
    history.put_vectors({"e:1:own": vector, "e:1:both": vector}, {"e:1:own": [1], "e:1:both": [1, 2]})
    assert history.erase("Ä-1/β") == 3
    assert history.case("Ä-1/β") is None
    assert history.changes_since(2, 10)[0].case is None
    assert [rows_of(history, table) for table in (tickets, outcomes, messages, links)] == [1, 1, 0, 0]
    assert set(history.vectors(["e:1:own", "e:1:both"])) == {"e:1:both"}
    assert rows_of(history, tombstones) == 1
    assert {column.name for column in tombstones.columns} == {"row_id", "change", "erased_at"}
    for table in metadata.sorted_tables:
        with history.reading() as connection:
            assert SECRET_WORDS not in str(connection.execute(select(table)).all()), table.name


def test_versions_are_told_in_pages_without_texts(history: History) -> None:
    history.upsert([a_case(n) for n in range(1, 6)], masking_rules="1")
    history.upsert([a_case(2, subject="Other")], masking_rules="1")
    history.erase("T-4")
    assert history.erased_since(6) == [4]
    assert history.erased_since(7) == []

    pages = list(history.iter_versions(batch=3))

    assert [page.row_ids.tolist() for page in pages] == [[1, 2, 3], [5]]
    assert [page.changes.tolist() for page in pages] == [[1, 6, 3], [5]]
    assert [(*page.systems, *page.ids) for page in pages] == [
        (*["default"] * 3, "T-1", "T-2", "T-3"),
        ("default", "T-5"),
    ]
    stored = history.cases([1, 2, 3, 5])
    assert [page.digests.tolist() for page in pages] == [
        digests([stored[row].content_hash for row in rows]).tolist() for rows in ([1, 2, 3], [5])
    ]
    assert stored[2].content_hash == content_hash(stored[2].case)


def test_what_was_erased_may_come_again_as_another_row(history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    history.erase("T-1")
    history.upsert([a_case(1)], masking_rules="1")
    stored = history.case("T-1")
    assert stored is not None
    assert (stored.row_id, stored.change) == (2, 3)


def test_erasing_what_is_not_there(history: History) -> None:
    with pytest.raises(UnknownCase, match="holds no ticket 'T-9' of 'default'"):
        history.erase("T-9")
    assert history.last_change() == 0


def test_erasing_clears_the_journal(history: History) -> None:
    history.upsert([a_case(1), a_case(2)], masking_rules="1")
    history.put_vectors({"e:1:abc": np.ones(4, dtype=np.float32)}, {"e:1:abc": [1]})
    shown = {"id": "T-1", "subject": SECRET_WORDS}
    other = {"id": "T-2", "subject": "fine"}
    answer = {
        "similar_cases": [shown, other],
        "related_open": [shown],
        "resolutions": [{"summary": SECRET_WORDS, "case_ids": ["T-2", "T-1"]}, {"summary": "x", "case_ids": ["T-2"]}],
        "runbooks": [{"id": "T-1", "title": "A runbook may bear any id"}],
        "category": {"value": "SSO"},
    }
    with history.writing() as connection:
        connection.execute(
            insert(journal_suggestions),
            [
                suggestion("by-id", ticket_id="T-1"),
                suggestion("by-words", model_text_sha="abc"),
                suggestion("same-words-other-ticket", ticket_id="T-2", model_text_sha="abc"),
                suggestion("same-id-other-system", ticket_id="T-1", ticket_system="jira"),
                suggestion("shown-to-other-system", ticket_system="jira", answer=answer),
                suggestion("shown", answer=answer),
            ],
        )
        connection.execute(
            insert(journal_feedback),
            [
                {"request_id": request, "at": NOON, "kind": "accepted", "target": target, "ref_id": ref}
                for request, target, ref in [
                    ("by-id", "category", None),
                    ("shown", "category", None),
                    ("shown", "case", "T-1"),
                    ("shown", "case", "T-2"),
                    ("same-id-other-system", "case", "T-1"),
                ]
            ],
        )
    history.erase("T-1")
    with history.reading() as connection:
        left = {row.request_id: row.answer for row in connection.execute(select(journal_suggestions))}
        feedback = {(row.request_id, row.ref_id) for row in connection.execute(select(journal_feedback))}
    assert left.keys() == {"same-words-other-ticket", "same-id-other-system", "shown", "shown-to-other-system"}
    assert left["shown"] == left["shown-to-other-system"]
    assert left["shown"] == answer | {
        "similar_cases": [other],
        "related_open": [],
        "resolutions": [{"summary": "x", "case_ids": ["T-2"]}],
    }
    assert feedback == {("shown", None), ("shown", "T-2")}


def test_erasing_finds_what_was_asked_before_the_case_was_stored_or_embedded(history: History) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    stored = history.case("T-1")
    assert stored is not None
    words = text_sha256(model_text(stored.case.ticket).text)
    with history.writing() as connection:
        connection.execute(insert(journal_suggestions), [suggestion("r", model_text_sha=words)])
    history.erase("T-1")
    assert rows_of(history, journal_suggestions) == 0


@pytest.mark.parametrize("known_by", ["ticket", "answer", "feedback"])
def test_erasing_a_ticket_that_only_the_journal_knows(history: History, known_by: str) -> None:
    history.upsert([a_case(1)], masking_rules="1")
    ticket_id, answer = {
        "ticket": ("T-9", {}),
        "answer": (None, {"similar_cases": [{"id": "T-9", "subject": SECRET_WORDS}]}),
        "feedback": (None, {}),
    }[known_by]
    with history.writing() as connection:
        connection.execute(insert(journal_suggestions), [suggestion("r", ticket_id=ticket_id, answer=answer)])
        if known_by == "feedback":
            given = {"request_id": "r", "at": NOON, "kind": "wrong", "target": "case", "ref_id": "T-9"}
            connection.execute(insert(journal_feedback), [given])
    assert history.erase("T-9") == history.last_change() == 1
    assert rows_of(history, tombstones) == rows_of(history, journal_feedback) == 0
    with history.reading() as connection:
        assert SECRET_WORDS not in str(connection.execute(select(journal_suggestions)).all())
    with pytest.raises(UnknownCase, match="holds no ticket 'T-9'"):
        history.erase("T-9")


@pytest.mark.parametrize("case_id", ["50%", "a_b", 'say "x"', "back\\slash", "Ä/1"])
def test_erasing_finds_any_id_in_answers(history: History, case_id: str) -> None:
    near = ["500", "axb", "say x", "backslash", "A/1"]
    history.upsert([a_case(id=case_id)], masking_rules="1")
    shown = [{"id": each} for each in [case_id, *near]]
    with history.writing() as connection:
        connection.execute(insert(journal_suggestions), [suggestion("r", answer={"similar_cases": shown})])
    history.erase(case_id)
    with history.reading() as connection:
        answer = connection.execute(select(journal_suggestions.c.answer)).scalar_one()
    assert [each["id"] for each in answer["similar_cases"]] == near


# --- runbooks ---


def test_runbooks_are_replaced_whole(history: History) -> None:
    cert = Runbook(
        id="cert",
        title="Rotate",
        url="https://wiki/cert",
        services=("sso",),
        owner="identity",
        severity="sev1",
        last_reviewed=date(2026, 2, 3),
        tags=("tls", "sso"),
        links=("https://a",),
        sections=(RunbookSection("Check", "Look", "check"), RunbookSection("Act", "Do", "act")),
    )
    sync = Runbook(id="sync", title="Sync")
    assert history.runbooks() == []
    first = history.replace_runbooks([sync, cert])
    assert (first.added, first.updated, first.removed, first.unchanged) == (2, 0, (), 0)
    assert history.runbooks() == [cert, sync]
    assert history.runbooks_change() == 1
    assert history.replace_runbooks([cert, sync]).unchanged == 2
    assert history.runbooks_change() == 1
    third = history.replace_runbooks([replace(cert, sections=cert.sections[:1]), Runbook(id="new", title="New")])
    assert (third.added, third.updated, third.removed, third.unchanged) == (1, 1, ("sync",), 0)
    assert [runbook.id for runbook in history.runbooks()] == ["cert", "new"]
    assert history.runbooks()[0].sections == cert.sections[:1]
    assert history.runbooks_change() == 2
    assert history.last_change() == 0


def test_a_library_of_runbooks_is_replaced_by_itself(history: History) -> None:
    wiki, ops = [Runbook(id="wiki-1", title="A"), Runbook(id="both", title="Wiki's")], [Runbook(id="ops-1", title="B")]
    history.replace_runbooks(wiki, library="wiki")
    second = history.replace_runbooks([*ops, Runbook(id="both", title="Ops'")], library="ops")
    assert (second.added, second.removed, dict(second.taken)) == (1, (), {"both": "wiki"})
    assert history.runbook_libraries() == {"both": "wiki", "ops-1": "ops", "wiki-1": "wiki"}
    assert next(runbook for runbook in history.runbooks() if runbook.id == "both").title == "Wiki's"
    third = history.replace_runbooks([Runbook(id="wiki-1", title="A2")], library="wiki")
    assert (third.updated, third.removed) == (1, ("both",))
    assert history.runbook_libraries() == {"ops-1": "ops", "wiki-1": "wiki"}


# --- opening ---


def test_opening_again_is_quick_and_keeps_everything(url: str) -> None:
    history = History.open(url)
    history.upsert([a_case(1)], masking_rules="1")
    history.close()
    started = time.process_time()  # whatever else the machine does
    history = History.open(url)
    seconds = time.process_time() - started
    assert history.count().tickets == 1
    history.close()
    assert seconds < 0.5  # 5 ms on an idle machine


def test_several_open_a_new_history_at_once(url: str) -> None:
    opened: list[History] = []

    def open_one() -> None:
        history = History.open(url)
        history.upsert([a_case(threading.get_ident())], masking_rules="1")
        opened.append(history)

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    assert opened[0].count().tickets == 4
    for history in opened:
        history.close()


def test_a_history_of_a_newer_version_is_left_alone(history: History, url: str) -> None:
    with history.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("DELETE FROM change_counter WHERE name = 'schema_floor'"))
    with pytest.raises(HistoryUnavailable, match=r"schema '9999', which this version does not know .*upgrade"):
        History.open(url)


def test_the_migrations_make_the_tables_of_the_schema(history: History) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    with history.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    assert rows_of(history, vectors) == 0


def test_a_history_of_the_first_schema_is_brought_to_this_one_with_all_it_holds(url: str) -> None:
    config = Config()
    config.set_main_option("script_location", "features:migrations")
    database = Database(url)
    with database.writing() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            insert(tombstones).values(row_id=7, change=3, erased_at=NOON),
        )
    database.engine.dispose()
    upgraded = History.open(url)
    assert upgraded.erased_since(0) == [7]
    assert upgraded.upsert([a_case()], masking_rules="1", once=once("k")).inserted == 1
    upgraded.close()
