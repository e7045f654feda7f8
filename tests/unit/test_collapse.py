from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.collapse import collapse


@dataclass(frozen=True)
class Entry:
    duplicate_of: tuple[int, ...]


@dataclass(frozen=True)
class Ranked:
    row_id: int
    entry: Entry


def ranked(*cases: tuple[int, tuple[int, ...]]) -> list[Ranked]:
    return [Ranked(row, Entry(links)) for row, links in cases]


@pytest.mark.parametrize(
    ("cases", "expected"),
    [
        (ranked((1, ()), (2, ())), [(1, 0), (2, 0)]),
        (ranked((1, ()), (2, ()), (3, (1,))), [(1, 1), (2, 0)]),
        (ranked((5, (3,)), (3, (5,)), (5, (5,))), [(5, 2)]),  # links in a circle, and to itself
        (ranked((4, (9,)), (2, ()), (7, (9,))), [(4, 1), (2, 0)]),  # joined by a case that was not found
        (ranked((1, (2,)), (2, (3,)), (3, (4,)), (4, ())), [(1, 3)]),
        ([], []),
    ],
)
def test_duplicates_stand_where_their_best_stands(cases, expected):
    assert [(group.best.row_id, group.duplicates) for group in collapse(cases)] == expected


@given(st.lists(st.tuples(st.integers(0, 20), st.lists(st.integers(0, 20), max_size=3).map(tuple)), max_size=25))
def test_no_case_is_lost_and_order_is_kept(links):
    cases = ranked(*{row: (row, others) for row, others in links}.values())
    groups = collapse(cases)
    assert sum(1 + group.duplicates for group in groups) == len(cases)
    order = [case.row_id for case in cases]
    places = [order.index(group.best.row_id) for group in groups]
    assert places == sorted(places)
