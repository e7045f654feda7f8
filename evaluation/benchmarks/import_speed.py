"""How fast history comes in, from the file to the synced disk, with masking on; prints JSON.

Run it as ``python -m evaluation.benchmarks.import_speed``, with a folder of the ``jira`` layout to measure its tickets
too. Rows a second by the clock and by the processor's time, the median of five runs.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from features.history import History
from features.importing import import_tickets
from features.intake import Intake
from features.masking import Masker
from features.sources import open_source

N_ROWS = 20_000
N_RUNS = 5
_WORDS = (
    "the export of the invoice list fails since the update, and ann.lee@example.com sees connection reset by peer. "
)


def rows_per_second(kind: str, path: Path) -> dict[str, float]:
    """Import up to 20,000 rows of a file into a new SQLite history, five times."""
    by_clock, by_processor = [], []
    for _ in range(N_RUNS):
        with tempfile.TemporaryDirectory() as folder:
            history = History.open(f"sqlite:///{folder}/history.db")
            rows = itertools.islice(open_source(kind, path).rows(), N_ROWS)
            clock, processor = time.perf_counter(), time.process_time()
            result = import_tickets(
                rows, history, Intake(Masker(), bytes(32)), system="default", rejects_path=Path(folder) / "rejects"
            )
            by_clock.append(result.read / (time.perf_counter() - clock))
            by_processor.append(result.read / (time.process_time() - processor))
            history.close()
    return {
        "rows": result.read,
        "rows_per_second": round(statistics.median(by_clock)),
        "rows_per_processor_second": round(statistics.median(by_processor)),
    }


def short_rows() -> Iterator[bytes]:
    """JSON Lines of tickets of 300 characters, each another one, with an address to mask."""
    for number in range(N_ROWS):
        ticket = {
            "id": f"T-{number}",
            "subject": "Cannot log in since the update",
            "description": f"{number} {_WORDS * 3}"[:270],
            "created_at": "2026-01-01T10:00:00Z",
            "customer": f"c{number % 50}",
            "status": "resolved",
            "category": "login",
            "severity": "sev3",
        }
        yield orjson.dumps(ticket) + b"\n"


def main(arguments: list[str]) -> None:
    """Measure rows of 300 characters and, where a folder is given, Jira tickets."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "short.jsonl"
        path.write_bytes(b"".join(short_rows()))
        figures = {"rows_of_300_characters": rows_per_second("jsonl", path)}
    if arguments:
        figures["jira"] = rows_per_second("jira", Path(arguments[0]))
    sys.stdout.buffer.write(orjson.dumps(figures, option=orjson.OPT_APPEND_NEWLINE))


if __name__ == "__main__":
    main(sys.argv[1:])
