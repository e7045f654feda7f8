"""No secret leaves the place where it belongs: keys and passwords in odd places, and every output searched for them."""

import json
import sqlite3
from pathlib import Path

import pytest

AWS = "AKIAIOSFODNN7EXAMPLQ"
GITHUB = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"
PASSWORD = "Tr0ub4dor-and-3-horses"
DATABASE = "Sup3r-s3cret-of-the-database"
DRAFTING = "sk-drafting-4f1d9c2b7a6e"


def odd_places(service, token: str) -> None:
    """Send a key and other secrets wherever a careless client might."""
    secrets = f"key {AWS} and {GITHUB}, password={PASSWORD}, Authorization: Bearer {token}"
    ticket = {
        "subject": f"Cannot log in with {AWS}",
        "description": secrets,
        "messages": [{"at": "2026-02-01T10:00:00Z", "by": "customer", "text": secrets}],
        "fields": {"note": secrets},
    }
    with service.client(None, timeout=60) as client:
        right, wrong = {"X-API-Key": token}, {"X-API-Key": f"{token}x"}
        client.get("/readyz", headers=wrong)
        client.get(f"/readyz/{token}", headers=right)
        client.get("/livez", params={"api_key": token})
        client.get("/openapi.json", headers={"Authorization": f"Basic {token}"})
        client.get("/readyz", headers={"Authorization": f"Bearer {token}", "Cookie": f"key={token}"})
        client.request(f"X{token[:8]}", "/v1/suggest", headers=right)
        client.post("/v1/suggest", json={"ticket": {}, token: 1, "key": token}, headers=right)
        client.post("/v1/suggest", json={"ticket": {token: token}}, headers=right)
        client.post("/v1/suggest", json={"ticket": {"created_at": token}}, headers=right)
        client.post("/v1/suggest", content=f"{{{token}".encode(), headers={**right, "content-type": "application/json"})
        client.post("/v1/suggest", content=b"{}", headers={**right, "content-type": token})
        client.delete(f"/v1/cases/{token}", headers=right)
        answer = client.post("/v1/suggest", json={"ticket": ticket}, headers={**right, "X-Request-Id": "kept-1"})
        assert answer.status_code == 200
        assert client.post("/v1/cases", json={"case": {**ticket, "id": "S-1"}}, headers=right).status_code == 200
        told = {
            "request_id": "kept-1",
            "kind": "overridden",
            "target": "category",
            "value": secrets[:250],
            "by": secrets,
        }
        assert client.post("/v1/feedback", json={**told, "by": secrets[:250]}, headers=right).status_code == 200


@pytest.fixture(scope="module")
def used(kit, workspace_template: Path, tmp_path_factory: pytest.TempPathFactory):
    """A service after that, stopped: its log, its folder, its tokens, and what it answered to one more mistake."""
    import shutil

    from features.settings import load_settings

    folder = tmp_path_factory.mktemp("secrets") / "workspace"
    shutil.copytree(workspace_template, folder)
    toml = f'log_level = "debug"\n[drafting]\nurl = "http://127.0.0.1:9/v1"\napi_key = "{DRAFTING}"\n'
    answers: list[str] = []
    with kit.serve(load_settings(folder, {}), toml) as served:
        token = served.tokens["admin"]
        odd_places(served, token)
        for path in ("/readyz", "/metrics", "/openapi.json"):
            with served.client() as client:
                answers.append(client.get(path).text)
        answers.append(served.post("/v1/suggest", {"ticket": {"subject": "Cannot log in"}, "draft": True}).text)
        served.eventually(lambda: any('"/v1/feedback"' in line for line in served.log), 10)
    (folder / "precedent.toml").unlink()  # the one place where a person may write a secret
    return served, token, answers


def secrets_of(used) -> list[str]:
    served, _, _ = used
    return [token.partition(".")[2] for token in served.tokens.values()] + [AWS, GITHUB, PASSWORD, DRAFTING]


def test_no_line_of_the_log_has_one(used):
    served, _, _ = used
    assert len(served.log) > 15
    for line in served.log:
        assert not [secret for secret in secrets_of(used) if secret in line], line
        json.loads(line)


def test_no_answer_has_one(used):
    _, _, answers = used
    assert len(answers) == 4
    for answer in answers:
        assert not [secret for secret in secrets_of(used) if secret in answer]


def test_no_file_of_the_workspace_has_one(used):
    served, _, _ = used
    files = [path for path in served.settings.workspace.rglob("*") if path.is_file()]
    assert len(files) > 10
    for path in files:
        data = path.read_bytes()
        assert not [secret for secret in secrets_of(used) if secret.encode() in data], path


def test_the_journal_has_what_was_asked_without_them(used):
    served, _, _ = used
    with sqlite3.connect(served.settings.workspace / "history.db") as database:
        asked = " ".join(text for (text,) in database.execute("SELECT ticket FROM journal_suggestions"))
        said = " ".join(str(row) for row in database.execute("SELECT * FROM journal_feedback"))
    assert "<KEY>" in asked
    assert "<PASSWORD>" in asked
    assert "kept-1" in said
    for secret in secrets_of(used):
        assert secret not in asked + said


def test_errors_about_settings_tell_no_password(precedent, tmp_path: Path):
    folder = tmp_path / "workspace"
    folder.mkdir()
    url = f"postgresql+psycopg://ann:{DATABASE}@127.0.0.1:9/history"
    wrong = [
        f'database_url = "{url}"\n',
        f'database_url = "oracle://ann:{DATABASE}@127.0.0.1/x"\n',
        f'database_url = "{DATABASE}"\n',
        f'[drafting]\nurl = "http://127.0.0.1:9/v1"\napi_key = ["{DATABASE}"]\n',
        f'[drafting]\napi_key = "{DATABASE}"\ntimeout_seconds = 0\n',
        f'databse_url = "{url}"\n',
        f'drafting = "{DATABASE}"\n',
        f'[drafting]\napikey = "{DATABASE}"\n',
        f'database_url = "{url}\n',
    ]
    (folder / "releases").mkdir()
    (folder / "releases" / "CURRENT").write_text("r1")
    for toml in wrong:
        (folder / "precedent.toml").write_text(toml)
        for command in (["doctor"], ["index", "stats"], ["keys", "list"]):
            result = precedent(*command, "--workspace", folder)
            assert result.code != 0
            assert DATABASE not in result.out + result.err, (toml, command)
            assert result.out + result.err
