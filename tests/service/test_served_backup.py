"""A backup of a workspace that is served, written to and promoted in meanwhile, and a service on what was restored."""

import json
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from itertools import count

import httpx
import pytest

from features.release import point_current
from features.settings import load_settings

ASKED = [
    {"ticket": {"subject": subject, "description": description, "created_at": "2026-03-01T09:00:00Z"}}
    for subject, description in [
        ("Cannot log in with SAML single sign-on", "The certificate was rotated."),
        ("Export cut off", "The nightly CSV export stops after row 500."),
        ("Webhook twice", "Each order created event comes two times."),
        ("Espresso machine leaks", "There is water under it."),
    ]
]


def precedent(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def answers(served) -> list[dict[str, object]]:
    """What is answered, but for what differs from request to request, and for how far the index is."""
    found = [served.post("/v1/suggest", body).json() for body in ASKED]
    return [{**answer, "request_id": None, "index_watermark": None} for answer in found]


class Load:
    """Threads that store cases, ask and send feedback, and one that changes over from release to release."""

    def __init__(self, served) -> None:
        self._served = served
        self._is_over = threading.Event()
        self._numbers = count()
        self.stored: list[str] = []
        self.asked: list[str] = []
        self.failures: list[str] = []
        works = [self._write, self._write, self._ask, self._promote]
        self._threads = [threading.Thread(target=work) for work in works]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(30)

    def _write(self) -> None:
        with self._served.client("admin") as client:
            while not self._is_over.is_set():
                case_id = f"NEW-{next(self._numbers)}"
                case = {"id": case_id, "subject": "Axolotl refuses regeneration", "status": "resolved"}
                if self._done(client.post("/v1/cases", json={"case": case})):
                    self.stored.append(case_id)

    def _ask(self) -> None:
        with self._served.client("admin") as client:
            while not self._is_over.is_set():
                response = client.post("/v1/suggest", json=ASKED[0])
                if self._done(response):
                    request_id = response.json()["request_id"]
                    said = {"request_id": request_id, "kind": "accepted", "target": "category"}
                    if self._done(client.post("/v1/feedback", json=said)):
                        self.asked.append(request_id)

    def _promote(self) -> None:
        for number in count():
            if self._is_over.wait(0.3):
                return
            point_current(self._served.settings.releases_dir, ("r2", "r1")[number % 2])

    def _done(self, response: httpx.Response) -> bool:
        if response.status_code != 200:
            self.failures.append(response.text)
        return response.status_code == 200


@pytest.mark.slow
def test_what_was_restored_answers_as_what_was_backed_up(workspace, kit, tmp_path):
    kit.make_release(workspace, "r2")
    path = tmp_path / "backup.zip"
    with kit.serve(workspace) as served:
        with Load(served) as load:
            served.eventually(lambda: len(load.stored) > 20 and len(load.asked) > 5, 30.0)
            promised = list(load.stored), list(load.asked)
            done = precedent("backup", path, "--workspace", workspace.workspace, "--json")
            at_the_end = len(load.stored)
        assert done.returncode == 0, done.stderr
        assert load.failures == []
        told = json.loads(done.stdout)
        point_current(workspace.releases_dir, told["release"])

        def release_served() -> str:
            with served.client() as client:
                return client.get("/readyz").json()["details"]["release"]

        served.eventually(lambda: release_served() == told["release"], 20.0)
        restored = tmp_path / "elsewhere" / "workspace"
        done = precedent("restore", path, "--workspace", restored)
        assert done.returncode == 0, done.stderr
        with closing(sqlite3.connect(restored / "history.db")) as database:
            stored = {row[0] for row in database.execute("SELECT id FROM tickets")}
        later = set(load.stored) - stored
        with served.client("admin") as client:
            assert {client.delete(f"/v1/cases/{case_id}").status_code for case_id in later} <= {200}

            def is_current() -> bool:
                index = client.get("/readyz").json()["details"]["index"]
                return index["watermark"] == index["history"]

            served.eventually(is_current, 20.0)
        expected = answers(served)
    assert at_the_end > len(promised[0]), "it was written to meanwhile"

    with kit.serve(load_settings(restored, {})) as again:
        assert answers(again) == expected
        database = again.database()
        accepted = {row[0] for row in database.execute("SELECT request_id FROM journal_feedback")}
        database.close()
    assert set(promised[0]) <= stored
    assert set(promised[1]) <= accepted
    looked = precedent("doctor", "--workspace", restored, "--json")
    findings = {finding["name"]: finding["state"] for finding in json.loads(looked.stdout)}
    assert looked.returncode == 0, looked.stdout
    assert [findings[name] for name in ("history", "release", "index", "keys")] == ["ok"] * 4
