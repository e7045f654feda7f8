"""``bentoml serve serving.service:Precedent``: the same service, guarded once, under BentoML's own supervisor."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(workspace_template, tmp_path_factory, kit):
    import shutil

    from features.settings import load_settings

    folder = tmp_path_factory.mktemp("bentoml")
    shutil.copytree(workspace_template, folder / "workspace")
    settings = load_settings(folder / "workspace", {})
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    environment = {
        **os.environ,
        "PRECEDENT_WORKSPACE": str(settings.workspace),
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = [sys.executable, "-m", "bentoml", "serve", "serving.service:Precedent"]
    log = (folder / "log").open("w+b")
    process = subprocess.Popen(
        [*command, "--working-dir", str(ROOT), "--host", "127.0.0.1", "--port", str(port)],
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    found = kit.Served(settings, process, f"http://127.0.0.1:{port}", kit.make_tokens(settings))

    def is_ready() -> bool:
        try:
            with found.client(None) as client:
                return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    try:
        found.eventually(is_ready, 60.0)
        yield found
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        log.close()


@pytest.mark.slow
def test_the_guards_stand_before_bentoml(served):
    with served.client(None) as client:
        assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 401
        for path in ("/", "/docs.json", "/schema.json", "/healthz", "/static_content/index.css"):
            response = client.get(path)
            assert response.status_code == 404
            assert response.json()["error"]["code"] == "not_found"
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.get("/metrics").status_code == 401


@pytest.mark.slow
def test_a_suggestion_is_answered_and_counted_once(served):
    response = served.suggest("Cannot log in with SAML single sign-on")
    assert response.status_code == 200
    assert response.json()["category"]["value"] == "login"
    with served.client() as client:
        figures = client.get("/metrics").text
    assert 'precedent_requests_total{method="POST",route="/v1/suggest",status="200"} 1.0' in figures
    assert "bentoml" not in figures
