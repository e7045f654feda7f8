"""Columns of what is known of each case."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from features.case_entries import CaseEntries, CaseEntry
from features.case_filter import CaseFilter, microseconds
from features.history import StoredCase, StoredVersions
from features.history_rows import content_hash, digests
from features.past_record import Who
from features.text import model_text
from features.ticket import Case, FixOutcome, Link, LinkType, Outcome, Severity, Status, Ticket

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def stored(row_id: int, *, system: str = "default", change: int = 1, links: tuple[Link, ...] = (), **values: object):
    outcome = {
        name: values.pop(name) for name in ("status", "category", "severity", "outcome", "targets") if name in values
    }
    if outcome.get("status", Status.OPEN) is not Status.OPEN:
        outcome["resolved_at"] = NOON + timedelta(days=1)
    ticket = Ticket(id=f"T-{row_id}", subject="Login fails", description="Since noon", **values)
    case = Case(ticket=ticket, outcome=Outcome(**outcome), links=links, system=system)
    return StoredCase(row_id, change, content_hash(case), "1", case)


def held(*cases: StoredCase) -> CaseEntries:
    entries = CaseEntries()
    entries.extend(cases, [model_text(case.case.ticket) for case in cases])
    return entries


def rows(entries: CaseEntries, where: CaseFilter) -> set[int]:
    return set(entries.rows(np.flatnonzero(entries.mask(where))).tolist())


def test_an_entry_says_what_the_case_says():
    entries = held(
        stored(
            4,
            change=9,
            created_at=NOON,
            product="api",
            customer="acme",
            access_group="eu",
            language="de",
            status=Status.CLOSED,
            category="sso",
            severity=Severity.SEV2,
            outcome=FixOutcome.REOPENED,
            targets={"team": "identity"},
            links=(
                Link(LinkType.DUPLICATE_OF, "T-5"),
                Link(LinkType.DUPLICATE_OF, "T-99"),
                Link(LinkType.RELATED, "T-5"),
            ),
        ),
        stored(5),
    )

    assert entries.entry(4) == CaseEntry(
        row_id=4,
        change=9,
        id="T-4",
        system="default",
        created_at=NOON.timestamp(),
        resolved_at=(NOON + timedelta(days=1)).timestamp(),
        is_resolved=True,
        product="api",
        customer="acme",
        category="sso",
        targets={"team": "identity"},
        severity=Severity.SEV2,
        outcome=FixOutcome.REOPENED,
        access_group="eu",
        language="de",
        duplicate_of=(5,),
        subject_length=11,
        text_length=22,
    )


def test_what_is_not_known_is_none_or_nan():
    entry = held(stored(5)).entry(5)

    assert entry is not None
    assert (entry.product, entry.category, entry.severity, entry.duplicate_of) == (None, None, None, ())
    assert entry.targets == {}
    assert entry.outcome is FixOutcome.UNKNOWN
    assert math.isnan(entry.created_at)
    assert math.isnan(entry.resolved_at)
    assert held().entry(5) is None


def test_a_new_version_takes_the_place_of_the_old_one():
    entries = held(stored(1, product="api"), stored(2))
    entries.extend([stored(1, product="web", change=3)], [model_text(stored(1).case.ticket)])

    assert (len(entries), entries.n_slots) == (2, 3)
    assert [entry.product for entry in entries.entries([1, 7, 2])] == ["web", None]
    assert rows(entries, CaseFilter(product="api")) == set()
    assert entries.changes() == {1: 3, 2: 1}


def test_versions_agree_by_row_change_content_and_id():
    first, second = stored(1, change=8), stored(2, change=9)
    entries = held(first, second)

    def agree(row: int = 2, change: int = 9, content: bytes = second.content_hash, id_: str = "T-2") -> list[bool]:
        versions = StoredVersions(
            np.array([1, row]),
            np.array([8, change]),
            digests([first.content_hash, content]),
            ["default", "default"],
            ["T-1", id_],
        )
        return entries.agree(versions).tolist()

    assert agree() == [True, True]
    assert agree(row=3) == agree(change=7) == agree(content=bytes(16)) == agree(id_="T-1") == [True, False]
    taken = CaseEntries.from_parts(*entries.take(entries.live_slots))
    entries = held()
    assert agree() == [False, False]
    entries.absorb(taken)
    assert agree() == [True, True]


def test_dropped_cases_leave_nothing_to_find():
    entries = held(stored(1, customer="acme", reporter="ann", targets={"team": "identity"}), stored(2))

    assert entries.drop([1, 99]).tolist() == [0]
    assert (len(entries), entries.entry(1), entries.row_of("T-1")) == (1, None, None)
    assert rows(entries, CaseFilter()) == {2}
    held_still = str(entries.take(np.arange(entries.n_slots)))
    assert not any(word in held_still for word in ("acme", "ann", "identity", "T-1"))


@pytest.mark.parametrize(
    ("where", "found"),
    [
        (CaseFilter(), {1, 2, 3, 4}),
        (CaseFilter(product="api", customer="acme"), {1}),
        (CaseFilter(category="sso"), {2}),
        (CaseFilter(language="nothing"), set()),
        (CaseFilter(is_resolved=True), {2}),
        (CaseFilter(is_resolved=False), {1, 3, 4}),
        (CaseFilter(access_groups=frozenset()), {1, 2, 4}),
        (CaseFilter(access_groups=frozenset({"eu", "unknown"})), {1, 2, 3, 4}),
        (CaseFilter(since=NOON), {2, 3}),
        (CaseFilter(until=NOON), {1, 2}),
        (CaseFilter(since=NOON, until=NOON), {2}),
        (CaseFilter(created_before=NOON), {1}),
        (CaseFilter(created_before=NOON.astimezone(tz=None) + timedelta(microseconds=1)), {1, 2}),
        (CaseFilter(exclude_ids=frozenset({"T-1", "T-99"})), {2, 3, 4}),
    ],
)
def test_filters(where: CaseFilter, found: set[int]):
    entries = held(
        stored(1, product="api", customer="acme", created_at=NOON - timedelta(microseconds=1)),
        stored(2, product="api", category="sso", status=Status.RESOLVED, created_at=NOON),
        stored(3, access_group="eu", created_at=NOON + timedelta(days=1)),
        stored(4),
    )

    assert rows(entries, where) == found
    assert where.restricts is not (where in (CaseFilter(), CaseFilter(exclude_ids=frozenset({"T-1", "T-99"}))))


def test_the_same_id_in_two_systems_is_two_cases():
    entries = held(stored(1), stored(2, system="jira"))
    entries.extend([other := stored(3, system="zendesk")], [model_text(other.case.ticket)])

    assert (entries.row_of("T-1"), entries.row_of("T-1", "jira")) == (1, None)
    assert entries.row_of("T-2", "jira") == 2
    assert set(entries.excluded_rows(CaseFilter(exclude_ids=frozenset({"T-2", "T-3"}))).tolist()) == {2, 3}


def test_taken_slots_make_new_entries():
    entries = held(
        stored(1, customer="gone", targets={"team": "gone too"}),
        stored(2, product="api", targets={"team": "identity"}, links=(Link(LinkType.DUPLICATE_OF, "T-3"),)),
        stored(3, system="jira"),
        stored(4, links=(Link(LinkType.DUPLICATE_OF, "T-2"),)),
    )
    expected = entries.entries([2, 3, 4])
    entries.drop([1])

    columns, strings = entries.take(entries.live_slots)
    restored = CaseEntries.from_parts(columns, strings)

    assert "gone" not in str(strings)
    assert CaseEntries.from_parts(columns, json.loads(json.dumps(strings))).entry(2) == restored.entry(2)
    assert repr(restored.entries([1, 2, 3, 4])) == repr(expected)  # nan is not equal to itself
    assert (restored.n_slots, restored.row_of("T-3", "jira")) == (3, 3)
    assert len(CaseEntries.from_parts(*held().take(np.empty(0, dtype=np.int64)))) == 0


def test_microseconds_are_exact():
    moment = datetime(2037, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)

    assert microseconds(moment) + 1 == microseconds(moment + timedelta(microseconds=1))
    assert microseconds(datetime(1970, 1, 1, tzinfo=UTC)) == 0
    assert microseconds(None) < microseconds(datetime(1, 1, 1, tzinfo=UTC))


def test_to_absorb_cases_is_to_extend_by_them():
    first = [stored(1, product="api", customer="acme"), stored(2, system="jira", targets={"team": "identity"})]
    second = [
        stored(
            2, change=2, system="jira", customer="new", reporter="ann", status=Status.CLOSED, severity=Severity.SEV2
        ),
        stored(3, product="api", targets={"team": "sync"}, links=(Link(LinkType.DUPLICATE_OF, "T-1"),)),
    ]
    extended, absorbed = held(*first), held(*first)
    extended.extend(second, [model_text(case.case.ticket) for case in second])

    absorbed.absorb(held(*second))

    assert repr(absorbed.entries([1, 2, 3])) == repr(extended.entries([1, 2, 3]))  # nan is not equal to itself
    assert (absorbed.n_slots, len(absorbed), absorbed.row_of("T-2", "jira")) == (4, 3, 2)
    for where in (CaseFilter(), CaseFilter(product="api"), CaseFilter(customer="new"), CaseFilter(is_resolved=True)):
        assert rows(absorbed, where) == rows(extended, where)
    who = Who(product="api", customer="new", reporter="ann")
    at, nobody = (NOON + timedelta(days=9)).timestamp(), np.empty(0, dtype=np.int64)
    np.testing.assert_array_equal(absorbed.record(who, at=at, own=nobody), extended.record(who, at=at, own=nobody))


def test_duplicates_are_followed_to_the_end_of_each_chain():
    def duplicate(row: int, *of: int, **values: object) -> StoredCase:
        return stored(row, links=tuple(Link(LinkType.DUPLICATE_OF, f"T-{other}") for other in of), **values)

    chain = [duplicate(row, row + 1) for row in range(1_000, 5_000)]  # each alert a duplicate of the one before
    entries = held(duplicate(1, 2), duplicate(2, 3, 99), duplicate(3, 1), duplicate(4, 4), stored(5), *chain)
    assert entries.duplicates([2, 77, 5]) == {2: (3,), 5: (), 3: (1,), 1: (2,)}
    assert entries.duplicates([4]) == {4: (4,)}
    assert len(entries.duplicates([1_000])) == len(chain)


def test_customers_are_known_the_same_object_until_there_are_others():
    entries = held(stored(1, customer="Acme"), stored(2, product="api"))
    known = entries.customers
    assert known == {"Acme"}
    entries.extend([stored(3, customer="Acme")], [model_text(stored(3).case.ticket)])
    assert entries.customers is known
    entries.absorb(held(stored(4, customer="Dunmore Rail")))
    assert entries.customers == {"Acme", "Dunmore Rail"}
    entries.drop([1, 3])
    columns, strings = entries.take(entries.live_slots)
    assert CaseEntries.from_parts(columns, strings).customers == {"Dunmore Rail"}
