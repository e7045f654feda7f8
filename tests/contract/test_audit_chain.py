"""The audit chain on every database: what is entered, what is noticed, what may be forgotten."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select, text, update

from features.audit_chain import NOTHING, ChainEnd, Event, Kind, enter, entry_hash
from features.audit_check import Anchor, verify
from features.errors import HistoryUnavailable
from features.history import History
from features.schema import audit_chain, audit_head, journal_feedback, journal_suggestions
from features.ticket import Case, Ticket
from serving.journal import FeedbackEntry, Journal, SuggestionEntry
from serving.keys import create_key, revoke_key, rotate_key
from serving.schemas import Action, SeverityAnswer, SimilarCase, Suggestion, TargetAnswer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def suggestion(request_id: str, *case_ids: str) -> Suggestion:
    cases = [
        SimilarCase(
            id=case_id,
            subject="Pin 4711",
            url=None,
            relevance=0.1 + 0.2,
            tier="strong",
            resolved_at=NOON,
            category="login",
            resolution="Rotated the key for Zoë.",
            outcome="held",
            duplicates=0,
            why=[],
        )
        for case_id in case_ids
    ]
    return Suggestion(
        request_id=request_id,
        release="r1",
        index_watermark=3,
        category=TargetAnswer(value="login", confidence=1e-7, action=Action.SUGGEST),
        severity=SeverityAnswer(
            value=None, most_likely=None, confidence=0.0, action=Action.ABSTAIN, sev1_flag=False, sev1_risk=1.0
        ),
        targets={},
        similar_cases=cases,
        related_open=[],
        resolutions=[],
        runbooks=[],
        novel=False,
        hidden_count=0,
        notes=[],
    )


def asked(request_id: str, *case_ids: str, ticket_id: str | None = None, at: datetime = NOON) -> SuggestionEntry:
    ticket = Ticket(id=ticket_id, subject=f"Cannot log in {request_id}", fields={"seats": 2**62, "rate": 0.1})
    given = suggestion(request_id, *case_ids)
    return SuggestionEntry(at=at, key_id="k1", ticket=ticket, text=ticket.subject, suggestion=given)


def told(request_id: str, *, ref_id: str = "T-1", at: datetime = NOON) -> FeedbackEntry:
    return FeedbackEntry(
        at=at, key_id="k2", request_id=request_id, kind="accepted", target="case", ref_id=ref_id, value=None, by="ab12"
    )


@pytest.fixture
def journal(history: History) -> Iterator[Journal]:
    cases = [Case(ticket=Ticket(id=f"T-{number}", subject="No login")) for number in range(4)]
    history.upsert(cases, masking_rules="1")
    opened = Journal(history, "default")
    opened.start()
    yield opened
    opened.stop()


@pytest.fixture
def filled(history: History, journal: Journal) -> History:
    """Entries 2 to 9: six suggestions one by one, feedback on two of them."""
    for number in range(6):
        journal.record(asked(f"r-{number}", "T-1", "T-2", ticket_id="T-0" if number == 0 else None)).result(20)
    journal.add_feedback(told("r-3"))
    journal.add_feedback(told("r-4", ref_id="T-2"))
    report = verify(history)
    assert report.fault is None
    assert (report.entries, report.head_seq) == (9, 9)
    return history


def entries(history: History) -> list[tuple[str, str | None, dict[str, object]]]:
    with history.reading() as connection:
        rows = connection.execute(select(audit_chain).order_by(audit_chain.c.seq))
        return [(row.kind, row.actor, json.loads(row.payload)) for row in rows]


# --- what is entered ---


def test_a_new_history_begins_with_one_entry(history: History) -> None:
    report = verify(history)
    assert report.fault is None
    assert (report.entries, report.head_seq, sum(report.texts.values()), report.unchained) == (1, 1, 0, 0)
    assert entries(history) == [("start", None, {"unchained": 0})]


def test_who_asked_what_was_suggested_and_what_was_chosen_are_entered_without_a_word(filled: History) -> None:
    kinds = [(kind, actor) for kind, actor, _ in entries(filled)]
    assert kinds == [("start", None), *[("suggestion", "k1")] * 6, *[("feedback", "k2")] * 2]
    first = entries(filled)[1][2]
    assert set(first) == {"release", "watermark", "content"}
    assert (first["release"], first["watermark"]) == ("r1", 3)
    with filled.reading() as connection:
        chain = str(connection.execute(select(audit_chain)).all())
    assert not any(word in chain for word in ("login", "T-1", "r-0", "4711", "ab12"))


def test_what_is_done_to_keys_is_entered(history: History) -> None:
    made = create_key(history, label="Ann's desk", scopes=["suggest"], groups=["acme"], actor="cli")
    new = rotate_key(history, made.key.key_id, overlap=timedelta(hours=1), actor="cli")
    revoke_key(history, made.key.key_id, actor="cli")
    revoke_key(history, made.key.key_id, actor="cli")
    kinds = entries(history)[1:]
    assert [(kind, actor) for kind, actor, _ in kinds] == [
        ("key_created", "cli"),
        ("key_rotated", "cli"),
        ("key_revoked", "cli"),
    ]
    assert kinds[0][2] == {
        "key_id": made.key.key_id,
        "scopes": ["suggest"],
        "sees_all_groups": False,
        "expires_at": None,
    }
    assert (kinds[1][2]["key_id"], kinds[1][2]["replaces"]) == (new.key.key_id, made.key.key_id)
    assert verify(history).fault is None


def test_many_suggestions_at_once_are_one_chain(history: History, journal: Journal) -> None:
    waiting = [journal.record(asked(f"r-{number}", "T-1")) for number in range(250)]
    assert [future.result(20) for future in waiting] == [f"r-{number}" for number in range(250)]
    report = verify(history)
    assert report.fault is None
    assert (report.entries, report.texts) == (251, {"suggestion": 250, "feedback": 0})


def entered_and_failed(history: History) -> None:
    with history.writing() as connection:
        ChainEnd(connection).append([Event(Kind.PROMOTE, NOON, "cli", {"release": "r2"})])
        raise RuntimeError("stop")


def test_what_fails_leaves_no_entry(history: History, journal: Journal) -> None:
    journal.record(asked("r-1")).result(20)
    with pytest.raises(RuntimeError, match="stop"):
        entered_and_failed(history)
    enter(history, Kind.PROMOTE, "cli", {"release": "r3", "before": "r1"})
    assert [payload.get("release") for _, _, payload in entries(history)] == [None, "r1", "r3"]
    assert verify(history).fault is None


# --- what is noticed ---


def rehashed(history: History, seq: int, **changes: object) -> None:
    """Change an entry and give it the hash that fits, as somebody who knows the format would."""
    with history.writing() as connection:
        row = connection.execute(select(audit_chain).where(audit_chain.c.seq == seq)).one()._asdict() | changes
        row["hash"] = entry_hash(seq, row["at"], row["kind"], row["actor"], row["previous"], row["payload"])
        connection.execute(update(audit_chain).where(audit_chain.c.seq == seq).values(row))


def swapped(history: History, one: int, other: int) -> None:
    with history.writing() as connection:
        for old, new in ((one, -1), (other, one), (-1, other)):
            connection.execute(update(audit_chain).where(audit_chain.c.seq == old).values(seq=new))


def put_in(history: History) -> None:
    values = {"seq": 10, "at": NOON, "kind": "promote", "actor": "cli", "payload": "{}", "previous": NOTHING}
    with history.writing() as connection:
        connection.execute(insert(audit_chain).values(**values, hash="ab" * 32))


def put_in_the_middle(history: History) -> None:
    with history.writing() as connection:
        for seq in range(9, 4, -1):
            connection.execute(update(audit_chain).where(audit_chain.c.seq == seq).values(seq=seq + 1))
        row = connection.execute(select(audit_chain).where(audit_chain.c.seq == 4)).one()._asdict()
        connection.execute(insert(audit_chain).values(row | {"seq": 5}))


def forgotten(history: History, through: int) -> None:
    """Cut off the beginning and move the checkpoint, as retention does, but for its entry."""
    with history.writing() as connection:
        digest = connection.scalar(select(audit_chain.c.hash).where(audit_chain.c.seq == through))
        connection.execute(delete(audit_chain).where(audit_chain.c.seq <= through))
        connection.execute(delete(journal_suggestions).where(journal_suggestions.c.audit_seq <= through))
        connection.execute(update(audit_head).values(base_seq=through, base_hash=digest))


def run(history: History, statement: object) -> None:
    with history.writing() as connection:
        connection.execute(statement)  # type: ignore[call-overload]


def of(seq: int) -> object:
    return audit_chain.c.seq == seq


TAMPERINGS: dict[str, tuple[Callable[[History], None], int | None, str]] = {
    "time changed": (lambda h: run(h, update(audit_chain).where(of(4)).values(at=NOON - timedelta(1))), 4, "changed"),
    "actor changed": (lambda h: run(h, update(audit_chain).where(of(4)).values(actor="k9")), 4, "changed"),
    "kind changed": (lambda h: run(h, update(audit_chain).where(of(4)).values(kind="promote")), 4, "changed"),
    "payload changed": (lambda h: run(h, update(audit_chain).where(of(4)).values(payload="{}")), 4, "changed"),
    "payload unreadable": (lambda h: run(h, update(audit_chain).where(of(4)).values(payload="{")), 4, "changed"),
    "changed with a hash that fits": (lambda h: rehashed(h, 4, actor="k9"), 5, "does not follow"),
    "last one changed with a hash that fits": (lambda h: rehashed(h, 9, actor="k9"), 10, "ends at entry 9"),
    "deleted": (lambda h: run(h, delete(audit_chain).where(of(5))), 5, "missing: the next one is 6"),
    "first one deleted": (lambda h: run(h, delete(audit_chain).where(of(1))), 1, "missing"),
    "put in at the end": (put_in, 10, "does not follow"),
    "put in in the middle": (put_in_the_middle, 5, "does not follow"),
    "put in before": (lambda h: run(h, update(audit_chain).where(of(9)).values(seq=0)), 1, "there is 0"),
    "reordered": (lambda h: swapped(h, 4, 5), 4, "does not follow"),
    "cut off": (lambda h: run(h, delete(audit_chain).where(audit_chain.c.seq > 6)), 7, "its head says 9"),
    "emptied": (lambda h: run(h, delete(audit_chain)), 1, "ends at entry 0"),
    "head gone": (lambda h: run(h, delete(audit_head)), None, "head of the chain is gone"),
    "beginning cut off": (lambda h: forgotten(h, 4), 5, "no entry tells"),
    "text changed": (
        lambda h: run(h, update(journal_suggestions).where(journal_suggestions.c.audit_seq == 4).values(ticket={})),
        4,
        "not what was entered",
    ),
    "who asked changed": (
        lambda h: run(h, update(journal_suggestions).where(journal_suggestions.c.audit_seq == 4).values(key_id=None)),
        4,
        "not what was entered",
    ),
    "what was chosen changed": (
        lambda h: run(h, update(journal_feedback).where(journal_feedback.c.audit_seq == 8).values(kind="wrong")),
        8,
        "not what was entered",
    ),
    "text removed": (
        lambda h: run(h, delete(journal_suggestions).where(journal_suggestions.c.audit_seq == 4)),
        4,
        "is gone, and no erasure says so",
    ),
    "texts exchanged": (
        lambda h: run(h, text("UPDATE journal_suggestions SET audit_seq = 9 WHERE audit_seq = 4")),
        4,
        "is gone",
    ),
    "text put in": (
        lambda h: run(h, text("UPDATE journal_feedback SET audit_seq = NULL WHERE audit_seq = 9")),
        9,
        "is gone",
    ),
    "text put in beside": (
        lambda h: run(h, insert(journal_feedback).values(request_id="r-1", at=NOON, kind="wrong")),
        None,
        "holds 1 rows that no entry vouches for",
    ),
    "text put in for another entry": (
        lambda h: run(h, insert(journal_feedback).values(request_id="r-1", at=NOON, kind="wrong", audit_seq=1)),
        None,
        "1 feedback rows that name an entry that is not theirs",
    ),
}


@pytest.mark.parametrize("name", TAMPERINGS)
def test_what_was_tampered_with_is_found(filled: History, name: str) -> None:
    tamper, seq, reason = TAMPERINGS[name]
    tamper(filled)
    report = verify(filled)
    assert report.fault is not None
    assert report.fault.seq == seq
    assert reason in report.fault.reason


def cut_and_covered(history: History, last: int) -> None:
    """Cut off the end with its texts and move the head back: the chain itself is whole again."""
    with history.writing() as connection:
        digest = connection.scalar(select(audit_chain.c.hash).where(audit_chain.c.seq == last))
        connection.execute(delete(audit_chain).where(audit_chain.c.seq > last))
        for table in (journal_suggestions, journal_feedback):
            connection.execute(delete(table).where(table.c.audit_seq > last))
        connection.execute(update(audit_head).values(seq=last, hash=digest))


def test_a_tail_that_was_cut_off_with_care_is_noticed_by_a_head_kept_elsewhere(filled: History) -> None:
    report = verify(filled)
    anchor = Anchor(report.head_seq, report.head_hash)
    assert verify(filled, anchor).fault is None
    cut_and_covered(filled, 6)
    assert verify(filled).fault is None
    fault = verify(filled, anchor).fault
    assert fault is not None
    assert "was expected to hold entry 9" in fault.reason


def test_a_tail_that_was_written_anew_is_noticed_by_a_head_kept_elsewhere(filled: History) -> None:
    report = verify(filled)
    cut_and_covered(filled, 6)
    for number in range(5):
        enter(filled, Kind.PROMOTE, "cli", {"release": f"r{number}", "before": None})
    assert verify(filled).fault is None
    fault = verify(filled, Anchor(report.head_seq, report.head_hash)).fault
    assert fault is not None
    assert (fault.seq, "written anew" in fault.reason) == (9, True)


def test_a_head_kept_long_ago_still_holds(filled: History, journal: Journal) -> None:
    report = verify(filled)
    journal.record(asked("later")).result(20)
    assert verify(filled, Anchor(report.head_seq, report.head_hash)).fault is None


def test_without_a_head_nothing_is_entered(filled: History, journal: Journal) -> None:
    run(filled, delete(audit_head))
    with pytest.raises(HistoryUnavailable, match="head of the audit chain is gone"):
        journal.record(asked("r-9")).result(20)


# --- what may be forgotten ---


def test_an_erased_ticket_leaves_a_chain_that_holds(filled: History) -> None:
    filled.erase("T-0", actor="k3")
    filled.erase("T-2", actor="cli")
    report = verify(filled)
    assert report.fault is None
    assert (report.texts, report.erased) == ({"suggestion": 5, "feedback": 1}, 2)
    erasures = [(actor, payload) for kind, actor, payload in entries(filled) if kind == "erase"]
    assert [(actor, payload["erased"]) for actor, payload in erasures] == [("k3", [2]), ("cli", [9])]
    assert [seq for seq, _ in erasures[1][1]["redacted"]] == [3, 4, 5, 6, 7]  # type: ignore[index]


def test_what_an_erasure_left_of_an_answer_is_vouched_for(filled: History) -> None:
    filled.erase("T-2")
    run(filled, text("UPDATE journal_suggestions SET release = 'r2' WHERE audit_seq = 5"))
    fault = verify(filled).fault
    assert fault is not None
    assert (fault.seq, fault.reason) == (5, "its suggestion is not what was entered")


def test_a_removal_does_not_pass_for_an_erasure_of_something_else(filled: History) -> None:
    filled.erase("T-0")
    run(filled, delete(journal_suggestions).where(journal_suggestions.c.audit_seq == 5))
    fault = verify(filled).fault
    assert fault is not None
    assert fault.seq == 5


def salts(history: History) -> set[str]:
    with history.reading() as connection:
        found = [connection.scalars(select(table.c.salt)) for table in (journal_suggestions, journal_feedback)]
        return {salt for each in found for salt in each}


def test_an_erased_text_cannot_be_tried_against_its_hash(filled: History, tmp_path: Path) -> None:
    """Whoever knows all but a short part must not find it: the salt goes with the text, and is never used again."""
    before = salts(filled)
    assert len(before) == 8
    assert all(len(salt) == 32 for salt in before)
    filled.erase("T-2")
    # All answers showed it, and the feedback on it is gone: but one salt is another one.
    assert len(salts(filled) & before) == 1
    with filled.reading() as connection:
        chain = str(connection.execute(select(audit_chain)).all())
    assert not any(salt in chain for salt in before)
    filled.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.glob("history.db*"))
    gone = before - salts(filled)
    assert not any(salt.encode() in kept for salt in gone)


def aged(history: History, journal: Journal) -> None:
    """Twenty suggestions, a day apart, the newest a day old, with feedback on each an hour later."""
    now = datetime.now(UTC)
    for number in range(20):
        at = now - timedelta(days=20 - number)
        journal.record(asked(f"r-{number}", "T-1", "T-2", at=at)).result(20)
        journal.add_feedback(told(f"r-{number}", at=at + timedelta(hours=1)))
    # The first entry is of now: nothing before it may go, or there would be a hole.
    rehash_start(history, now - timedelta(days=30))


def rehash_start(history: History, at: datetime) -> None:
    """Date the chain's beginning back, with every hash that follows from it."""
    with history.writing() as connection:
        previous = NOTHING
        for row in connection.execute(select(audit_chain).order_by(audit_chain.c.seq)).all():
            when = at if row.seq == 1 else row.at
            digest = entry_hash(row.seq, when, row.kind, row.actor, previous, row.payload)
            connection.execute(update(audit_chain).where(of(row.seq)).values(at=when, previous=previous, hash=digest))
            previous = digest
        connection.execute(update(audit_head).values(hash=previous))


def test_retention_removes_what_is_old_and_leaves_a_chain_that_holds(history: History, journal: Journal) -> None:
    aged(history, journal)
    before = verify(history)
    pruned = history.prune_journal(datetime.now(UTC) - timedelta(days=5.5))
    assert (pruned.entries, pruned.rows) == (31, 30)
    report = verify(history)
    assert report.fault is None
    assert report.removed_through == 31
    assert report.entries == 11
    assert report.texts == {"suggestion": 5, "feedback": 5}
    assert entries(history)[-1][0] == "retention"
    assert verify(history, Anchor(before.head_seq, before.head_hash)).fault is None
    again = history.prune_journal(datetime.now(UTC) - timedelta(days=5.5))
    assert (again.entries, again.rows) == (0, 0)
    assert verify(history).entries == 11


def test_retention_in_small_steps_and_of_everything(history: History, journal: Journal) -> None:
    from features.audit_retention import prune

    aged(history, journal)
    steps = 0
    while True:
        with history.writing() as connection:
            pruned = prune(connection, datetime.now(UTC) - timedelta(hours=1), limit=7)
        assert verify(history).fault is None
        steps += 1
        if pruned.is_done:
            break
    assert steps == 6
    assert verify(history).texts == {"suggestion": 0, "feedback": 0}
    journal.record(asked("after", "T-1")).result(20)
    assert verify(history).fault is None


def test_erasing_and_retention_go_together(history: History, journal: Journal) -> None:
    aged(history, journal)
    history.erase("T-2")
    history.prune_journal(datetime.now(UTC) - timedelta(days=5.5))
    assert verify(history).fault is None
    history.erase("T-1")
    assert verify(history).fault is None


def test_a_checkpoint_that_was_moved_on_is_noticed(history: History, journal: Journal) -> None:
    aged(history, journal)
    history.prune_journal(datetime.now(UTC) - timedelta(days=5.5))
    old = Anchor(20, "ab" * 32)
    assert "older than what is kept" in verify(history, old).fault.reason  # type: ignore[union-attr]
    assert "another one than was expected" in verify(history, Anchor(31, "ab" * 32)).fault.reason  # type: ignore[union-attr]
    forgotten(history, 35)
    fault = verify(history).fault
    assert fault is not None
    assert "no entry tells" in fault.reason


def test_a_clock_that_went_back_leaves_no_hole(history: History, journal: Journal) -> None:
    now = datetime.now(UTC)
    rehash_start(history, now - timedelta(days=90))
    for number, days in enumerate((80, 2, 70, 1)):
        journal.record(asked(f"r-{number}", at=now - timedelta(days=days))).result(20)
    assert history.prune_journal(now - timedelta(days=30)).entries == 2
    report = verify(history)
    assert report.fault is None
    assert report.texts["suggestion"] == 3


def taken_back(history: History) -> None:
    """Make the schema what it was before the chain."""
    tables = ("journal_feedback", "journal_suggestions")
    columns = [(table, column) for table in tables for column in ("audit_seq", "salt")]
    for statement in (
        "ALTER TABLE runbooks DROP COLUMN library",
        "DROP TABLE audit_chain",
        "DROP TABLE audit_head",
        *(f"DROP INDEX ix_{table}_audit_seq" for table in tables),
        *(f"ALTER TABLE {table} DROP COLUMN {column}" for table, column in columns),
        "UPDATE alembic_version SET version_num = '0002'",
    ):
        run(history, text(statement))


def test_rows_from_before_the_chain_are_told_apart(url: str) -> None:
    with closing(History.open(url)) as history:
        run(history, insert(journal_feedback).values(request_id="r", at=NOON, kind="wrong"))
        taken_back(history)
    with closing(History.open(url)) as history:
        report = verify(history)
        assert report.fault is None
        assert report.unchained == 1
        assert entries(history)[0] == ("start", None, {"unchained": 1})
        history.prune_journal(NOON + timedelta(days=1))
        assert verify(history).unchained == 0


# --- several writers, and sudden ends ---


def test_several_writers_make_one_chain(url: str) -> None:
    n_suggestions, n_keys = 60, 15

    def suggest(name: str) -> None:
        with closing(History.open(url)) as history:
            journal = Journal(history, "default")
            journal.start()
            for future in [journal.record(asked(f"{name}-{number}", "T-1")) for number in range(n_suggestions)]:
                future.result(60)
            journal.stop()

    def manage(name: str) -> None:
        with closing(History.open(url)) as history:
            for number in range(n_keys):
                history.upsert([Case(ticket=Ticket(id=f"{name}-{number}", subject="s"))], masking_rules="1")
                create_key(history, label=name)
                history.erase(f"{name}-{number}")

    with closing(History.open(url)) as history:
        writers = [threading.Thread(target=suggest, args=(f"s{number}",)) for number in range(3)]
        writers += [threading.Thread(target=manage, args=(f"m{number}",)) for number in range(2)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            assert verify(history).fault is None
        for writer in writers:
            writer.join()
        report = verify(history)
        assert report.fault is None
        assert report.entries == 1 + 3 * n_suggestions + 2 * 2 * n_keys


WRITER = """
import sys
from contextlib import closing
sys.path.insert(0, sys.argv[2])
from test_audit_chain import asked, told
from features.history import History
from serving.journal import Journal
history = History.open(sys.argv[1])
journal = Journal(history, "default")
journal.start()
name = sys.argv[3]
for number in range(100_000):
    waiting = [journal.record(asked(f"{name}-{number}-{each}", "T-1")) for each in range(5)]
    for future in waiting:
        print(future.result(60), flush=True)
    journal.add_feedback(told(f"{name}-{number}-0"))
"""


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_a_chain_that_holds(url: str) -> None:
    draw = random.Random(7)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with closing(History.open(url)) as history:
        for attempt in range(6):
            command = [sys.executable, "-c", WRITER, url, str(Path(__file__).parent), f"w{attempt}"]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first, "the writer did not begin"
            time.sleep(draw.uniform(0.0, 0.3))
            process.send_signal(signal.SIGKILL)
            acknowledged = {first.strip(), *(line.strip() for line in process.stdout if line.endswith("\n"))}
            process.stdout.close()
            process.wait(10)
            report = verify(history)
            assert report.fault is None
            with history.reading() as connection:
                kept = set(connection.scalars(select(journal_suggestions.c.request_id)))
            assert acknowledged <= kept


# --- by a third party ---


def test_anybody_can_verify_it_as_the_document_says(history: History, journal: Journal, tmp_path: Path) -> None:
    if history.engine.dialect.name != "sqlite":
        pytest.skip("the document's example reads SQLite")
    aged(history, journal)
    history.erase("T-2")
    history.prune_journal(datetime.now(UTC) - timedelta(days=5.5))
    document = (Path(__file__).parents[2] / "docs" / "audit.md").read_text()
    program = document.partition("```python\n")[2].partition("```")[0]
    run_it = [sys.executable, "-c", program, str(tmp_path / "history.db")]
    found = subprocess.run(run_it, capture_output=True, text=True, timeout=60)
    report = verify(history)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split() == [f"{report.head_seq}:{report.head_hash}"]
    run(history, update(audit_chain).where(of(40)).values(actor="k9"))
    assert subprocess.run(run_it, capture_output=True, timeout=60).returncode != 0


def test_a_row_fits_its_hash_as_the_document_says(filled: History) -> None:
    with filled.reading() as connection:
        row = connection.execute(select(journal_feedback).where(journal_feedback.c.audit_seq == 8)).one()
    content = (
        '{"at":"2026-03-01T12:00:00.000000+00:00","by_whom":"ab12","key_id":"k2","kind":"accepted","ref_id":"T-1",'
        '"request_id":"r-3","target":"case","value":null}'
    )
    expected = hashlib.sha256(f"{row.salt}\n{content}".encode()).hexdigest()
    assert entries(filled)[7][2]["content"] == expected
