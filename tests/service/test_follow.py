"""`precedent follow` and a real MLflow server on the loopback address, on SQLite, with artifacts that it hands out."""

import json
import os
import shutil
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time

import httpx
import pytest

from features.errors import InvalidInput, ReleaseRefused, Unavailable
from features.release import current_release_id, list_releases, load_release
from features.settings import load_settings

STARTED_SECONDS = 120.0
ASKED = {"ticket": {"subject": "Cannot log in with SAML single sign-on"}}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """URL of a server, and the folder of its artifacts."""
    folder = tmp_path_factory.mktemp("mlflow")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, *stores],
            cwd=folder,
            env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        url = f"http://127.0.0.1:{port}"
        try:
            _wait_for(url, process, folder / "log")
            yield url, folder / "artifacts"
        finally:
            # What it holds is thrown away, and it takes long to stop in good order.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def _wait_for(url: str, process, log) -> None:
    deadline = time.monotonic() + STARTED_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.2)


@pytest.fixture(scope="module")
def analyst(server, workspace_template, tmp_path_factory, kit):
    """A workspace whose releases r1 to r4 are registered at the server, of which r3 is damaged there."""
    from training.tracking import Tracker

    url, artifacts = server
    folder = tmp_path_factory.mktemp("analyst") / "workspace"
    shutil.copytree(workspace_template, folder)
    settings = load_settings(folder, {"PRECEDENT_MLFLOW_URL": url})
    tracker = Tracker(settings)
    for release_id in ("r1", "r2", "r3", "r4"):
        made = settings.releases_dir / release_id
        if not made.exists():
            made = kit.make_release(settings, release_id)
        tracker.record(made, params={"a": 1}, metrics={"b": 0.5}, tags={}, artifacts=None)
    [damaged] = artifacts.rglob("r3/category.json")
    damaged.write_bytes(damaged.read_bytes().replace(b"login", b"logon"))
    return tracker, settings


@pytest.fixture
def follower_workspace(server, tmp_path):
    """Another machine: nothing but settings."""
    folder = tmp_path / "follower"
    folder.mkdir()
    (folder / "precedent.toml").write_text(f'encoder = "hashing"\nmlflow_url = "{server[0]}"\n')
    return load_settings(folder, {})


@pytest.mark.slow
def test_the_pointer_follows_the_alias_forth_and_back_and_never_to_a_bad_release(analyst, follower_workspace):
    from training.following import ChampionFollower

    tracker, made = analyst
    settings = follower_workspace
    follower = ChampionFollower(settings)
    tracker._client.delete_registered_model_alias("precedent", "champion")
    assert follower.step() is None, "nobody is the champion yet"
    tracker.set_champion("r1")
    assert [follower.step(), follower.step()] == ["r1", None]
    tracker.set_champion("r2")
    assert follower.step() == "r2"
    assert load_release(settings.releases_dir / "r2").manifest == load_release(made.releases_dir / "r2").manifest

    tracker.set_champion("r3")
    for _ in range(2):
        with pytest.raises(ReleaseRefused, match=r"Release r3 is damaged: category\.json does not match its SHA-256"):
            follower.step()
    assert current_release_id(settings.releases_dir) == "r2"
    assert list_releases(settings.releases_dir) == ["r1", "r2"]
    tracker.set_champion("r4")
    assert follower.step() == "r4"
    tracker.set_champion("r1")
    assert follower.step() == "r1", "a rollback"
    names = {path.name for path in settings.releases_dir.iterdir()}
    assert names == {"CURRENT", "PROMOTIONS.jsonl", "r1", "r2", "r4"}, "nothing half-written is left"


@pytest.mark.slow
def test_a_champion_that_is_no_release_is_refused(analyst, follower_workspace):
    from training.following import ChampionFollower

    tracker, _ = analyst
    tracker.set_champion("r1")
    follower = ChampionFollower(follower_workspace)
    version = tracker.registered("champion").version
    tracker._client.delete_model_version_tag("precedent", version, "release")
    try:
        with pytest.raises(ReleaseRefused, match=rf"Version {version}, the champion in http://.* names no release"):
            follower.step()
        tracker._client.set_model_version_tag("precedent", version, "release", "r2")
        with pytest.raises(ReleaseRefused, match=r"has no manifest\.json, so it cannot be checked"):
            ChampionFollower(follower_workspace).step()
    finally:
        tracker._client.set_model_version_tag("precedent", version, "release", "r1")
    assert current_release_id(follower_workspace.releases_dir) is None


@pytest.mark.slow
def test_a_running_service_changes_over(analyst, workspace, server, kit):
    tracker, _ = analyst
    tracker.set_champion("r1")
    with kit.serve(workspace, f'mlflow_url = "{server[0]}"\n') as served:
        command = [sys.executable, "-m", "cli.main", "follow", "--every", "0.2", "--json"]
        process = subprocess.Popen(
            [*command, "--workspace", str(workspace.workspace)], stdout=subprocess.PIPE, text=True
        )
        try:
            assert served.post("/v1/suggest", ASKED).json()["release"] == "r1"
            tracker.set_champion("r4")
            assert json.loads(process.stdout.readline()) == {"release": "r4", "changed": True}
            served.eventually(lambda: served.post("/v1/suggest", ASKED).json()["release"] == "r4", 20.0)
        finally:
            process.terminate()
            assert process.wait(30) == 0
            process.stdout.close()


class _Forward(socketserver.BaseRequestHandler):
    """Bytes to the server and back."""

    def handle(self) -> None:
        host, _, port = self.server.leads_to.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port))) as there:
            back = threading.Thread(target=_pump, args=(there, self.request))
            back.start()
            _pump(self.request, there)
            back.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    while data := source.recv(65536):
        target.sendall(data)
    target.shutdown(socket.SHUT_WR)


@pytest.mark.slow
def test_a_registry_that_is_away_is_waited_for(analyst, server, follower_workspace):
    from training.following import follow

    tracker, _ = analyst
    tracker.set_champion("r2")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    settings = follower_workspace.model_copy(update={"mlflow_url": f"http://127.0.0.1:{port}"})
    is_over, is_away, is_there = threading.Event(), threading.Event(), threading.Event()
    changes, troubles = [], []
    following = threading.Thread(
        target=follow,
        args=(settings,),
        kwargs={
            "every_seconds": 0.1,
            "is_over": is_over,
            "on_change": lambda release_id: (changes.append(release_id), is_there.set()),
            "on_trouble": lambda error: (troubles.append(error), is_away.set()),
        },
    )
    following.start()
    try:
        assert is_away.wait(60)
        with socketserver.ThreadingTCPServer(("127.0.0.1", port), _Forward) as forward:
            forward.daemon_threads = True
            forward.leads_to = server[0]
            threading.Thread(target=forward.serve_forever, daemon=True).start()
            assert is_there.wait(60)
            is_over.set()
            forward.shutdown()
    finally:
        is_over.set()
        following.join(60)
    assert changes == ["r2"]
    assert [type(error) for error in troubles] == [Unavailable], "told once, however often it was tried"
    assert "check that it runs and that this machine may reach it" in troubles[0].message


@pytest.mark.slow
def test_the_command_once(analyst, server, follower_workspace, precedent):
    tracker, _ = analyst
    tracker.set_champion("r4")
    arguments = ("follow", "--once", "--workspace", follower_workspace.workspace)
    assert precedent(*arguments).out == "Champion is now r4.\n"
    assert precedent(*arguments).out == "In step with the champion.\n"
    assert json.loads(precedent(*arguments, "--json").out) == {"release": "r4", "changed": False}
    doctor = precedent("doctor", "--workspace", follower_workspace.workspace, "--json")
    registry = next(finding for finding in json.loads(doctor.out) if finding["name"] == "registry")
    assert registry["state"] == "ok"
    tracker.set_champion("r3")
    refused = precedent(*arguments)
    assert (refused.code, refused.out) == (1, "")
    assert "Release r3 is damaged" in refused.err
    assert current_release_id(follower_workspace.releases_dir) == "r4"


def test_a_workspace_without_a_server_has_nothing_to_follow(workspace, precedent):
    from training.following import ChampionFollower

    with pytest.raises(InvalidInput, match="There is no registry to follow: name an MLflow server in the setting"):
        ChampionFollower(workspace)
    result = precedent("follow", "--once", "--workspace", workspace.workspace)
    assert result.code == 1
    assert "mlflow_url" in result.err
