"""One case, one place: links in any shape, verdicts against them, bursts of copies, and a diverse list."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.collapse import BURST_SECONDS, collapse, placed
from serving.verdicts import Verdicts


@dataclass(frozen=True)
class Entry:
    duplicate_of: tuple[int, ...] = ()
    created_at: float = math.nan
    text_length: int = 100


@dataclass(frozen=True)
class Ranked:
    row_id: int
    entry: Entry = Entry()
    score: float = 0.0


def unlike(_row: int, others: list[int]) -> np.ndarray:
    return np.zeros(len(others))


def alike(*groups: set[int]):
    """Rows of a group say the same; all else has nothing in common."""

    def resemblance(row: int, others: list[int]) -> np.ndarray:
        return np.array([float(any({row, other} <= group for group in groups)) for other in others])

    return resemblance


def ranked(*cases: tuple[int, tuple[int, ...]]) -> list[Ranked]:
    return [Ranked(row, Entry(links)) for row, links in cases]


def collapsed(cases: list[Ranked], resemblance, *, between: Sequence[Ranked] = (), **more):
    """Groups of cases, with the links of others that were not found."""
    links = {case.row_id: case.entry.duplicate_of for case in [*cases, *between]}
    return collapse(cases, resemblance, links=links, **more)


def denied(*pairs: tuple[int, int]) -> Verdicts:
    return Verdicts(pairs=frozenset(map(frozenset, pairs)))


def shown(groups) -> list[tuple[int, int]]:
    return [(group.shown.row_id, group.duplicates) for group in groups]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (ranked((1, ()), (2, ())), [(1, 0), (2, 0)]),
        (ranked((1, ()), (2, ()), (3, (1,))), [(1, 1), (2, 0)]),
        (ranked((3, (1,)), (2, ()), (1, ())), [(1, 1), (2, 0)]),  # the canonical case, where its duplicate stood
        (ranked((5, (3,)), (3, (5,)), (5, (5,))), [(5, 2)]),  # links in a circle, and to itself
        (ranked((4, (9,)), (2, ()), (7, (9,))), [(4, 1), (2, 0)]),  # joined by a case that was not found
        (ranked((1, (2,)), (2, (3,)), (3, (4,)), (4, ())), [(4, 3)]),
        ([], []),
    ],
)
def test_duplicates_stand_where_their_best_stands(cases, expected):
    assert shown(collapsed(cases, unlike)) == expected


@pytest.mark.parametrize(
    ("between", "verdicts", "expected"),
    [
        ([(5, (2,))], denied(), [(2, 1), (3, 0)]),
        ([(5, (6,)), (6, (2,))], denied(), [(2, 1), (3, 0)]),
        ([(5, (6,)), (6, (5, 3))], denied(), [(3, 1), (2, 0)]),  # a circle, with a way out of it
        ([(5, (6,)), (6, (2,))], denied((1, 2)), [(1, 0), (2, 0), (3, 0)]),
        ([(5, (2,))], denied((5, 2)), [(1, 0), (2, 0), (3, 0)]),
        ([(5, (2,))], Verdicts(not_this=frozenset({5})), [(3, 0)]),
    ],
)
def test_a_chain_goes_on_through_what_was_not_found_and_counts_none_of_it(between, verdicts, expected):
    cases = ranked((1, (5,)), (2, ()), (3, ()))
    assert shown(collapsed(cases, unlike, between=ranked(*between), verdicts=verdicts)) == expected


def test_a_case_whose_fix_failed_is_shown_for_no_other():
    assert shown(collapsed(ranked((1, ()), (3, (1,))), unlike, failed={1})) == [(3, 1)]


rows = st.integers(0, 20)
some_links = st.lists(st.tuples(rows, st.lists(rows, max_size=3).map(tuple)), max_size=25)


@given(some_links, st.lists(st.tuples(rows, rows).filter(lambda pair: pair[0] != pair[1]), max_size=6))
def test_no_case_is_lost_order_is_kept_and_verdicts_hold_whatever_the_links(links, pairs):
    cases = ranked(*{row: (row, others) for row, others in links}.values())
    groups = collapsed(cases, unlike, verdicts=denied(*pairs))
    assert sorted(case.row_id for group in groups for case in group.members) == sorted(case.row_id for case in cases)
    order = [case.row_id for case in cases]
    places = [order.index(group.best.row_id) for group in groups]
    assert places == sorted(places)
    for group in groups:
        together = {case.row_id for case in group.members}
        assert not any({a, b} <= together for a, b in pairs)


def test_a_verdict_goes_before_links_and_words():
    cases = ranked((1, (2,)), (2, ()))
    assert shown(collapsed(cases, unlike, verdicts=denied((1, 2)))) == [(1, 0), (2, 0)]
    burst = [Ranked(row, Entry(created_at=0.0)) for row in (1, 2)]
    assert shown(collapsed(burst, alike({1, 2}), verdicts=denied((1, 2)))) == [(1, 0), (2, 0)]


def test_a_group_with_a_case_that_is_not_this_problem_is_left_out():
    cases = ranked((1, (2,)), (2, ()), (3, ()))
    assert shown(collapsed(cases, unlike, verdicts=Verdicts(not_this=frozenset({2})))) == [(3, 0)]


def test_copies_of_one_burst_are_one_entry_with_a_count():
    at = {1: 0.0, 2: 60.0, 3: BURST_SECONDS + 1, 4: 30.0, 5: math.nan}
    cases = [Ranked(row, Entry(created_at=time)) for row, time in at.items()]
    assert shown(collapsed(cases, alike({1, 2, 3, 5}))) == [(1, 1), (3, 0), (4, 0), (5, 0)]


def test_a_long_text_is_no_copy_of_a_short_one():
    cases = [Ranked(1, Entry(created_at=0.0)), Ranked(2, Entry(created_at=0.0, text_length=1_000))]
    assert len(collapsed(cases, alike({1, 2}))) == 2


def test_the_list_is_of_different_problems():
    """Five copies from five months, and two others that are nearly as relevant."""
    cases = [Ranked(row, score=3.0 - row / 100) for row in range(5)] + [Ranked(8, score=2.5), Ranked(9, score=0.5)]
    groups = collapsed(cases, unlike)
    found = placed(groups, alike({0, 1, 2, 3, 4}), limit=7)
    assert [group.shown.row_id for group in found] == [0, 8, 1, 2, 3, 4, 9]
    assert [group.shown.row_id for group in placed(groups, unlike, limit=3)] == [0, 1, 2]


def test_a_fix_that_held_comes_before_one_that_did_not():
    cases = [Ranked(1, score=3.0), Ranked(2, score=2.0), Ranked(3, score=-1.0)]
    found = placed(collapsed(cases, unlike), unlike, failed={1}, limit=5)
    assert [group.shown.row_id for group in found] == [2, 1, 3]
