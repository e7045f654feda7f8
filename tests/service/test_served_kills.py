"""The served process is killed at random moments under writes: what was acknowledged is there, and nothing by halves.

20 times; ``make crash`` does it 200 times (``PRECEDENT_CRASH_KILLS``) and prints what it saw.
"""

import itertools
import json
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field

import httpx
import pytest

from features.history import History

N_KILLS = int(os.environ.get("PRECEDENT_CRASH_KILLS", "20"))
N_WRITERS = 4
LONGEST_SECONDS = 0.6  # of writing, before a kill
KILL_ALL_EVERY = 5  # kills: then the supervisor goes as well
WORDS = ("kestrel", "export", "invoice", "webhook", "login", "certificate", "printer", "cluster", "ledger", "mirror")


@dataclass
class Writer:
    """A client that knows what it was told is stored: one operation at a time, on cases of its own.

    ``stored`` is the body of each case, None where its erasure was acknowledged. ``in_doubt`` is the operation that was
    under way when the service was killed: it was done or not, but never by halves.
    """

    number: int
    chance: random.Random
    stored: dict[str, dict[str, object] | None] = field(default_factory=dict)
    suggested: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    in_doubt: tuple[str, dict[str, object] | None] | None = None
    unexpected: list[str] = field(default_factory=list)
    ids: itertools.count = field(default_factory=itertools.count)

    def work(self, client: httpx.Client, is_over: threading.Event) -> None:
        self.in_doubt = None
        try:
            while not is_over.is_set():
                self._step(client)
                self.in_doubt = None
        except httpx.TransportError:
            pass

    def _step(self, client: httpx.Client) -> None:
        here = [id_ for id_, case in self.stored.items() if case is not None]
        dice = self.chance.random()
        if here and dice < 0.15:
            self._erase(client, self.chance.choice(here))
        elif dice < 0.35:
            self._suggest(client)
        elif here and dice < 0.55:
            self._put(client, self.chance.choice(here))
        else:
            self._put(client, f"W{self.number}-{next(self.ids)}")

    def _put(self, client: httpx.Client, id_: str) -> None:
        # Up to 60 messages, so that a case is many rows in several tables.
        lines = [" ".join(self.chance.choices(WORDS, k=8)) for _ in range(self.chance.randrange(1, 60))]
        case = {
            "id": id_,
            "subject": f"{id_} {' '.join(self.chance.choices(WORDS, k=4))}",
            "description": "\n".join(lines),
            "messages": [
                {"at": f"2026-01-02T03:04:{second:02}Z", "by": "customer", "text": line}
                for second, line in enumerate(lines)
            ],
            "status": "resolved",
            "resolution": f"Restarted the {lines[0]}.",
            "category": "login",
        }
        self.in_doubt = (id_, case)
        if self._is_done(client.post("/v1/cases", json={"case": case})):
            self.stored[id_] = case

    def _erase(self, client: httpx.Client, id_: str) -> None:
        self.in_doubt = (id_, None)
        if self._is_done(client.delete(f"/v1/cases/{id_}")):
            self.stored[id_] = None

    def _suggest(self, client: httpx.Client) -> None:
        asked = {"subject": f"what is {self.number} {self.chance.random()}"}
        response = client.post("/v1/suggest", json={"ticket": asked})
        if not self._is_done(response) or response.json()["notes"]:
            return
        request_id = response.json()["request_id"]
        self.suggested.append(request_id)
        feedback = {"request_id": request_id, "kind": "accepted", "target": "category"}
        if self._is_done(client.post("/v1/feedback", json=feedback)):
            self.told.append(request_id)

    def _is_done(self, response: httpx.Response) -> bool:
        if response.status_code != 200:
            self.unexpected.append(f"{response.status_code} {response.text}")
        return response.status_code == 200

    def differences(self, history: History) -> list[str]:
        """What the history has otherwise than this client was told."""
        found = []
        for id_, case in self.stored.items():
            right = [case]
            if self.in_doubt is not None and self.in_doubt[0] == id_:
                right.append(self.in_doubt[1])
            if (there := as_sent(history, id_)) not in right:
                found.append(f"{id_}: {there} instead of {right}")
        if self.in_doubt is not None and self.in_doubt[0] not in self.stored:
            id_, case = self.in_doubt
            if (there := as_sent(history, id_)) not in (None, case):
                found.append(f"{id_}: {there} by halves, of {case}")
        return found

    def settle(self, history: History) -> None:
        """Learn what became of the operation in doubt."""
        if self.in_doubt is not None:
            id_, _ = self.in_doubt
            self.stored[id_] = as_sent(history, id_)
            self.in_doubt = None


def as_sent(history: History, id_: str) -> dict[str, object] | None:
    stored = history.case(id_)
    if stored is None:
        return None
    ticket, outcome = stored.case.ticket, stored.case.outcome
    return {
        "id": ticket.id,
        "subject": ticket.subject,
        "description": ticket.description,
        "messages": [
            {"at": f"{message.at:%Y-%m-%dT%H:%M:%SZ}", "by": str(message.by), "text": message.text}
            for message in ticket.messages
        ],
        "status": str(outcome.status),
        "resolution": outcome.resolution,
        "category": outcome.category,
    }


def write_until_killed(served, writers: list[Writer], seconds: float, *, is_all_killed: bool) -> None:
    is_over = threading.Event()
    worker = served.worker_pid()
    clients = [served.client() for _ in writers]
    threads = [
        threading.Thread(target=writer.work, args=(client, is_over))
        for writer, client in zip(writers, clients, strict=True)
    ]
    for thread in threads:
        thread.start()
    time.sleep(seconds)  # any moment will do: the killing is what is random
    if is_all_killed:
        served.process.kill()
    os.kill(worker, signal.SIGKILL)
    is_over.set()
    for thread in threads:
        thread.join(30)
    for client in clients:
        client.close()


def seconds_until_ready(served) -> float:
    def is_ready() -> bool:
        try:
            with served.client(None, timeout=1.0) as client:
                return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    return served.eventually(is_ready, 60.0)


def check(served, history: History, writers: list[Writer]) -> None:
    """What was acknowledged is in the history, in the journal, and findable; and the database is sound."""
    assert [line for writer in writers for line in writer.differences(history)] == []
    with served.database() as database:
        assert database.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        kept = {id_ for (id_,) in database.execute("SELECT request_id FROM journal_suggestions")}
        told = {id_ for (id_,) in database.execute("SELECT request_id FROM journal_feedback")}
    assert {id_ for writer in writers for id_ in writer.suggested} <= kept
    assert {id_ for writer in writers for id_ in writer.told} <= told
    for writer in writers:
        writer.settle(history)
        for id_, case in list(writer.stored.items())[-2:]:
            shown = served.suggest(case["subject"] if case else id_, top_k=50).json()
            assert shown["index_watermark"] == history.last_change()
            assert (id_ in {each["id"] for each in shown["similar_cases"]}) is (case is not None)


@pytest.mark.slow
def test_what_was_acknowledged_outlives_every_kill(workspace, kit):
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  shown where the test fails
    chance = random.Random(seed)
    writers = [Writer(number, random.Random(seed + number)) for number in range(N_WRITERS)]
    seconds: dict[str, list[float]] = {"worker": [], "all": []}
    kills = iter(range(N_KILLS))
    with closing(History.open(workspace.history_url)) as history:
        number = next(kills, None)
        while number is not None:
            began = time.monotonic()
            with kit.serve(workspace) as served:
                if number:
                    seconds["all"].append(time.monotonic() - began)
                    check(served, history, writers)
                is_all_killed = False
                while number is not None and not is_all_killed:
                    is_all_killed = number % KILL_ALL_EVERY == KILL_ALL_EVERY - 1
                    pause = chance.uniform(0.0, LONGEST_SECONDS)
                    write_until_killed(served, writers, pause, is_all_killed=is_all_killed)
                    number = next(kills, None)
                    if not is_all_killed:
                        seconds["worker"].append(seconds_until_ready(served))
                        check(served, history, writers)
        with kit.serve(workspace) as served:
            check(served, history, writers)
    assert [line for writer in writers for line in writer.unexpected] == []
    done = Counter(
        {
            "cases": sum(len(writer.stored) for writer in writers),
            "erased": sum(case is None for writer in writers for case in writer.stored.values()),
            "suggestions": sum(len(writer.suggested) for writer in writers),
            "feedback": sum(len(writer.told) for writer in writers),
        }
    )
    assert all(done.values()), done
    ready = {name: spread(values) for name, values in seconds.items()}
    print(json.dumps({"kills": N_KILLS, "kept": done, "seconds_until_ready": ready}))  # noqa: T201


def spread(values: list[float]) -> dict[str, float]:
    if len(values) < 2:
        return {}
    cuts = statistics.quantiles(values, n=20, method="inclusive")
    return {"n": len(values), "p50": round(cuts[9], 2), "p95": round(cuts[18], 2), "max": round(max(values), 2)}
