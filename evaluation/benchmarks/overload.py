"""Ten times what the service can do: what is let in is answered in time, the rest is turned away at once.

``python -m evaluation.benchmarks.overload WORKSPACE`` prints figures as JSON. The client is this process, on the same
machine: what it costs is among the figures, and is missing to the service where there are few cores.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from evaluation.benchmarks.served import Client, Questions, Sent, closed_loop, open_loop, service, ticket_texts

_WARM_UP_SECONDS = 3.0
_CAPACITY_SECONDS = 8.0
_CALM_REQUESTS = 30
_RECOVERY_SECONDS = 6.0
_CONNECTIONS = 8


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(prog="evaluation.benchmarks.overload", description=__doc__)
    parser.add_argument("workspace", type=Path, help="A copy: what is asked is journalled there.")
    parser.add_argument("--times", type=float, default=10.0, help="How many times the capacity is sent.")
    parser.add_argument("--seconds", type=float, default=20.0)
    arguments = parser.parse_args()
    figures = overload(arguments.workspace, times=arguments.times, seconds=arguments.seconds)
    print(json.dumps(figures, indent=2))  # noqa: T201


def overload(workspace: Path, *, times: float, seconds: float) -> dict[str, Any]:
    """Figures of a service before, under and after more than it can do."""
    with service(workspace) as running:
        limits = running.settings.service
        questions = Questions(ticket_texts(running.settings))

        async def measured() -> dict[str, Any]:
            client = Client(running)
            await closed_loop(client, questions, connections=_CONNECTIONS, seconds=_WARM_UP_SECONDS)
            capacity = await closed_loop(client, questions, connections=_CONNECTIONS, seconds=_CAPACITY_SECONDS)
            calm = await _one_by_one(client, questions, requests=_CALM_REQUESTS)
            per_second = len(capacity.answers) / capacity.seconds
            cpu = time.process_time()
            under = await open_loop(client, questions, per_second=times * per_second, seconds=seconds)
            cpu_share = (time.process_time() - cpu) / under.seconds
            recovery = await _recovery(client, questions, slow=2 * max(each for each, _ in calm))
            client.close()
            return {
                "cores": os.cpu_count(),
                "limits": {"max_wait_seconds": limits.max_wait_seconds, "max_concurrency": limits.max_concurrency},
                "capacity": {"connections": _CONNECTIONS, **_figures(capacity)},
                "alone_ms": _percentiles([each for each, _ in calm]),
                "overload": {"times": times, **_figures(under)},
                "client": {
                    "cores_used": round(cpu_share, 2),
                    "late_ms": _percentiles(under.late),
                    "connections": client.n_opened,
                },
                "recovery_seconds": recovery,
            }

        return uvloop.run(measured())


def _figures(sent: Sent) -> dict[str, Any]:
    accepted = [answer.seconds for answer in sent.answers if answer.status == 200]
    refused = [answer for answer in sent.answers if answer.status == 503]
    return {
        "seconds": round(sent.seconds, 1),
        "sent_per_second": round(len(sent.answers) / sent.seconds, 1),
        "accepted_per_second": round(len(accepted) / sent.seconds, 1),
        "statuses": dict(sorted(Counter(str(answer.status) for answer in sent.answers).items())),
        "accepted_ms": _percentiles(accepted),
        "refused_ms": _percentiles([answer.seconds for answer in refused]),
        "refused_without_retry_after": sum(answer.retry_after is None for answer in refused),
    }


def _percentiles(seconds: Sequence[float]) -> dict[str, float] | None:
    if not seconds:
        return None
    return {f"p{percent}": round(1e3 * float(np.percentile(seconds, percent)), 1) for percent in (50, 99, 100)}


async def _one_by_one(client: Client, questions: Questions, *, requests: int) -> list[tuple[float, int]]:
    answers = [await client.send("POST", "/v1/suggest", questions()) for _ in range(requests)]
    return [(answer.seconds, answer.status) for answer in answers]


async def _recovery(client: Client, questions: Questions, *, slow: float) -> float:
    """Seconds from the end of the load until the last answer, one at a time, that was an error or slow."""
    started = time.perf_counter()
    recovered = 0.0
    while (now := time.perf_counter() - started) < _RECOVERY_SECONDS:
        answer = await client.send("POST", "/v1/suggest", questions())
        if answer.status != 200 or answer.seconds > slow:
            recovered = now + answer.seconds
    return round(recovered, 2)


if __name__ == "__main__":
    main()
