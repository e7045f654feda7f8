"""Arrays that grow, and the lock around what grows."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.growing import GrowingArray
from features.rwlock import ReadWriteLock


@given(st.lists(st.lists(st.integers(-(2**31), 2**31))))
def test_appending_is_concatenation_and_views_stay(parts: list[list[int]]):
    array: GrowingArray[np.int64] = GrowingArray(np.int64)
    views = []
    for part in parts:
        array.extend(part)
        views.append(array.values)

    for number, view in enumerate(views, 1):
        assert view.tolist() == [value for part in parts[:number] for value in part]
    assert len(array) == sum(map(len, parts))


def test_readers_share_and_a_writer_is_alone():
    lock, together = ReadWriteLock(), threading.Barrier(4, timeout=10)
    seen: list[int] = []
    values = [0, 0]

    def read() -> None:
        with lock.read():
            together.wait()  # passes only if all readers are inside at a time
        for _ in range(300):
            with lock.read():
                seen.append(values[1] - values[0])

    def write() -> None:
        for _ in range(300):
            with lock.write():
                values[0] += 1
                values[1] += 1

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    writers = [threading.Thread(target=write) for _ in range(2)]
    for thread in writers:
        thread.start()
    for thread in [*threads, *writers]:
        thread.join()

    assert set(seen) == {0}
    assert values == [600, 600]


def test_a_waiting_writer_goes_before_later_readers():
    lock, order = ReadWriteLock(), []
    reading, release = threading.Event(), threading.Event()

    def first() -> None:
        with lock.read():
            reading.set()
            release.wait(10)

    def write() -> None:
        with lock.write():
            order.append("write")

    def later() -> None:
        with lock.read():
            order.append("read")

    threads = [threading.Thread(target=first)]
    threads[0].start()
    reading.wait(10)
    threads.append(threading.Thread(target=write))
    threads[1].start()
    while lock._n_waiting == 0:
        threading.Event().wait(0.001)
    threads.append(threading.Thread(target=later))
    threads[2].start()
    release.set()
    for thread in threads:
        thread.join()

    assert order == ["write", "read"]


def test_a_reader_that_waits_goes_before_the_next_writer():
    """So one that writes in many small steps holds up nobody for more than one."""
    lock, order = ReadWriteLock(), []
    writing, release = threading.Event(), threading.Event()

    def write_again_and_again() -> None:
        for step in range(3):
            with lock.write():
                writing.set()
                release.wait(10)
                order.append(f"write {step}")

    def read() -> None:
        with lock.read():
            order.append("read")

    threads = [threading.Thread(target=write_again_and_again), threading.Thread(target=read)]
    threads[0].start()
    writing.wait(10)
    threads[1].start()
    while lock._n_kept_out == 0:
        threading.Event().wait(0.001)
    release.set()
    for thread in threads:
        thread.join(10)

    assert order == ["write 0", "read", "write 1", "write 2"]


def test_a_writer_that_gives_up_lets_readers_in(monkeypatch: pytest.MonkeyPatch):
    lock = ReadWriteLock()
    reading, release, has_read = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with lock.read():
            reading.set()
            release.wait(10)

    def later() -> None:
        with lock.read():
            has_read.set()

    threads = [threading.Thread(target=first), threading.Thread(target=later)]
    threads[0].start()
    reading.wait(10)

    def interrupted(predicate: object) -> None:
        monkeypatch.undo()
        lock._changed.release()
        threads[1].start()
        while lock._n_kept_out == 0:
            threading.Event().wait(0.001)
        lock._changed.acquire()
        raise KeyboardInterrupt

    monkeypatch.setattr(lock._changed, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt), lock.write():
        pass

    assert has_read.wait(10)
    release.set()
    for thread in threads:
        thread.join(10)
    with lock.write():
        pass
