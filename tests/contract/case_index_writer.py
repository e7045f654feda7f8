"""A process to be killed: changes cases and writes snapshots until it is gone (test_case_index.py)."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

from features.case_index import CaseIndex
from features.dense import DenseLimits
from features.encoder import HashingEncoder
from features.history import History
from features.lexical import LexicalStatistics
from features.ticket import Case, Ticket


def write_for_ever(folder: Path, database: str, limits: DenseLimits) -> None:
    history = History.open(f"sqlite:///{database}")
    index = CaseIndex.open(folder, HashingEncoder(32), LexicalStatistics.fit([]), limits)
    print("ready", flush=True)  # noqa: T201
    for round_ in itertools.count():
        cases = [Case(ticket=Ticket(id=f"T-{n}", subject=f"Round {round_}")) for n in range(round_ % 7, 40, 7)]
        history.upsert(cases, masking_rules="1")
        index.replay(history)
        index.snapshot()


if __name__ == "__main__":
    exact_below, memory_bytes = map(int, sys.argv[3:])
    write_for_ever(Path(sys.argv[1]), sys.argv[2], DenseLimits(exact_below=exact_below, memory_bytes=memory_bytes))
