"""A process is killed at random moments while it writes: nothing is lost, and the index is as one built afresh.

20 times; ``make crash`` does it 200 times (``PRECEDENT_CRASH_KILLS``).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from features.case_index import CaseFilter, CaseIndex
from features.dense import DenseLimits
from features.encoder import HashingEncoder
from features.forward import LexicalQuery
from features.history import History
from features.lexical import LexicalStatistics, document_terms
from features.ticket import Case, Ticket

N_KILLS = int(os.environ.get("PRECEDENT_CRASH_KILLS", "20"))
LONGEST_SECONDS = 0.5  # of a writer's life: some rounds of changes, snapshots and compactions
KINDS = (DenseLimits(), DenseLimits(exact_below=1))  # each twice in turn: begun with as the other kind, and as its own
WRITER = Path(__file__).with_name("case_index_writer.py")
ENCODER = HashingEncoder(32)
STATISTICS = LexicalStatistics.fit([])
START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("ticket", "login", "loops", "export", "slow", "webhook", "signature", "err-42", "sync", "stalls")
FILTERS = (
    CaseFilter(),
    CaseFilter(product="a"),
    CaseFilter(category="x"),
    CaseFilter(is_resolved=True),
    CaseFilter(since=START + timedelta(hours=500)),
)


@dataclass
class Writers:
    """The script that forks processes to be killed."""

    process: subprocess.Popen[str]

    def kill_one(self, seed: int, limits: DenseLimits, after_seconds: float) -> int:
        """Start a process, kill it, and tell the last change that it said was stored; 0 if it said none."""
        to_writer, from_writer = self._pipes()
        to_writer.write(f"{seed} {limits.exact_below}\n")
        to_writer.flush()
        ready, pid = from_writer.readline().split()
        assert ready == "ready"
        time.sleep(after_seconds)  # any moment will do: the killing is what is random
        os.kill(int(pid), signal.SIGKILL)
        said = list(iter(lambda: from_writer.readline().strip(), "gone"))
        return max((int(line.removeprefix("stored ")) for line in said), default=0)

    def _pipes(self) -> tuple[IO[str], IO[str]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        return self.process.stdin, self.process.stdout


@contextmanager
def writers(folder: Path, url: str) -> Iterator[Writers]:
    command = [sys.executable, str(WRITER), str(folder), url]
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=root, env=environment, text=True
    ) as process:
        try:
            yield Writers(process)
        finally:
            process.kill()


def contents(index: CaseIndex) -> dict[str, object]:
    """What each part of an index holds, however it came to hold it."""
    parts = index._parts
    slots = parts.entries.live_slots
    rows = parts.entries.rows(slots).tolist()
    ids = parts.dense.ids
    bags = {row: parts.forward.document(slot) for row, slot in zip(rows, slots.tolist(), strict=True)}
    return {
        "vectors": dict(zip(ids.tolist(), map(bytes, parts.dense.reconstruct(ids)), strict=True)),
        "terms": {row: (bag.text.hashes.tobytes(), bag.text.counts.tobytes()) for row, bag in bags.items()},
        "subjects": {row: (bag.subject.hashes.tobytes(), bag.subject.counts.tobytes()) for row, bag in bags.items()},
        "facts": {entry.row_id: repr(entry) for entry in parts.entries.entries(rows)},
        "inverted index": {
            (word, where): frozenset(
                parts.fulltext.search(LexicalQuery.of(document_terms("", word), STATISTICS), 10_000, where).tolist()
            )
            for word in WORDS
            for where in FILTERS
        },
        "size of the inverted index": len(parts.fulltext),
    }


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_loses_and_corrupts_nothing(tmp_path: Path):
    folder, url = tmp_path / "index", f"sqlite:///{tmp_path}/history.db"
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  shown where the test fails
    chance = random.Random(seed)
    with closing(History.open(url)) as history, writers(folder, url) as running:
        history.upsert(
            [Case(ticket=Ticket(id=f"T-{n}", subject="Ticket export")) for n in range(100)], masking_rules="1"
        )
        stored = 0
        for number in range(N_KILLS):
            limits = KINDS[number // 2 % 2]
            stored = max(stored, running.kill_one(seed + number, limits, chance.uniform(0.0, LONGEST_SECONDS)))
            assert history.last_change() >= stored
            with (
                closing(CaseIndex.open(folder, ENCODER, STATISTICS, limits)) as opened,
                closing(CaseIndex.create(tmp_path / "afresh", ENCODER, STATISTICS)) as afresh,
            ):
                opened.replay(history)
                afresh.replay(history)
                assert contents(opened) == contents(afresh), f"after kill {number}"
                assert opened.verify(history).problems == (), f"after kill {number}"
                # The second of two begins with its own kind, however short its life.
                if number % 2:
                    assert opened.stats().kind == limits.kind(len(opened), ENCODER.dimension)
                else:
                    opened.snapshot()
            assert not list(folder.glob("work-*/LOCK"))
    assert stored > 100
