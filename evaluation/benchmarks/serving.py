"""This service beside the plain one: the same tickets, the same client, one after the other; prints JSON.

``python -m evaluation.benchmarks.serving FOLDER [--data DIR]``: ``DIR`` is of the ``jira`` layout, without it the
tickets are the samples'. Both sides are made of the oldest four fifths, once, and kept in ``FOLDER``; the rest is
asked, no two texts the same. Client and service share the machine. What is asked is journalled in the workspace.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from socket import socket
from typing import Any

import numpy as np
import orjson
import uvloop
from prometheus_client.parser import text_string_to_metric_families

from evaluation.benchmarks.served import SUGGEST, Client, Sent, closed_loop, open_loop
from evaluation.benchmarks.serving_sides import OURS, PLAIN, Sides, make_sides, read_sides
from features.history import History
from features.settings import load_settings
from features.ticket import Case, Ticket
from serving.keys import Scope, create_key, revoke_key

CONNECTIONS = (1, 8, 32)
OPEN_SHARE = 0.6
"""Of what the plain service can do at 8 connections: the rate at which both are asked in the open loop."""
N_QUALITY = 400
TOP_K = 10
_START_SECONDS, _STOP_SECONDS, _PROBE_SECONDS = 120.0, 30.0, 0.02
_N_WARM = 20


@dataclass(frozen=True, slots=True)
class Side:
    """How a service is started and asked, and how its answers are read.

    Attributes
    ----------
    body : callable
        Of a ticket and the number of cases wanted; when and by whom it was created is said where the service takes it.
    metrics : str or None
        Path of the figures that tell how long each part of an answer took, where the service has them.
    """

    name: str
    command: tuple[str, ...]
    environment: dict[str, str]
    path: str
    body: Callable[[Ticket, int], bytes]
    token: str = ""
    metrics: str | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A started service, for :class:`evaluation.benchmarks.served.Client`."""

    host: str
    port: int
    token: str
    process: int


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="evaluation.benchmarks.serving", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, help="Default: the samples.")
    parser.add_argument("--seconds", type=float, default=15.0, help="Of each load.")
    arguments = parser.parse_args()
    print(json.dumps(serving(arguments.folder, arguments.data, seconds=arguments.seconds), indent=2))  # noqa: T201


def serving(folder: Path, data: Path | None, *, seconds: float) -> dict[str, Any]:
    """Figures of both services, and ours over the plain one's."""
    sides = read_sides(data)
    make_sides(sides, folder)
    plain = _measured(_plain(folder / PLAIN), sides, seconds=seconds, per_second=None)
    rate = OPEN_SHARE * plain["closed"]["8"]["per_second"]
    with _ours(folder / OURS) as side:
        ours = _measured(side, sides, seconds=seconds, per_second=rate)
    return {
        "cores": os.cpu_count(),
        "history": len(sides.history),
        "texts": {"median_characters": _median_length(sides.asked), "asked": len(sides.asked)},
        PLAIN: plain,
        OURS: ours,
        "ratios": {
            "throughput_32": _ratio(ours["closed"]["32"]["per_second"], plain["closed"]["32"]["per_second"]),
            "p99_8": _ratio(ours["closed"]["8"]["p99_ms"], plain["closed"]["8"]["p99_ms"]),
            "memory": _ratio(ours["memory_mb"], plain["memory_mb"]),
            "start": _ratio(ours["start_seconds"], plain["start_seconds"]),
        },
    }


def _plain(folder: Path) -> Side:
    return Side(
        PLAIN,
        (sys.executable, "-m", "bentoml", "serve", "evaluation.benchmarks.plain.service:Plain", "--host", "127.0.0.1"),
        {"PLAIN_FOLDER": str(folder), "BENTOML_DO_NOT_TRACK": "True"},
        "/suggest",
        lambda ticket, k: orjson.dumps({"subject": ticket.subject, "description": ticket.description, "top_k": k}),
    )


@contextmanager
def _ours(workspace: Path) -> Iterator[Side]:
    with closing(History.open(load_settings(workspace, {}).history_url)) as history:
        made = create_key(history, label="benchmark", scopes=[Scope.ADMIN])
        try:
            yield Side(
                OURS,
                (sys.executable, "-m", "cli.main", "serve", "--workspace", str(workspace)),
                {},
                SUGGEST,
                lambda ticket, k: orjson.dumps(
                    {
                        "ticket": {
                            "subject": ticket.subject,
                            "description": ticket.description,
                            "created_at": ticket.created_at,
                            "reporter": ticket.reporter,
                        },
                        "top_k": k,
                    }
                ),
                made.token,
                "/metrics",
            )
        finally:
            revoke_key(history, made.key.key_id)


def _measured(side: Side, sides: Sides, *, seconds: float, per_second: float | None) -> dict[str, Any]:
    questions = _Questions(side, sides.asked)
    with _started(side) as (running, start_seconds):

        async def loads() -> dict[str, Any]:
            client = Client(running)
            for _ in range(_N_WARM):
                await client.send("POST", side.path, questions())
            quality = await _quality(client, side, sides)
            closed, parts = {}, {}
            for connections in CONNECTIONS:
                before = await _part_seconds(client, side)
                sent = await closed_loop(client, questions, connections=connections, seconds=seconds, path=side.path)
                closed[str(connections)] = _figures(sent)
                parts[str(connections)] = _part_figures(before, await _part_seconds(client, side), len(sent.answers))
            rate = per_second or OPEN_SHARE * closed["8"]["per_second"]
            opened = await open_loop(client, questions, per_second=rate, seconds=seconds, path=side.path)
            again = questions()
            repeated = await closed_loop(client, lambda: again, connections=8, seconds=seconds / 3, path=side.path)
            client.close()
            return {
                "closed": closed,
                "parts_ms": parts,
                "open": {"rate": round(rate, 1), **_figures(opened)},
                "repeats_8": _figures(repeated),
                "quality": quality,
            }

        figures = uvloop.run(loads())
        memory = sum(_resident_mb(pid) for pid in _tree(running.process))
    return {"start_seconds": round(start_seconds, 2), "memory_mb": round(memory), **figures}


class _Questions:
    """Bodies for one side, no two with the same text."""

    def __init__(self, side: Side, asked: Sequence[Case]) -> None:
        self._side = side
        self._asked = asked
        self._n = 0

    def __call__(self) -> bytes:
        ticket = self._asked[self._n % len(self._asked)].ticket
        self._n += 1
        return self._side.body(replace(ticket, subject=f"{ticket.subject} {self._n}"), 5)


async def _quality(client: Client, side: Side, sides: Sides) -> dict[str, Any]:
    """Share of right categories, and of queries with a ticket of the same problem among the ten that are answered."""
    with_same = [case for case in sides.asked if case.id in sides.same][:N_QUALITY]
    labelled = sides.asked[:: max(1, len(sides.asked) // N_QUALITY)]
    right = found = 0
    for case in labelled:
        answer = await _asked(client, side, case)
        category = answer["category"]
        guess = category["value"] or (category.get("alternatives") or [{"value": None}])[0]["value"]
        right += guess == case.outcome.category
    for case in with_same:
        answer = await _asked(client, side, case)
        listed = answer["similar_cases"] + answer.get("related_open", [])
        found += any(each["id"] in sides.same[case.id] for each in listed)
    return {
        "asked": len(labelled),
        "category_accuracy": _ratio(right, len(labelled)),
        "queries": len(with_same),
        "recall_at_10": _ratio(found, len(with_same)) if with_same else None,
    }


async def _part_seconds(client: Client, side: Side) -> dict[str, float]:
    """Seconds that each part has taken since the start, all answers together."""
    if side.metrics is None:
        return {}
    answer = await client.send("GET", side.metrics)
    samples = (each for family in text_string_to_metric_families(answer.body.decode()) for each in family.samples)
    return {each.labels["part"]: each.value for each in samples if each.name == "precedent_part_seconds_sum"}


def _part_figures(before: dict[str, float], after: dict[str, float], n: int) -> dict[str, float]:
    """Milliseconds of each part of an answer, by the clock, in the mean; what took none is left out."""
    taken = {part: 1e3 * (seconds - before.get(part, 0.0)) / n for part, seconds in after.items()}
    return {part: round(ms, 2) for part, ms in taken.items() if ms > 0}


async def _asked(client: Client, side: Side, case: Case) -> dict[str, Any]:
    sent = await client.send("POST", side.path, side.body(case.ticket, TOP_K))
    answer: dict[str, Any] = orjson.loads(sent.body)
    return answer


def _figures(sent: Sent) -> dict[str, Any]:
    seconds = [answer.seconds for answer in sent.answers if answer.status == 200]
    percentiles = {f"p{p}_ms": round(1e3 * float(np.percentile(seconds, p)), 1) for p in (50, 95, 99)}
    return {
        "per_second": round(len(seconds) / sent.seconds, 1),
        **percentiles,
        "refused": len(sent.answers) - len(seconds),
    }


@contextmanager
def _started(side: Side) -> Iterator[tuple[Running, float]]:
    with closing(socket()) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [*side.command, "--port", str(port)]
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603
        command,
        env=os.environ | side.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
            yield Running("127.0.0.1", port, side.token, process.pid), time.perf_counter() - began
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_STOP_SECONDS)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(_PROBE_SECONDS)
    raise SystemExit(f"The service did not answer {url} within {_START_SECONDS:g} s.")


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            yield from _tree(int(child))


def _resident_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def _median_length(cases: Sequence[Case]) -> int:
    return int(np.median([len(case.ticket.subject) + len(case.ticket.description) for case in cases]))


def _ratio(of: float, to: float) -> float:
    return round(of / to, 3)


if __name__ == "__main__":
    main()
