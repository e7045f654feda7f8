import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import NotEnoughData
from training.split import MIN_TICKETS, Split, time_split

FIRST = datetime(2026, 1, 1, tzinfo=UTC)
SHARES = {"train_share": 0.6, "calibration_share": 0.2}


def days(numbers) -> list[datetime | None]:
    return [None if day is None else FIRST + timedelta(days=day) for day in numbers]


def test_parts_follow_each_other_in_time_whatever_the_order_of_rows():
    order = list(range(100))
    random.Random(0).shuffle(order)
    created = days(order)
    split = time_split(created, seed=0, **SHARES)
    assert [len(part) for part in (split.train, split.calibration, split.test)] == [60, 20, 20]
    assert split.cut == FIRST + timedelta(days=80)
    assert {order[i] for i in split.train} == set(range(60))
    assert {order[i] for i in split.test} == set(range(80, 100))


@given(st.lists(st.one_of(st.none(), st.integers(0, 30)), min_size=MIN_TICKETS, max_size=90), st.integers(0, 3))
def test_every_row_is_in_one_part_and_no_time_in_two(numbers, seed):
    created = days(numbers)
    split = time_split(created, seed=seed, **SHARES)
    parts = (split.train, split.calibration, split.test)
    assert sorted(row for part in parts for row in part) == list(range(len(created)))
    assert all(parts)
    if split.cut is None:
        return
    times = [{created[i] for i in part} - {None} for part in parts]
    assert max(times[0], default=FIRST) < min(times[1])
    assert max(times[1]) < split.cut == min(times[2])
    assert all(created[i] is not None for i in (*split.calibration, *split.test))


def test_undated_rows_are_learned_from_when_most_are_dated():
    created = [*days(range(60)), *[None] * 20]
    split = time_split(created, seed=0, **SHARES)
    assert set(range(60, 80)) <= set(split.train)
    assert len(split.test) == 12


@pytest.mark.parametrize("created", [[None] * 50, [*days(range(20)), *[None] * 30], days([7] * 50)])
def test_where_dates_say_nothing_rows_are_drawn_by_seed(created):
    split = time_split(created, seed=1, **SHARES)
    assert split.cut is None
    assert split == time_split(created, seed=1, **SHARES)
    assert split.test != time_split(created, seed=2, **SHARES).test


def test_rows_of_the_day_of_the_cut_are_all_for_testing():
    # 50 tickets on 5 days: the cut after 80 % falls on the first of the last day's ten.
    split = time_split(days([row // 10 for row in range(50)]), seed=0, train_share=0.6, calibration_share=0.25)
    assert split.cut == FIRST + timedelta(days=4)
    assert split.test == tuple(range(40, 50))


@pytest.mark.parametrize("n", [0, 20, MIN_TICKETS - 1])
def test_too_few_tickets(n: int):
    with pytest.raises(NotEnoughData, match=f"There are {n} labelled tickets; training needs at least 40"):
        time_split(days(range(n)), seed=0, **SHARES)


@pytest.mark.parametrize("created", [days(range(50)), [None] * 50])
def test_shares_that_leave_a_part_empty(created):
    with pytest.raises(NotEnoughData, match=r"train_share of 0\.99 and a calibration_share of 0\.005 leave a part"):
        time_split(created, train_share=0.99, calibration_share=0.005, seed=0)


def test_renumbered():
    split = Split((0, 1), (2,), (3,), None)
    assert split.renumbered([10, 20, 30, 40]) == Split((10, 20), (30,), (40,), None)
