"""The supervisor: a worker that dies is replaced, what was acknowledged is there, and nothing outlives a stop."""

import os
import resource
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def answers(served) -> bool:
    try:
        return served.suggest("Cannot log in").status_code == 200
    except httpx.TransportError:
        return False


def test_a_killed_worker_is_back_soon_with_all_that_was_acknowledged(workspace, kit):
    with kit.serve(workspace) as served:
        acknowledged = []
        for number in range(5):
            case = {"id": f"K-{number}", "subject": f"Kestrel number {number} will not fly", "status": "resolved"}
            acknowledged.append(served.post("/v1/cases", {"case": case}).json()["change"])
        suggested = served.suggest("Kestrel will not fly").json()
        told = served.post(
            "/v1/feedback", {"request_id": suggested["request_id"], "kind": "accepted", "target": "category"}
        )
        assert told.status_code == 200

        worker = served.worker_pid()
        os.kill(worker, signal.SIGKILL)
        # Some three seconds where nothing else runs; the tests share their machine.
        served.eventually(lambda: answers(served), 20.0)
        assert served.worker_pid() != worker

        found = served.suggest("Kestrel number 4 will not fly", top_k=50).json()
        assert found["index_watermark"] >= acknowledged[-1]
        assert {f"K-{number}" for number in range(5)} <= {case["id"] for case in found["similar_cases"]}
        with served.database() as database:
            kept = database.execute(
                "SELECT count(*) FROM journal_suggestions WHERE request_id = ?", [suggested["request_id"]]
            )
            assert kept.fetchone() == (1,)
            assert database.execute("SELECT count(*) FROM journal_feedback").fetchone() == (1,)


def test_a_request_under_way_is_answered_before_a_stop(workspace, kit):
    with kit.serve(workspace) as served:
        worker = served.worker_pid()
        with served.database() as database, served.client() as client, ThreadPoolExecutor(1) as pool:
            database.execute("BEGIN IMMEDIATE")  # what is to be stored waits, until the stop is under way
            waiting = pool.submit(served.post, "/v1/cases", {"case": {"id": "last", "subject": "Cannot log in"}})
            served.eventually(lambda: "precedent_requests_in_flight 1.0" in client.get("/metrics").text, 5.0)
            served.process.send_signal(signal.SIGTERM)
            served.eventually(lambda: any('"stopping"' in line for line in served.log), 5.0)
            time.sleep(0.5)  # the worker is told within a tick of the supervisor
            assert not waiting.done()
            database.execute("ROLLBACK")
            assert waiting.result(15).status_code == 200
        assert served.process.wait(20) == 0
        assert not is_running(worker)
        assert list((workspace.index_dir).glob("*/snapshot-*"))


def test_ctrl_c_stops_as_well(workspace, kit):
    with kit.serve(workspace) as served:
        worker = served.worker_pid()
        served.process.send_signal(signal.SIGINT)
        assert served.process.wait(15) == 0
        assert not is_running(worker)


def test_a_worker_does_not_outlive_its_supervisor(workspace, kit):
    with kit.serve(workspace) as served:
        worker = served.worker_pid()
        served.process.kill()
        served.process.wait(5)
        served.eventually(lambda: not is_running(worker), 15.0)


def test_processes_are_small_and_the_supervisor_smaller(service):
    def resident_mb(pid: int) -> float:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    assert service.suggest("warm").status_code == 200
    assert resident_mb(service.process.pid) < 40
    assert resident_mb(service.process.pid) + resident_mb(service.worker_pid()) < 600


def test_the_worker_loads_nothing_of_training(workspace):
    """The very application that the worker runs, started and asked, with what it imported printed at the end."""
    program = """
import os, sys
os.environ["PRECEDENT_WORKSPACE"] = sys.argv[1]
from starlette.testclient import TestClient
from serving.service import app
before = set(sys.modules)
with TestClient(app) as client:
    for _ in range(200):
        if client.get("/readyz").status_code == 200:
            break
        __import__("time").sleep(0.05)
    answer = client.post("/v1/suggest", json={"ticket": {"subject": "Cannot log in"}})
    assert answer.json()["category"]["value"] == "login", answer.text
    assert client.get("/metrics").status_code == 200
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""
    (workspace.workspace / "precedent.toml").write_text("[service]\nrequire_key = false\n")
    run = subprocess.run(
        [sys.executable, "-c", program, str(workspace.workspace)], capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr[-2_000:]
    loaded = set(run.stdout.split())
    assert {"bentoml", "serving", "features"} <= loaded
    unwanted = {"torch", "sentence_transformers", "transformers", "mlflow", "skops", "sklearn", "scipy", "pandas"}
    assert not loaded & (unwanted | {"training", "evaluation", "matplotlib", "alembic"})


def run_serve(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "serve", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


def test_without_a_release_it_says_what_to_do(tmp_path):
    (tmp_path / "empty").mkdir()
    run = run_serve("--workspace", str(tmp_path / "empty"))
    assert run.returncode == 1
    assert "No release is promoted" in run.stderr
    assert "precedent train" in run.stderr


def test_a_port_that_is_taken_is_said(workspace):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = run_serve("--workspace", str(workspace.workspace), "--port", str(port))
    assert run.returncode == 1
    assert f"Nothing can listen at 127.0.0.1:{port}" in run.stderr


def test_a_worker_that_cannot_start_ends_the_service_with_a_reason(workspace):
    workspace.secret_path.write_bytes(b"short")
    run = run_serve("--workspace", str(workspace.workspace), "--port", "0")
    assert run.returncode == 1
    assert "has 5 bytes instead of 32" in run.stderr
    assert "before it was ready" in run.stderr


@pytest.mark.slow
def test_a_worker_that_keeps_dying_is_started_ever_more_slowly(workspace, kit):
    with kit.serve(workspace) as served:
        for _ in range(3):
            worker = served.worker_pid()
            os.kill(worker, signal.SIGKILL)
            served.eventually(lambda: kit.children(served.process.pid) not in ([], [worker]), 10.0)  # noqa: B023
        served.eventually(lambda: sum("worker ended" in line for line in served.log) == 3, 10.0)
        pauses = [
            line.partition('"next_in_seconds": ')[2].rstrip("}\n") for line in served.log if "worker ended" in line
        ]
        assert pauses == ["0.0", "0.5", "1.0"]
        served.eventually(lambda: answers(served), 20.0)


def test_a_full_disk_is_said_and_nothing_is_acknowledged_that_is_not_kept(workspace, kit):
    """The worker's files may grow no further, which is what SQLite meets on a full disk or at a quota."""
    with kit.serve(workspace) as served:
        kept = [path.stat().st_size for path in workspace.workspace.glob("history.db*")]
        unlimited = resource.prlimit(served.worker_pid(), resource.RLIMIT_FSIZE)
        resource.prlimit(served.worker_pid(), resource.RLIMIT_FSIZE, (max(kept) + 200_000, unlimited[1]))
        responses = {}
        for number in range(40):
            case = {"id": f"F-{number}", "subject": "Disk", "description": f"line {number} " * 3_000}
            responses[case["id"]] = served.post("/v1/cases", {"case": case}, "write")
        refused = [response for response in responses.values() if response.status_code != 200]
        assert 0 < len(refused) < 40
        for response in refused:
            assert response.status_code == 507
            assert response.json()["error"]["code"] == "history_full"
            assert "free disk space" in response.json()["error"]["message"]
            assert set(response.json()) == {"error", "request_id"}
        acknowledged = {id_ for id_, response in responses.items() if response.status_code == 200}
        assert stored(served) == acknowledged
        # What is there is still answered from, and with room again cases are taken again.
        assert served.suggest("Cannot log in with SAML single sign-on").json()["category"]["value"] == "login"
        resource.prlimit(served.worker_pid(), resource.RLIMIT_FSIZE, unlimited)
        assert served.post("/v1/cases", {"case": {"id": "F-after", "subject": "Disk"}}, "write").status_code == 200
        assert stored(served) == acknowledged | {"F-after"}


def stored(served) -> set[str]:
    with served.database() as database:
        return {id_ for (id_,) in database.execute("SELECT id FROM tickets WHERE id LIKE 'F-%'")}
