"""Queues that are bounded in time, with real threads that wait for events."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest

from features.errors import DeadlineExceeded, Overloaded
from serving.lanes import Lane, Place, WorkQueue

SOON = 1e6

pytestmark = pytest.mark.anyio


class Held:
    """Work that lasts until it is let go."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self._go = threading.Event()

    def __call__(self) -> str:
        self.has_begun.set()
        assert self._go.wait(30)
        return "done"

    def let_go(self) -> None:
        self._go.set()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    made = WorkQueue(Lane.SUGGEST, max_wait=1000.0, n_threads=2)
    yield made
    made.stop()


def place(queue: WorkQueue, seconds: float = SOON) -> Place:
    return queue.enter(until=time.monotonic() + seconds)


def taught(queue: WorkQueue, seconds: float) -> None:
    """Have the queue know that work takes so long, without taking it."""
    queue._mean = seconds


async def test_work_is_run_and_its_error_is_raised(queue: WorkQueue) -> None:
    def fails() -> None:
        raise ValueError("no")

    for work, expected in ((lambda: 7, 7), (fails, None)):
        mine = place(queue)
        if expected is None:
            with pytest.raises(ValueError, match="no"):
                await mine.run(work)
        else:
            assert await mine.run(work) == expected
        mine.leave()
    assert (queue.n_waiting, queue.expected_wait()) == (0, 0.0)


async def busy(queue: WorkQueue, count: int) -> list[tuple[Held, Place, asyncio.Future[str]]]:
    held = []
    for _ in range(count):
        work, mine = Held(), place(queue)
        held.append((work, mine, asyncio.ensure_future(mine.run(work))))
        await asyncio.sleep(0)
    return held


async def let_all_go(held: list[tuple[Held, Place, asyncio.Future[str]]]) -> None:
    for work, mine, answer in held:
        work.let_go()
        assert await answer == "done"
        mine.leave()


async def begun(held: list[tuple[Held, Place, asyncio.Future[str]]]) -> None:
    for work, _, _ in held:
        assert await asyncio.to_thread(work.has_begun.wait, 30)


async def test_a_free_thread_means_no_wait_however_busy_the_other_is(queue: WorkQueue) -> None:
    taught(queue, 100.0)
    held = await busy(queue, 1)
    await begun(held)
    assert queue.expected_wait() == 0.0
    place(queue).leave()
    await let_all_go(held)


async def test_the_wait_is_told_from_what_is_before_and_how_long_the_latest_took(queue: WorkQueue) -> None:
    taught(queue, 400.0)
    held = await busy(queue, 2)
    await begun(held)
    assert 300 < queue.expected_wait() <= 400
    held += await busy(queue, 2)
    assert 700 < queue.expected_wait() <= 800
    held += await busy(queue, 2)
    assert queue.n_waiting == 4
    with pytest.raises(Overloaded, match=r"queue of this path \(suggest\) would take 1\d{3}\.\d s") as caught:
        place(queue)
    assert caught.value.retry_seconds > 1000
    await let_all_go(held)


async def test_a_caller_who_cannot_wait_so_long_is_turned_away_at_once(queue: WorkQueue) -> None:
    taught(queue, 400.0)
    held = await busy(queue, 2)
    await begun(held)
    with pytest.raises(Overloaded, match="would take"):
        place(queue, 500)
    place(queue, 900).leave()
    await let_all_go(held)
    # Where nothing is before it, a short time is worth a try.
    place(queue, 1).leave()


async def test_work_that_outlives_the_mean_is_thought_to_be_stuck(queue: WorkQueue) -> None:
    taught(queue, 0.01)
    held = await busy(queue, 2)
    await begun(held)
    await asyncio.sleep(0.2)
    assert queue.expected_wait() >= 0.2
    await let_all_go(held)


async def test_work_that_nobody_waits_for_any_more_is_never_begun(queue: WorkQueue) -> None:
    held = await busy(queue, 2)
    await begun(held)
    (late, gone, answer), *_ = await busy(queue, 1)
    assert queue.n_waiting == 1
    gone.leave()
    assert queue.n_waiting == 0
    with pytest.raises(asyncio.CancelledError):
        await answer
    await let_all_go(held)
    assert not late.has_begun.is_set()


async def test_leaving_while_the_work_is_done_counts_it_until_it_ends(queue: WorkQueue) -> None:
    taught(queue, 5.0)
    held = await busy(queue, 2)
    await begun(held)
    for _, mine, _ in held:
        mine.leave()
    assert queue.expected_wait() > 1.0
    for work, _, answer in held:
        work.let_go()
        await answer
    assert queue.expected_wait() == 0.0


async def test_work_whose_time_has_passed_before_its_turn_is_refused(queue: WorkQueue) -> None:
    held = await busy(queue, 2)
    await begun(held)
    mine = place(queue, 0.05)
    ran = threading.Event()
    answer = asyncio.ensure_future(mine.run(ran.set))
    await asyncio.sleep(0.1)
    await let_all_go(held)
    with pytest.raises(DeadlineExceeded, match="before the request was begun"):
        await answer
    mine.leave()
    assert not ran.is_set()
    assert queue.n_waiting == 0
