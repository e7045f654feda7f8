"""``bentoml build`` of a clean checkout, what is in the bento, and ``bentoml serve`` of it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bento(tmp_path_factory):
    """Folder of a bento that was built of the files that git knows, and nothing else."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("needs a git checkout, to know what a clean one holds")
    folder = tmp_path_factory.mktemp("bento")
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (folder / "checkout" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / "checkout" / name)
    # Nothing can be fetched: whatever would have to be is not pinned.
    offline = {"UV_OFFLINE": "1", "PIP_NO_INDEX": "1", "HTTPS_PROXY": "http://127.0.0.1:9"}
    built = subprocess.run(
        [sys.executable, "-m", "bentoml", "build"],
        cwd=folder / "checkout",
        env={**os.environ, **offline, "BENTOML_HOME": str(folder / "home"), "BENTOML_DO_NOT_TRACK": "True"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    [made] = [path for path in (folder / "home" / "bentos" / "precedent").iterdir() if path.is_dir()]
    return made


@pytest.mark.slow
def test_it_holds_what_serves(bento):
    python = (bento / "env" / "python" / "requirements.txt").read_text().splitlines()
    ours = (ROOT / "deploy" / "requirements.txt").read_text().splitlines()
    assert set(python) == set(ours), "nothing was resolved, and nothing added"
    assert {path.name for path in (bento / "src").iterdir() if path.is_dir()} == {
        *("features", "serving", "evaluation", "training", "cli", "deploy")
    }
    assert (bento / "src" / "features" / "migrations" / "versions" / "0001_tickets_to_keys.py").exists()
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text().splitlines()
    assert "USER bentoml" in dockerfile
    assert "ARG BENTOML_HOST=0.0.0.0" in dockerfile, "or nobody could call it"


@pytest.mark.slow
def test_it_serves_a_workspace_that_the_environment_names(bento, workspace, kit, tmp_path):
    with kit.bentoml_serve(str(bento), workspace, tmp_path) as served:
        response = served.suggest("Cannot log in with SAML single sign-on")
        assert response.status_code == 200
        assert response.json()["category"]["value"] == "login"
        with served.client(None) as client:
            assert client.get("/readyz").json() == {"status": "ready"}
        of_bento = {str(bento / "src")}
        assert of_bento <= set(kit.working_folders(served.process.pid))
