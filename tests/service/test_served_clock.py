"""The wall clock goes back under a running service: nothing hangs, nothing is lost, and what came last still counts."""

import os
import shutil
import signal
import struct
import subprocess
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from features.history import History
from features.release import point_current
from serving.keys import create_key, revoke_key

SHIM = Path(__file__).with_name("clock_that_goes_back.c")
HOUR, YEAR = 3_600, 31_536_000


@pytest.fixture
def set_back(tmp_path, monkeypatch):
    """Sets back the clock of what is started from now on, by seconds."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make a clock that goes back (Debian: apt-get install gcc)")
    library, by = tmp_path / "clock.so", tmp_path / "seconds"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, SHIM, "-ldl"], check=True)

    def set_to(seconds: int) -> None:
        with by.open("r+b" if by.exists() else "wb") as stream:
            stream.write(struct.pack("q", seconds))

    set_to(0)
    monkeypatch.setenv("LD_PRELOAD", str(library))
    monkeypatch.setenv("CLOCK_THAT_GOES_BACK", str(by))
    return set_to


def put(served, id_: str, subject: str, **more: object) -> int:
    response = served.post("/v1/cases", {"case": {"id": id_, "subject": subject, "status": "resolved", **more}})
    assert response.status_code == 200, response.text
    return response.json()["change"]


def found(served, subject: str, asking: str | None = None) -> dict[str, str]:
    answer = served.post("/v1/suggest", {"ticket": {"id": asking, "subject": subject}, "top_k": 50})
    assert answer.status_code == 200, answer.text
    assert answer.json()["notes"] == []
    return {case["id"]: case["subject"] for case in answer.json()["similar_cases"]}


def tell(served, kind: str) -> None:
    """Say what a case of a suggestion for the ticket ASKING was worth."""
    suggested = served.post("/v1/suggest", {"ticket": {"id": "ASKING", "subject": "Kestrel will not fly"}}).json()
    feedback = {"request_id": suggested["request_id"], "kind": kind, "target": "case", "id": "K-1"}
    assert served.post("/v1/feedback", feedback).status_code == 200


def statuses(served, token: str) -> int:
    with httpx.Client(base_url=served.url, headers={"X-API-Key": token}) as client:
        return client.post("/v1/suggest", json={"ticket": {"subject": "Kestrel"}}).status_code


def test_a_clock_that_goes_back_changes_no_order(workspace, kit, set_back):
    kit.make_release(workspace, "r2")
    with kit.serve(workspace) as served:
        first = put(served, "K-1", "Kestrel will not fly")
        served.eventually(lambda: "K-1" in found(served, "Kestrel will not fly"), 5.0)
        tell(served, "accepted")
        with closing(History.open(workspace.history_url)) as history:
            key = create_key(history, label="made before")
        served.eventually(lambda: statuses(served, key.token) == 200, 5.0)

        set_back(HOUR)

        with served.database() as database:
            [before] = database.execute("SELECT max(at) FROM journal_suggestions").fetchone()
        second = put(served, "K-1", "Kestrel will fly again")
        assert second > first
        served.eventually(lambda: found(served, "Kestrel").get("K-1") == "Kestrel will fly again", 5.0)
        with served.database() as database:
            [at] = database.execute("SELECT at FROM journal_suggestions ORDER BY rowid DESC LIMIT 1").fetchone()
        assert at < before, "the service's clock went back"
        assert "K-1" in found(served, "Kestrel will not fly", asking="ASKING")
        tell(served, "wrong")
        assert "K-1" not in found(served, "Kestrel will not fly", asking="ASKING"), "what was said last counts"

        point_current(workspace.releases_dir, "r2")
        served.eventually(lambda: served.suggest("Kestrel").json()["release"] == "r2", 10.0)
        assert statuses(served, key.token) == 200
        with closing(History.open(workspace.history_url)) as history:
            revoke_key(history, key.key.key_id)
        served.eventually(lambda: statuses(served, key.token) == 401, 5.0)

        os.kill(served.worker_pid(), signal.SIGKILL)
        served.eventually(lambda: is_answering(served), 30.0)
        assert "K-1" in found(served, "Kestrel")
        put(served, "K-2", "Kestrel number two")
        served.eventually(lambda: "K-2" in found(served, "Kestrel"), 5.0)

    # The snapshot of the stop, written by the clock that went back, is the one that the next start begins with.
    with kit.serve(workspace) as served:
        assert {"K-1", "K-2"} <= found(served, "Kestrel").keys()


def is_answering(served) -> bool:
    try:
        return served.suggest("Kestrel").status_code == 200
    except httpx.TransportError:
        return False


def test_by_a_clock_that_is_far_behind_what_comes_from_the_future_is_refused_and_said(workspace, kit, set_back):
    """A wrong clock is told of at once, and not stored into the history as times that no ticket has."""
    with kit.serve(workspace) as served:
        set_back(20 * YEAR)
        refused = served.post("/v1/cases", {"case": {"id": "F", "subject": "s", "created_at": "2026-03-01T09:00:00Z"}})
        assert refused.status_code == 422
        assert refused.json()["error"]["field"] == "case.created_at"
        put(served, "F", "Kestrel without a time")
        served.eventually(lambda: "F" in found(served, "Kestrel"), 5.0)
