"""The past record that the index keeps: that of its live cases, whatever became of the others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.case_entries import CaseEntries
from features.case_index import CaseIndex
from features.encoder import HashingEncoder
from features.history import History, StoredCase
from features.history_rows import content_hash
from features.lexical import LexicalStatistics
from features.past_record import Counted, PastRecord, Who, empty_record
from features.text import ModelText
from features.ticket import SEVERITIES, Case, Outcome, Severity, Status, Ticket

START = datetime(2025, 1, 1, tzinfo=UTC)
NOW = START + timedelta(days=500)
ANN = Ticket(product="api", customer="acme", reporter="ann")
NOBODY = np.empty(0, dtype=np.int64)

names = st.sampled_from([None, "a", "b"])


def case(
    number: int,
    level: Severity | None = Severity.SEV1,
    *,
    who: Who = Who("api", "acme", "ann"),  # noqa: B008
    days: int | None = 0,
    hours: int | None = 5,
    status: Status = Status.RESOLVED,
) -> Case:
    at = None if days is None else START + timedelta(days=days)
    return Case(
        ticket=Ticket(
            id=f"T-{number}",
            subject="Sync stalls",
            created_at=at,
            product=who.product,
            customer=who.customer,
            reporter=who.reporter,
        ),
        outcome=Outcome(
            status=status,
            resolved_at=None if at is None or hours is None or status is Status.OPEN else at + timedelta(hours=hours),
            severity=level,
        ),
    )


cases = st.builds(
    case,
    st.integers(1, 6),
    st.none() | st.sampled_from(SEVERITIES),
    who=st.builds(Who, names, names, names),
    days=st.none() | st.integers(0, 400),
    hours=st.none() | st.just(5),
    status=st.sampled_from(Status),
)


def expected(live: list[Case], who: Who, without: str | None = None) -> np.ndarray:
    record = PastRecord()
    for held in live:
        counted = Counted.of(held.ticket, held.outcome)
        if counted is not None and held.id != without:
            record.add(counted)
    return record.features(who, at=NOW.timestamp())


def extend(entries: CaseEntries, changed: list[Case]) -> None:
    stored = [StoredCase(int(c.id[2:]), 1, content_hash(c), "1", c) for c in changed]
    entries.extend(stored, [ModelText("", "")] * len(stored))


@given(
    st.lists(
        st.lists(cases, max_size=4, unique_by=lambda case: case.id)
        | st.lists(st.integers(1, 7), max_size=2)
        | st.just("reload"),
        max_size=8,
    ),
    st.builds(Who, names, names, names),
)
def test_the_record_is_that_of_the_live_cases_after_any_changes(steps, who: Who):
    entries, live = CaseEntries(), {}
    for step in steps:
        if step == "reload":
            entries = CaseEntries.from_parts(*entries.take(entries.live_slots))
        elif step and isinstance(step[0], int):
            entries.drop(step)
            live = {id_: held for id_, held in live.items() if int(id_[2:]) not in step}
        else:
            extend(entries, step)
            live |= {held.id: held for held in step}
    found = entries.record(who, at=NOW.timestamp(), own=NOBODY)
    assert found == pytest.approx(expected([*live.values()], who), abs=1e-6)
    for row in (1, 4):
        without = entries.record(who, at=NOW.timestamp(), own=np.array([row]))
        assert without == pytest.approx(expected([*live.values()], who, f"T-{row}"), abs=1e-6)


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History.open(f"sqlite:///{tmp_path}/history.db")) as history:
        yield history


@pytest.fixture
def index(tmp_path: Path, history: History) -> Iterator[CaseIndex]:
    with closing(CaseIndex.create(tmp_path / "index", HashingEncoder(16), LexicalStatistics.fit([]))) as index:
        yield index


def test_the_index_follows_additions_updates_and_erasures(index: CaseIndex, history: History):
    def record() -> np.ndarray:
        index.replay(history)
        return index.record(ANN, at=NOW.timestamp())

    others = [case(number, Severity.SEV3, who=Who("web", None, None)) for number in range(2, 6)]
    history.upsert(others, masking_rules="1")
    without_ann = record()
    for changed in ([case(1)], [case(1, Severity.SEV4)], [case(1, Severity.SEV4), case(9, Severity.SEV2, days=30)]):
        history.upsert(changed, masking_rules="1")
        assert record() == pytest.approx(expected([*others, *changed], Who.of(ANN)), abs=1e-9)
    assert not np.allclose(record(), without_ann)
    history.erase("T-1")
    history.erase("T-9")
    assert record() == pytest.approx(without_ann, abs=1e-9)
    for held in others:
        history.erase(held.id)
    assert record() == pytest.approx(empty_record(), abs=1e-9)


def test_a_snapshot_gives_the_record_back(index: CaseIndex, history: History, tmp_path: Path):
    history.upsert([case(1), case(2, Severity.SEV2, days=100), case(3, status=Status.OPEN)], masking_rules="1")
    index.replay(history)
    history.erase("T-2")
    index.replay(history)
    index.snapshot()
    with closing(CaseIndex.open(index.folder, HashingEncoder(16), LexicalStatistics.fit([]))) as opened:
        assert len(opened) == 2
        at = NOW.timestamp()
        assert opened.record(ANN, at=at) == pytest.approx(index.record(ANN, at=at), abs=1e-9)
        assert opened.record(ANN, at=at)[-1] == pytest.approx(np.log1p(2 ** (-499.8 / 365)), abs=1e-3)


def test_a_case_that_is_asked_about_again_does_not_count(index: CaseIndex, history: History):
    history.upsert([case(1), case(2, Severity.SEV4)], masking_rules="1")
    index.replay(history)
    asked = case(1).ticket
    assert index.record(asked, at=NOW.timestamp()) == pytest.approx(
        expected([case(2, Severity.SEV4)], Who.of(ANN)), abs=1e-9
    )


def test_its_namesakes_in_other_systems_do_not_count_either(index: CaseIndex, history: History):
    namesake = replace(case(1, Severity.SEV2), system="jira")
    history.upsert([case(1), namesake, case(2, Severity.SEV4)], masking_rules="1")
    index.replay(history)
    assert index.record(case(1).ticket, at=NOW.timestamp()) == pytest.approx(
        expected([case(2, Severity.SEV4)], Who.of(ANN)), abs=1e-9
    )


def test_a_case_long_ago_can_change_after_a_new_one_is_erased(index: CaseIndex, history: History):
    history.upsert([case(1), case(2, days=1_500)], masking_rules="1")
    index.replay(history)
    history.erase("T-2")
    index.replay(history)
    history.upsert([case(1, Severity.SEV4)], masking_rules="1")
    assert index.replay(history) == 1
    assert index.record(ANN, at=NOW.timestamp()) == pytest.approx(
        expected([case(1, Severity.SEV4)], Who.of(ANN)), abs=1e-9
    )
