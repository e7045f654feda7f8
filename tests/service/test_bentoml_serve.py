"""``bentoml serve serving.service:Precedent``: the same service, guarded once, under BentoML's own supervisor."""

import shutil
from pathlib import Path

import pytest

from features.settings import load_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def served(workspace_template, tmp_path_factory, kit):
    folder = tmp_path_factory.mktemp("bentoml")
    shutil.copytree(workspace_template, folder / "workspace")
    settings = load_settings(folder / "workspace", {})
    with kit.bentoml_serve("serving.service:Precedent", settings, folder, "--working-dir", str(ROOT)) as found:
        yield found


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
