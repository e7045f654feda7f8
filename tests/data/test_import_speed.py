"""How fast history comes in, from the file to the disk, with masking on.

Counted is the processor's time, the best of three: what else the machine does is not the import's fault.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.history import History
from features.importing import import_tickets
from features.intake import Intake
from features.masking import Masker
from features.sources import open_source

N_ROWS = 5_000
WORDS = "the export of the invoice list fails since the update, and ann.lee@example.com sees connection reset by peer. "


def rows_per_second(kind: str, path: Path, folder: Path) -> float:
    rates = []
    for attempt in range(3):
        history = History.open(f"sqlite:///{folder}/{attempt}.db")
        rows = itertools.islice(open_source(kind, path).rows(), N_ROWS)
        started = time.process_time()
        result = import_tickets(
            rows, history, Intake(Masker(), b"k" * 32), system="default", rejects_path=folder / "rejects"
        )
        rates.append(result.read / (time.process_time() - started))
        history.close()
        assert result.inserted == N_ROWS
    return max(rates)


def short_rows() -> Iterator[str]:
    for number in range(N_ROWS):
        yield json.dumps(
            {
                "id": f"T-{number}",
                "subject": "Cannot log in since the update",
                "description": f"{number} {WORDS * 3}"[:270],
                "created_at": "2026-01-01T10:00:00Z",
                "customer": f"c{number % 50}",
                "status": "resolved",
                "category": "login",
                "severity": "sev3",
            }
        )


@pytest.mark.slow
def test_five_thousand_short_rows_a_second(tmp_path: Path) -> None:
    path = tmp_path / "short.jsonl"
    path.write_text("\n".join(short_rows()))
    assert rows_per_second("jsonl", path, tmp_path) >= 5_000


@pytest.mark.slow
@pytest.mark.shared
def test_fifteen_hundred_jira_tickets_a_second(tmp_path: Path) -> None:
    beside = Path(__file__).parents[3] / "shared" / "data"
    data = Path(os.environ.get("PRECEDENT_DATA", beside)) / "jira"
    if not data.exists():
        pytest.skip(f"There are no shared Jira tickets at {data}; set PRECEDENT_DATA to the public data sets.")
    assert rows_per_second("jira", data, tmp_path) >= 1_500
