"""What reasons cost: milliseconds a suggestion with and without them, on the same tickets in one run; prints JSON.

Run it as ``python -m evaluation.benchmarks.explain_cost WORKSPACE``, with the workspace of ``precedent demo``: its
release answers tickets of the sample history. Each ticket is asked both ways in turn, so that what else the machine
does falls on both alike.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from features.settings import load_settings
from features.sources import open_source
from features.sources.base import Row
from features.sources.mapping import load_mapping
from features.ticket import Ticket
from serving.assemble import assemble
from serving.suggester import Query, Suggester

SAMPLES = Path(__file__).parents[2] / "data_samples"
N_TICKETS = 150
N_WARM = 10


def cost(suggester: Suggester, tickets: list[Ticket]) -> dict[str, float | int | bool]:
    """Ask about each ticket with and without reasons.

    Returns
    -------
    dict
        Milliseconds; ``extra_*`` are of the differences, ticket by ticket. On a machine that does much else the
        processor's time tells more than the clock.
    """
    for ticket in tickets[:N_WARM]:
        suggester.suggest(Query(ticket, explain=True))
    plain: list[_Took] = []
    told: list[_Took] = []
    for number, ticket in enumerate(tickets):
        # Who comes second finds the caches warm: each takes its turn.
        for explain in (number % 2 == 0, number % 2 == 1):
            (told if explain else plain).append(_took(suggester.suggest, Query(ticket, explain=explain)))
    by_clock = [b.clock - a.clock for a, b in zip(plain, told, strict=True)]
    by_processor = [b.processor - a.processor for a, b in zip(plain, told, strict=True)]
    return {
        "tickets": len(tickets),
        "by_token": suggester.encoder.token_vectors("which tokens are there?") is not None,
        "plain_p50_ms": _median([took.clock for took in plain]),
        "explained_p50_ms": _median([took.clock for took in told]),
        "extra_p50_ms": _median(by_clock),
        "extra_processor_p50_ms": _median(by_processor),
        "extra_processor_p95_ms": round(statistics.quantiles(by_processor, n=20)[-1], 2),
    }


@dataclass(frozen=True, slots=True)
class _Took:
    """Milliseconds by the clock, and of the processor's time."""

    clock: float
    processor: float


def _took(ask: Callable[[Query], object], query: Query) -> _Took:
    clock, processor = time.perf_counter(), time.process_time()
    ask(query)
    return _Took(1e3 * (time.perf_counter() - clock), 1e3 * (time.process_time() - processor))


def _median(values: Sequence[float]) -> float:
    return round(statistics.median(values), 2)


def _sample_tickets() -> list[Ticket]:
    source = open_source("jsonl", SAMPLES / "tickets.jsonl", load_mapping(SAMPLES / "mapping.toml"))
    tickets = [row.case.ticket for row in source.rows() if isinstance(row, Row)]
    return tickets[:: max(1, len(tickets) // N_TICKETS)]


def main(arguments: list[str]) -> None:
    """Measure the served release of a workspace."""
    with closing(assemble(load_settings(Path(arguments[0]), {}))) as opened:
        sys.stdout.write(f"{json.dumps(cost(opened.suggester, _sample_tickets()), indent=2)}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
