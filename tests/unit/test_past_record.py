"""Past records: what was known before a ticket, nothing of itself or of later; what is taken back leaves nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.past_record import (
    RECORD_NAMES,
    Counted,
    PastRecord,
    Who,
    empty_record,
    records_in_time,
)
from features.ticket import SEVERITIES, Outcome, Severity, Status, Ticket

START = datetime(2024, 1, 1, tzinfo=UTC)
END = START + timedelta(days=2_000)

names = st.sampled_from([None, "a", "b"])
people = st.builds(Who, names, names, names)
counted = st.builds(
    Counted, people, st.integers(0, 3), st.integers(0, 1_500).map(lambda day: START.timestamp() + day * 86_400)
)


def _case(who: Who, created: int | None, hours: int | None, level: Severity | None) -> tuple[Ticket, Outcome]:
    """A ticket created on a day, resolved so many hours later; open without hours."""
    at = None if created is None else START + timedelta(days=created)
    ticket = Ticket(created_at=at, product=who.product, customer=who.customer, reporter=who.reporter)
    if hours is None:
        return ticket, Outcome(severity=level)
    resolved = None if at is None else at + timedelta(hours=hours)
    return ticket, Outcome(status=Status.RESOLVED, resolved_at=resolved, severity=level)


# Hours that are whole days make many events of the same moment.
cases = st.builds(
    _case,
    people,
    st.none() | st.integers(0, 12),
    st.none() | st.sampled_from([0, 5, 24, 48, 240]),
    st.none() | st.sampled_from(SEVERITIES),
)
histories = st.lists(cases, max_size=14)


def held(tickets: Sequence[Counted]) -> PastRecord:
    record = PastRecord()
    for ticket in tickets:
        record.add(ticket)
    return record


def in_time(history: Sequence[tuple[Ticket, Outcome]]) -> np.ndarray:
    return records_in_time([ticket for ticket, _ in history], [outcome for _, outcome in history])


def known_at(ticket: Ticket, outcome: Outcome) -> datetime | None:
    """When the severity of a case was known, in the plainest words."""
    if outcome.severity is None or not outcome.is_resolved:
        return None
    return max((at for at in (outcome.resolved_at, ticket.created_at) if at is not None), default=None)


def at_the_end(history: Sequence[tuple[Ticket, Outcome]]) -> np.ndarray:
    """What is known of nobody in particular when all that is dated has happened."""
    known = [found for ticket, outcome in history if (found := Counted.of(ticket, outcome)) is not None]
    created = [ticket.created_at.timestamp() for ticket, _ in history if ticket.created_at is not None]
    moments = [*created, *(ticket.at for ticket in known)]
    return held(known).features(Who(None, None, None), at=max(moments)) if moments else empty_record()


@given(histories)
def test_each_ticket_has_the_record_of_what_was_resolved_before_it(history: list[tuple[Ticket, Outcome]]):
    rows = in_time(history)
    assert rows.shape == (len(history), len(RECORD_NAMES))
    for (ticket, outcome), row in zip(history, rows, strict=True):
        if ticket.created_at is None:
            assert row == pytest.approx(at_the_end(history), abs=1e-9)
            continue
        before = [
            Counted(Who.of(other), SEVERITIES.index(outcome.severity), at.timestamp())
            for other, outcome in history
            if outcome.severity and (at := known_at(other, outcome)) and at < ticket.created_at
        ]
        expected = held(before).features(Who.of(ticket), at=ticket.created_at.timestamp())
        assert row == pytest.approx(expected, abs=1e-9)


@given(histories, st.data())
def test_its_own_severity_and_later_ones_never_reach_a_ticket(history: list[tuple[Ticket, Outcome]], data):
    dated = [i for i, (ticket, _) in enumerate(history) if ticket.created_at is not None]
    if not dated:
        return
    asked = data.draw(st.sampled_from(dated))
    created = history[asked][0].created_at
    changed = [
        (ticket, replace(outcome, severity=data.draw(st.sampled_from(SEVERITIES))))
        if i == asked or ((at := known_at(ticket, outcome)) is not None and at >= created)
        else (ticket, outcome)
        for i, (ticket, outcome) in enumerate(history)
    ]
    assert np.array_equal(in_time(changed)[asked], in_time(history)[asked])


def test_an_open_ticket_counts_once_it_is_resolved_and_not_before():
    who = Who("api", "acme", "ann")
    first = _case(who, 0, 48, Severity.SEV1)
    rows = in_time([first, *(_case(who, day, None, None) for day in (1, 2, 3))])
    assert np.array_equal(rows[:3], np.tile(empty_record(), (3, 1)))
    assert rows[3][RECORD_NAMES.index("reporter_sev1")] > empty_record()[0]
    assert rows[3][RECORD_NAMES.index("reporter_tickets")] == pytest.approx(np.log(2), abs=1e-2)


def test_of_one_moment_what_is_asked_comes_before_what_is_known():
    who = Who("api", "acme", "ann")
    known, asked = _case(who, 0, 24, Severity.SEV1), _case(who, 1, 0, Severity.SEV4)
    both_ways = in_time([known, asked])[1], in_time([asked, known])[0]
    assert np.array_equal(both_ways, [empty_record()] * 2)


def test_a_case_without_a_time_of_resolution_is_known_since_its_creation():
    ticket, outcome = _case(Who("api", None, None), 3, 0, Severity.SEV2)
    assert Counted.of(ticket, replace(outcome, resolved_at=None)) == Counted.of(ticket, outcome)
    assert Counted.of(ticket, replace(outcome, resolved_at=None, status=Status.OPEN)) is None
    assert Counted.of(replace(ticket, created_at=None), replace(outcome, resolved_at=None)) is None
    assert Counted.of(ticket, replace(outcome, severity=None)) is None


@given(st.lists(counted, max_size=8), st.lists(counted, max_size=8), people, st.randoms(use_true_random=False))
def test_what_is_added_and_taken_back_leaves_the_record_as_it_was(kept, gone, who, random):
    record = held(kept)
    added = random.sample(gone, len(gone))
    for ticket in added:
        record.add(ticket)
    for ticket in random.sample(gone, len(gone)):
        record.remove(ticket)
    at = END.timestamp()
    assert record.features(who, at=at) == pytest.approx(held(kept).features(who, at=at), abs=1e-6)


@given(st.lists(counted, max_size=10), people, st.randoms(use_true_random=False))
def test_a_record_of_which_all_is_taken_back_is_empty(tickets, who, random):
    record = held(tickets)
    for ticket in random.sample(tickets, len(tickets)):
        record.remove(ticket)
    assert record.features(who, at=END.timestamp()) == pytest.approx(empty_record(), abs=1e-9)


@pytest.mark.parametrize("year", [2024, 2000, 1970])
def test_old_tickets_can_be_taken_back_after_new_ones(year: int):
    ann = Who("api", "acme", "ann")
    moments = datetime(year, 1, 1, tzinfo=UTC), START + timedelta(days=1_500)
    old, new = (Counted(ann, 0, at.timestamp()) for at in moments)
    record = held([old, new])
    record.remove(new)
    record.remove(old)
    assert record.features(ann, at=END.timestamp()) == pytest.approx(empty_record(), abs=1e-9)


@given(st.lists(counted, max_size=8), counted, people)
def test_to_leave_a_ticket_out_is_never_to_have_added_it(others, ticket, who):
    at = END.timestamp()
    left_out = held([*others, ticket]).features(who, at=at, without=[ticket])
    assert left_out == pytest.approx(held(others).features(who, at=at), abs=1e-6)


@given(st.lists(counted, max_size=8), people)
def test_shares_are_shares(tickets, who):
    features = held(tickets).features(who, at=END.timestamp())
    shares = np.exp(features[:-2].reshape(-1, len(SEVERITIES)))
    assert shares.sum(axis=1) == pytest.approx(np.ones(len(shares)))
    assert np.all(features[-2:] >= 0)
    assert np.expm1(features[-2:]).max() <= len(tickets) + 1e-6


def test_severe_tickets_of_a_reporter_raise_the_share_and_fade():
    ann, at = Who("api", "acme", "ann"), START.timestamp()
    record = held([Counted(ann, 0, at)] * 8)
    column = RECORD_NAMES.index("reporter_sev1")
    years = [record.features(ann, at=at + year * 365 * 86_400)[column] for year in (0, 1, 5, 30)]
    assert years == sorted(years, reverse=True)
    assert years[0] > np.log(0.6)
    assert years[-1] == pytest.approx(np.log(0.25), abs=1e-3)
    stranger = record.features(Who("other", None, None), at=at)[column]
    assert np.log(0.25) < stranger < years[0], "of a stranger all tickets tell something, and less"


def test_the_last_weeks_and_all_years_are_kept_apart():
    ann, now = Who(None, None, "ann"), END.timestamp()
    old = [Counted(ann, 3, now - 3 * 365 * 86_400)] * 40
    features = dict(zip(RECORD_NAMES, held([*old, *[Counted(ann, 0, now)] * 4]).features(ann, at=now), strict=True))
    assert features["reporter_lately_sev1"] > features["reporter_sev1"] > features["reporter_ever_sev1"]


@pytest.mark.parametrize("year", [1970, 2000, 2199])
def test_a_ticket_of_any_year_has_a_finite_record(year: int):
    ann, at = Who("api", "acme", "ann"), datetime(year, 1, 1, tzinfo=UTC).timestamp()
    record = held([Counted(ann, 0, END.timestamp()), Counted(ann, 3, datetime(2026, 6, 1, tzinfo=UTC).timestamp())])
    features = record.features(ann, at=at)
    assert np.isfinite(features).all()
    assert np.expm1(features[-2:]).max() <= 2 + 1e-6, "two tickets are never more than two"


def test_who_is_unknown_is_nobody_of_the_name_none():
    at = START.timestamp()
    record = held([Counted(Who("None", "None", "None"), 0, at)] * 9)
    unknown, named = (record.features(Who(name, name, name), at=at) for name in (None, "None"))
    assert unknown[-2:].tolist() == [0.0, 0.0]
    assert named[0] > unknown[0]


def test_a_ticket_resolved_before_it_was_created_does_not_know_itself():
    ticket, outcome = _case(Who("api", "acme", "ann"), 5, 24, Severity.SEV1)
    early = replace(outcome, resolved_at=START)
    assert np.array_equal(records_in_time([ticket], [early])[0], empty_record())


def test_undated_tickets_have_one_record_which_tells_nothing_of_their_severity():
    resolved = [_case(Who("api", None, "ann"), day, 24, SEVERITIES[day % 4]) for day in range(9)]
    undated = [(replace(ticket, created_at=None), outcome) for ticket, outcome in resolved]
    assert len(np.unique(in_time(undated), axis=0)) == 1


def test_tickets_that_were_moved_here_after_their_resolution_tell_nothing_of_one_another():
    resolved = [_case(Who("api", None, "ann"), day, 24, SEVERITIES[day % 4]) for day in range(9)]
    moved = [(replace(ticket, created_at=END), outcome) for ticket, outcome in resolved]
    assert np.array_equal(in_time(moved), np.tile(empty_record(), (9, 1)))
