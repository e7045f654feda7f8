"""A disk that is really full, under the index or under the whole workspace."""

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager

import httpx
import pytest

from features.settings import load_settings

SUBJECT = "Cannot log in with SAML single sign-on"


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, of a few megabytes."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if (
        shutil.which("mount") is None
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@contextmanager
def filled(disk, *, leave: int = 0):
    """The disk full but for some bytes."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            os.truncate(ballast, max(0, stream.tell() - leave))
    try:
        yield
    finally:
        ballast.unlink(missing_ok=True)


def put(served, number: int) -> int:
    case = {
        "id": f"F-{number}",
        "subject": f"Kestrel number {number}",
        "description": "kestrel " * 4_000,
        "status": "resolved",
    }
    return served.post("/v1/cases", {"case": case}).status_code


def found(served) -> set[str]:
    answer = served.suggest("Kestrel number", top_k=50)
    assert answer.status_code == 200, answer.text
    return {case["id"] for case in answer.json()["similar_cases"]} - {f"T-{number}" for number in range(30)}


def alerts(served) -> list[str]:
    with served.client() as client:
        return client.get("/readyz").json()["details"]["alerts"]


def stored(served) -> set[str]:
    with served.database() as database:
        return {id_ for (id_,) in database.execute("SELECT id FROM tickets WHERE id LIKE 'F-%'")}


def answers(served) -> bool:
    try:
        return served.suggest(SUBJECT).status_code == 200
    except httpx.TransportError:
        return False


def test_a_full_disk_under_the_index_loses_nothing(workspace, kit, disk):
    shutil.rmtree(workspace.index_dir, ignore_errors=True)
    workspace.index_dir.symlink_to(disk)
    with kit.serve(workspace) as served:
        before = served.suggest(SUBJECT).json()["similar_cases"]
        with filled(disk):
            assert [put(served, number) for number in range(3)] == [200] * 3
            served.eventually(lambda: alerts(served) != [], 10.0)
            assert served.suggest(SUBJECT).json()["similar_cases"] == before
            assert stored(served) == {"F-0", "F-1", "F-2"}
        served.eventually(lambda: found(served) == {"F-0", "F-1", "F-2"}, 40.0)
        served.eventually(lambda: alerts(served) == [], 10.0)


def test_a_full_disk_under_everything_acknowledges_nothing_that_is_not_kept(workspace, kit, disk):
    shutil.copytree(workspace.workspace, disk / "workspace")
    with kit.serve(load_settings(disk / "workspace", {})) as served:
        assert put(served, 0) == 200
        with filled(disk, leave=200_000):
            statuses = [put(served, number) for number in range(1, 40)]
            assert set(statuses) == {200, 507}
            acknowledged = {"F-0"} | {f"F-{number}" for number, status in enumerate(statuses, 1) if status == 200}
            assert stored(served) == acknowledged
            answer = served.suggest(SUBJECT)
            assert answer.status_code == 200
            assert answer.json()["category"]["value"] == "login"

            os.kill(served.worker_pid(), signal.SIGKILL)
            served.eventually(lambda: answers(served), 30.0)
            assert stored(served) == acknowledged
            assert served.suggest(SUBJECT).json()["category"]["value"] == "login"
        served.eventually(lambda: found(served) == acknowledged, 40.0)
        assert put(served, 40) == 200
        served.eventually(lambda: alerts(served) == [], 10.0)
