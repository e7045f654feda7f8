"""Whether a fix held, by what the index knows of the case and of those that came after it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from features.ticket import FixOutcome
from serving.efficacy import REOPENED, REPEAT_SECONDS, REPEATED, SUPERSEDED, Setbacks
from serving.ranking import UNTRAINED
from serving.verdicts import Verdicts

DAY = 86_400.0


@dataclass(frozen=True)
class Entry:
    created_at: float
    resolved_at: float
    customer: str | None = "Zoo"
    outcome: FixOutcome = FixOutcome.UNKNOWN
    is_resolved: bool = True
    duplicate_of: tuple[int, ...] = ()


@dataclass(frozen=True)
class Ranked:
    row_id: int
    entry: Entry
    relevance: float = field(default=0.99)


def first(**facts: object) -> Ranked:
    return Ranked(1, Entry(**{"created_at": 0.0, "resolved_at": DAY} | facts))


def later(days: float = 5, relevance: float = 0.99, **facts: object) -> Ranked:
    created = DAY + days * DAY
    return Ranked(2, Entry(**{"created_at": created, "resolved_at": created + DAY} | facts), relevance)


def setbacks(*ranked: Ranked, same_words: bool = False, verdicts: Verdicts = Verdicts()) -> Setbacks:  # noqa: B008
    def resemblance(_row: int, others: list[int]) -> np.ndarray:
        return np.full(len(others), float(same_words))

    return Setbacks(ranked, UNTRAINED, resemblance, verdicts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("case", "other", "expected"),
    [
        (first(), later(), {1: REPEATED}),
        (first(), later(is_resolved=False, resolved_at=np.nan), {1: REPEATED}),
        (first(), later(days=-0.5), {}),  # came before the fix
        (first(), later(days=REPEAT_SECONDS / DAY + 1), {}),
        (first(), later(customer="Aquarium"), {}),
        (first(customer=None), later(customer=None), {}),
        (first(outcome=FixOutcome.HELD), later(), {}),  # somebody said so
        (first(is_resolved=False, resolved_at=np.nan), later(), {}),
        (first(outcome=FixOutcome.REOPENED), later(customer="Aquarium"), {1: REOPENED}),
        (first(), later(relevance=0.5), {}),  # nothing tells that it is the same problem
        (first(), later(relevance=0.5, duplicate_of=(1,)), {1: REPEATED}),
        (
            first(created_at=2 * DAY),
            later(customer="Aquarium"),
            {},
        ),  # it came after its own resolution, as clocks differ
    ],
)
def test_a_fix_did_not_hold_where_the_case_or_the_customer_came_back(case, other, expected):
    assert dict(setbacks(case, other).reasons) == expected


def test_the_same_words_are_the_same_problem_unless_somebody_said_no():
    assert dict(setbacks(first(), later(relevance=0.5), same_words=True).reasons) == {1: REPEATED}
    no = Verdicts(pairs=frozenset({frozenset({1, 2})}))
    assert dict(setbacks(first(), later(), same_words=True, verdicts=no).reasons) == {}


def test_what_a_later_fix_superseded_says_so():
    reopened, held = first(outcome=FixOutcome.REOPENED), later(customer="Aquarium", outcome=FixOutcome.HELD)
    found = setbacks(reopened, held)
    assert found.notes(reopened) == [REOPENED, SUPERSEDED]
    assert found.notes(held) == []
    earlier = later(days=-20, customer="Aquarium", outcome=FixOutcome.HELD)
    assert setbacks(reopened, earlier).notes(reopened) == [REOPENED]
