"""How long each part of an answer takes: timed where the part is, told where the request is reported.

A part is timed by ``with timed(Part.ENCODE):``. Where nobody records (the command line, an evaluation) that costs two
looks at a context variable; the suggester need not know who asks.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType


class Part(StrEnum):
    """What is timed.

    ``classify`` looks up the nearest cases for their votes, ``retrieve`` the candidates for similar cases; ``read``
    fetches the cases to show from the history, ``assemble`` makes of them what is shown; ``journal`` waits for the
    disk.
    """

    QUEUE = "queue"
    PARSE = "parse"
    MASK = "mask"
    ENCODE = "encode"
    CLASSIFY = "classify"
    EXPLAIN = "explain"
    RETRIEVE = "retrieve"
    RANK = "rank"
    READ = "read"
    ASSEMBLE = "assemble"
    RUNBOOKS = "runbooks"
    DRAFT = "draft"
    JOURNAL = "journal"
    SERIALISE = "serialise"


@dataclass(frozen=True, slots=True)
class Took:
    """A part's begin and end, nanoseconds of the performance counter."""

    part: Part
    began: int
    ended: int

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended - self.began) / 1e9


class Stages:
    """The parts of one request, in the order in which they ended; several threads may add."""

    __slots__ = ("_taken",)

    def __init__(self) -> None:
        self._taken: list[Took] = []

    def add(self, part: Part, began: int, ended: int) -> None:
        """Take down a part."""
        self._taken.append(Took(part, began, ended))

    @property
    def taken(self) -> tuple[Took, ...]:
        """What has ended so far: a request that was given up may still be at work."""
        return tuple(self._taken)


_recorder: ContextVar[Stages | None] = ContextVar("precedent_stages", default=None)


@contextmanager
def recording(stages: Stages) -> Iterator[None]:
    """Take down what is timed within, on this thread and in this task."""
    token = _recorder.set(stages)
    try:
        yield
    finally:
        _recorder.reset(token)


class timed:  # noqa: N801  reads as the statement that it is
    """Time a part. What is timed within it belongs to it and is not told apart, so that parts add up.

    Examples
    --------
    >>> stages = Stages()
    >>> with recording(stages), timed(Part.EXPLAIN), timed(Part.ENCODE):
    ...     pass
    >>> [took.part.value for took in stages.taken]
    ['explain']
    """

    __slots__ = ("_began", "_part", "_stages", "_token")

    def __init__(self, part: Part) -> None:
        self._part = part

    def __enter__(self) -> None:
        self._stages = _recorder.get()
        if self._stages is not None:
            self._token: Token[Stages | None] = _recorder.set(None)
            self._began = time.perf_counter_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stages is not None:
            self._stages.add(self._part, self._began, time.perf_counter_ns())
            _recorder.reset(self._token)
