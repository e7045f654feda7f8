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
from collections.abc import Callable
from contextlib import closing
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
        Medians in milliseconds; ``extra_*`` are of the differences, ticket by ticket.
    """
    for ticket in tickets[:N_WARM]:
        suggester.suggest(Query(ticket, explain=True))
    plain: list[float] = []
    told: list[float] = []
    for number, ticket in enumerate(tickets):
        # Who comes second finds the caches warm: each takes its turn.
        for explain in (number % 2 == 0, number % 2 == 1):
            (told if explain else plain).append(_milliseconds(suggester.suggest, Query(ticket, explain=explain)))
    extra = [b - a for a, b in zip(plain, told, strict=True)]
    return {
        "tickets": len(tickets),
        "by_token": suggester.encoder.token_vectors("which tokens are there?") is not None,
        "plain_p50_ms": round(statistics.median(plain), 2),
        "explained_p50_ms": round(statistics.median(told), 2),
        "extra_p50_ms": round(statistics.median(extra), 2),
        "extra_p95_ms": round(statistics.quantiles(extra, n=20)[-1], 2),
    }


def _milliseconds(ask: Callable[[Query], object], query: Query) -> float:
    start = time.perf_counter()
    ask(query)
    return 1e3 * (time.perf_counter() - start)


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
