"""Times of many calls, by the clock and by the processor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds by the clock and of the thread's processor time, one of each a call.

    On a machine that does much else only the processor's time tells anything.
    """

    clock: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.clock)

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Measure the block."""
        clock, cpu = time.perf_counter(), time.thread_time()
        yield
        self.cpu.append(1e3 * (time.thread_time() - cpu))
        self.clock.append(1e3 * (time.perf_counter() - clock))

    def figures(self) -> dict[str, float]:
        """Medians and 99th percentiles."""
        return {
            f"{name}_ms": round(float(np.percentile(values, percent)), 3)
            for name, percent, values in (
                ("p50", 50, self.clock),
                ("p99", 99, self.clock),
                ("cpu_p50", 50, self.cpu),
                ("cpu_p99", 99, self.cpu),
            )
        }


def timed(do: Callable[[], T]) -> tuple[T, float]:
    """Do something; returns what it gave and the seconds that it took."""
    started = time.perf_counter()
    done = do()
    return done, round(time.perf_counter() - started, 2)
