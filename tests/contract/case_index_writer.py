"""Processes to be killed: each changes cases and keeps an index of them until it is gone (test_case_index_crash.py).

For each ``<seed> <exact_below>`` that this script reads it forks one, so that everything is imported once. A process
writes ``ready <pid>`` and, for every change that the history has, ``stored <change>``; when it is gone, its parent
writes ``gone``.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from features.case_index import CaseIndex
from features.dense import DenseLimits
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.ticket import Case, Link, LinkType, Outcome, Status, Ticket

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("login", "loops", "export", "slow", "webhook", "signature", "ERR-42", "NullPointerException", "sync", "stalls")
N_IDS = 150


def some_case(chance: random.Random) -> Case:
    return Case(
        ticket=Ticket(
            id=f"T-{chance.randrange(N_IDS)}",
            subject=f"Ticket {chance.choice(WORDS)}",
            description=" ".join(chance.choices(WORDS, k=8)),
            created_at=START + timedelta(hours=chance.randrange(1_000)),
            product=chance.choice(["a", "b", None]),
        ),
        outcome=Outcome(status=chance.choice(list(Status)), category=chance.choice(["x", "y"])),
        links=(Link(LinkType.DUPLICATE_OF, f"T-{chance.randrange(N_IDS)}"),),
    )


def write_for_ever(folder: Path, url: str, limits: DenseLimits, chance: random.Random) -> None:
    say(f"ready {os.getpid()}")
    history = History.open(url)
    index = CaseIndex.open(folder, HashingEncoder(32), LexicalStatistics.fit([]), limits)
    upkeep = threading.Thread(target=keep_up, args=(index, random.Random(chance.random())), daemon=True)
    upkeep.start()
    while upkeep.is_alive():
        cases = {case.id: case for case in (some_case(chance) for _ in range(chance.randrange(1, 12)))}
        say(f"stored {history.upsert(list(cases.values()), masking_rules='1').change}")
        if chance.random() < 0.5:
            say(f"stored {history.erase(chance.choice(list(cases)))}")
        index.replay(history)
    os._exit(1)


def keep_up(index: CaseIndex, chance: random.Random) -> None:
    """Snapshot and compact all the time, while cases come and go."""
    while True:
        (index.compact if chance.random() < 0.3 else index.snapshot)()


def say(line: str) -> None:
    """Write a line whole or not at all, whenever the process is killed."""
    os.write(1, f"{line}\n".encode())


def fork_for_each_line(folder: Path, url: str) -> None:
    for line in sys.stdin:
        seed, exact_below = map(int, line.split())
        if (child := os.fork()) == 0:
            write_for_ever(folder, url, DenseLimits(exact_below=exact_below), random.Random(seed))
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    fork_for_each_line(Path(sys.argv[1]), sys.argv[2])
