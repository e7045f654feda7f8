"""A long mixed load: whether memory, descriptors and latencies stay what they were.

``python -m evaluation.benchmarks.soak WORKSPACE --minutes 60`` prints figures as JSON. As many cases are erased as are
stored, so that the history stays as large as it was and what grows is the service's doing; the journal grows, on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import uvloop

from evaluation.benchmarks.served import Answer, Client, Questions, Service, service, ticket_texts

_PARTS = 10
_KEPT_CASES = 200
_BATCH = 10
_SAMPLE_SECONDS = 1.0
_SHOWN = ("suggest", "batch", "case", "feedback", "erase", "probe")


@dataclass(frozen=True, slots=True)
class Sample:
    """What the worker's process took at a time (seconds from the start)."""

    at: float
    worker: int
    resident_mb: float
    descriptors: int
    threads: int


@dataclass(slots=True)
class Record:
    """What was measured."""

    answers: dict[str, list[tuple[float, float, int]]] = field(default_factory=lambda: {kind: [] for kind in _SHOWN})
    samples: list[Sample] = field(default_factory=list)
    unexpected: Counter[str] = field(default_factory=Counter)


class Load:
    """Everything that callers of a service do, each in its own rhythm, until a time."""

    def __init__(self, to: Service, *, seconds: float) -> None:
        self.record = Record()
        self._service = to
        self._client = Client(to)
        self._questions = Questions(ticket_texts(to.settings))
        self._started = time.perf_counter()
        self._seconds = seconds
        self._request_ids: deque[str] = deque(maxlen=50)
        self._stored: deque[str] = deque()
        self._n_cases = 0

    async def run(self) -> Record:
        """Load the service to the end of the time."""
        rhythms: list[tuple[Callable[[], Awaitable[None]], float]] = [
            (self._suggest, 0.25),
            (self._suggest, 0.25),
            (self._batch, 5.0),
            (self._case, 0.5),
            (self._feedback, 1.0),
            (self._probe, 1.0),
            (self._malformed, 2.0),
            (self._sample, _SAMPLE_SECONDS),
        ]
        await asyncio.gather(*(self._again(step, pause) for step, pause in rhythms))
        self._client.close()
        return self.record

    async def _again(self, step: Callable[[], Awaitable[None]], pause: float) -> None:
        while time.perf_counter() - self._started < self._seconds:
            await step()
            await asyncio.sleep(pause)

    async def _send(
        self, kind: str, method: str, path: str, body: bytes = b"", *, expected: int = 200, key: str | None = None
    ) -> Answer:
        at = time.perf_counter() - self._started
        headers = () if key is None else (f"Idempotency-Key: {key}",)
        answer = await self._client.send(method, path, body, headers)
        self.record.answers[kind].append((at, answer.seconds, answer.status))
        if answer.status != expected:
            self.record.unexpected[f"{kind} {answer.status}"] += 1
        return answer

    async def _suggest(self) -> None:
        answer = await self._send("suggest", "POST", "/v1/suggest", self._questions())
        if answer.status == 200:
            self._request_ids.append(orjson.loads(answer.body)["request_id"])

    async def _batch(self) -> None:
        tickets = [self._questions.ticket() for _ in range(_BATCH)]
        await self._send("batch", "POST", "/v1/suggest/batch", orjson.dumps({"tickets": tickets}))

    async def _case(self) -> None:
        """Store a case, every fifth time twice under one key; erase the oldest of ours."""
        self._n_cases += 1
        case = self._questions.ticket() | {"id": f"soak-{self._n_cases}", "status": "resolved", "resolution": "Done."}
        body = orjson.dumps({"case": case})
        for _ in range(2 if self._n_cases % 5 == 0 else 1):
            await self._send("case", "POST", "/v1/cases", body, key=f"soak-{self._n_cases}-{self._started}")
        self._stored.append(str(case["id"]))
        if len(self._stored) > _KEPT_CASES:
            await self._send("erase", "DELETE", f"/v1/cases/{self._stored.popleft()}")

    async def _feedback(self) -> None:
        if self._request_ids:
            said = {"request_id": self._request_ids[0], "kind": "accepted", "target": "category", "value": "a"}
            await self._send("feedback", "POST", "/v1/feedback", orjson.dumps(said))

    async def _probe(self) -> None:
        for path in ("/livez", "/readyz", "/metrics"):
            await self._send("probe", "GET", path)

    async def _malformed(self) -> None:
        await self._send("probe", "POST", "/v1/suggest", b'{"ticket": {"sbject": "x"}}', expected=400)
        await self._send("probe", "GET", "/no/such/path", expected=404)

    async def _sample(self) -> None:
        try:
            worker = self._service.worker
            status = Path(f"/proc/{worker}/status").read_text(encoding="ascii")
            n_descriptors = sum(1 for _ in Path(f"/proc/{worker}/fd").iterdir())
        except (OSError, IndexError):
            return  # between two workers
        fields = dict(line.split(":", 1) for line in status.splitlines())
        resident = int(fields["VmRSS"].split()[0]) / 1024
        at = time.perf_counter() - self._started
        self.record.samples.append(Sample(at, worker, resident, n_descriptors, int(fields["Threads"])))


def main() -> None:
    """Load, and print."""
    parser = argparse.ArgumentParser(prog="evaluation.benchmarks.soak", description=__doc__)
    parser.add_argument("workspace", type=Path, help="A copy: what is sent is stored there.")
    parser.add_argument("--minutes", type=float, default=60.0)
    arguments = parser.parse_args()
    seconds = 60 * arguments.minutes
    print(f"Loading {arguments.workspace} for {arguments.minutes:g} minutes", file=sys.stderr)  # noqa: T201
    with service(arguments.workspace) as running:
        record = uvloop.run(_loaded(running, seconds))
    print(json.dumps(figures(record, seconds), indent=2))  # noqa: T201


async def _loaded(to: Service, seconds: float) -> Record:
    return await Load(to, seconds=seconds).run()


def figures(record: Record, seconds: float) -> dict[str, Any]:
    """What a load measured: by tenths of its time, the first of which is warm-up, and how the last differs."""
    parts = [_part(record, seconds * number / _PARTS, seconds * (number + 1) / _PARTS) for number in range(_PARTS)]
    resident = [part["resident_mb"] for part in parts[1:]]
    return {
        "minutes": round(seconds / 60, 1),
        "requests": {kind: len(answers) for kind, answers in record.answers.items()},
        "unexpected": dict(sorted(record.unexpected.items())),
        "workers": len({sample.worker for sample in record.samples}),
        "memory_change_after_warm_up": round(resident[-1] / resident[0] - 1, 4),
        "memory_spread_after_warm_up": round(max(resident) / min(resident) - 1, 4),
        "descriptors_most": max(sample.descriptors for sample in record.samples),
        "tenths": parts,
    }


def _part(record: Record, since: float, until: float) -> dict[str, Any]:
    samples = [sample for sample in record.samples if since <= sample.at < until]
    return {
        "resident_mb": round(float(np.median([sample.resident_mb for sample in samples])), 1),
        "descriptors": int(np.median([sample.descriptors for sample in samples])),
        "threads": int(np.median([sample.threads for sample in samples])),
    } | {
        kind: _percentiles([took for at, took, _ in answers if since <= at < until])
        for kind, answers in record.answers.items()
    }


def _percentiles(seconds: list[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {f"p{percent}_ms": round(1e3 * float(np.percentile(seconds, percent)), 1) for percent in (50, 99)}


if __name__ == "__main__":
    main()
