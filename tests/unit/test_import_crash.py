"""Imports that die: killed in the midst, or out of room."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import event, func, select

from features.errors import HistoryFull
from features.history import History
from features.schema import links, messages, outcomes, tickets
from features.ticket import Case, Ticket

ROOT = Path(__file__).parents[2]
N_ROWS = 4000
BATCH = 50

PROGRAM = """
import resource, sys, time
from datetime import UTC, datetime
from pathlib import Path
from features.errors import PrecedentError
from features.history import History
from features.importing import import_tickets
from features.intake import Intake
from features.masking import Masker
from features.sources.base import Row
from features.ticket import Author, Case, Link, LinkType, Message, Ticket

url, folder, n_rows, batch, limit = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
at = datetime(2026, 1, 1, tzinfo=UTC)
thread = tuple(Message(at=at, by=Author.AGENT, text=f"message {i}") for i in range(2))

def rows():
    for i in range(n_rows):
        ticket = Ticket(id=f"T-{i}", subject=f"Subject {i}", description="No login " * 60, messages=thread)
        yield Row(i + 1, Case(ticket=ticket, links=(Link(LinkType.RELATED, f"X-{i}"),)))

try:
    history = History.open(url)
    import_tickets(
        rows(), history, Intake(Masker(), b"k" * 32), system="default", rejects_path=folder / "rejects", batch=batch,
        progress=lambda n: print(n, flush=True),
    )
except PrecedentError as error:
    print(type(error).__name__, error)
    sys.exit(3)
"""


def start(url: str, folder: Path, *, limit: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PROGRAM, url, str(folder), str(N_ROWS), str(BATCH), str(limit)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def check_whole(history: History) -> int:
    """Nothing is half written; answers the number of tickets."""
    with history.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar_one() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
        n_tickets, n_outcomes, n_messages, n_links = (
            connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in (tickets, outcomes, messages, links)
        )
    assert (n_outcomes, n_messages, n_links) == (n_tickets, 2 * n_tickets, n_tickets)
    assert n_tickets % BATCH == 0
    assert history.last_change() == n_tickets
    return int(n_tickets)


def finish(url: str, tmp_path: Path) -> None:
    process = start(url, tmp_path)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    history = History.open(url)
    assert check_whole(history) == N_ROWS
    assert [stored.case.id for stored in history.iter_cases()] == [f"T-{i}" for i in range(N_ROWS)]
    history.close()


def test_a_killed_import_loses_nothing_and_is_taken_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    History.open(url).close()
    stored = 0
    for n_batches in (1, 5, 9, 14):
        process = start(url, tmp_path)
        assert process.stdout is not None
        reported = sum(int(process.stdout.readline()) for _ in range(n_batches))
        time.sleep(0.007 * n_batches)  # into the midst of a batch
        process.kill()
        process.communicate()
        history = History.open(url)
        before, stored = stored, check_whole(history)
        history.close()
        assert stored >= max(reported, before)
    assert 0 < stored < N_ROWS
    finish(url, tmp_path)


def test_a_file_that_may_not_grow_says_so_and_keeps_what_is_stored(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/history.db"
    History.open(url).close()
    process = start(url, tmp_path, limit=900_000)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    history = History.open(url)
    stored = check_whole(history)
    history.close()
    assert 0 < stored < N_ROWS
    message = output.splitlines()[-1]
    assert message.startswith(f"HistoryFull The import stopped with {stored:,} rows stored. The history at sqlite:")
    assert message.endswith(
        "free disk space or raise the limit, then run the same again; what was stored before stays."
    )
    finish(url, tmp_path)


def test_a_full_database_says_so(tmp_path: Path) -> None:
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    history.close()
    event.listen(history.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 120"))
    cases = [Case(ticket=Ticket(id=f"{i}", description="No login " * 200)) for i in range(400)]

    def fill() -> None:
        for position in range(0, 400, 20):
            history.upsert(cases[position : position + 20], masking_rules="1")

    with pytest.raises(HistoryFull, match=r"cannot grow \(database or disk is full\): free disk space"):
        fill()
    stored = history.count().tickets
    assert 0 < stored < 400
    assert stored % 20 == 0
    assert history.erase("0") == stored + 1
    history.close()


def test_no_room_to_make_a_history(tmp_path: Path) -> None:
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from features.history import History\n"
        f"History.open('sqlite:///{tmp_path}/history.db')"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "features.errors.HistoryFull: The history at" in done.stderr
    history = History.open(f"sqlite:///{tmp_path}/history.db")
    assert history.count().tickets == 0
    history.close()
