"""Writes that apply once: by their Idempotency-Key, over a crash, from two replicas, by hundreds at once."""

from __future__ import annotations

import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from features.settings import load_settings

CASE = {"case": {"id": "O-1", "subject": "Okapi will not boot", "fields": {"a": 1, "b": 2}}}
OTHER = {"case": {"id": "O-1", "subject": "Okapi boots"}}


def send(served, body: object, key: str | None, path: str = "/v1/cases", kind: str = "admin") -> httpx.Response:
    with served.client(kind) as client:
        return client.post(path, json=body, headers={} if key is None else {"Idempotency-Key": key})


def answers(served) -> bool:
    try:
        return send(served, CASE, "k-0").status_code == 200
    except httpx.TransportError:
        return False


def subject(served) -> str:
    with served.database() as database:
        return str(database.execute("SELECT subject FROM tickets WHERE id = 'O-1'").fetchone()[0])


def test_a_repeat_is_answered_as_the_first_over_a_crash_and_by_a_replica(workspace, kit, tmp_path):
    shutil.copytree(workspace.workspace, tmp_path / "second")
    toml = f'database_url = "{workspace.history_url}"\n'
    with kit.serve(workspace) as first, kit.serve(load_settings(tmp_path / "second", {}), toml) as replica:
        replica.tokens = first.tokens
        answer = send(first, CASE, "k-1")
        assert answer.status_code == 200
        assert send(first, OTHER, None).status_code == 200
        turned_round = {"case": dict(reversed(CASE["case"].items()))}
        for served, body in ((first, CASE), (first, turned_round), (replica, CASE)):
            assert send(served, body, "k-1").json() == answer.json()
        os.kill(first.worker_pid(), signal.SIGKILL)
        first.eventually(lambda: answers(first), 20.0)
        send(first, OTHER, None)
        assert send(first, CASE, "k-1").json() == answer.json()
        assert subject(first) == "Okapi boots"


@pytest.mark.parametrize("path", ["/v1/cases", "/v1/feedback"])
@pytest.mark.parametrize("key", ["", "x" * 201, "zwei Wörter", "a b"])
def test_a_key_that_is_none_is_refused_by_name(service, path: str, key: str):
    with service.client() as client:
        response = client.post(path, json=CASE, headers={"Idempotency-Key": key.encode()})
    assert response.status_code == 400
    assert response.json()["error"]["field"] == "Idempotency-Key"
    assert "1 to 200 visible ASCII" in response.json()["error"]["message"]


def test_a_key_is_for_one_request_of_one_caller(service):
    assert send(service, CASE, "k-2").status_code == 200
    asked = service.suggest("Okapi").json()["request_id"]
    feedback = {"request_id": asked, "kind": "wrong", "target": "category"}
    for body, path in ((OTHER, "/v1/cases"), (feedback, "/v1/feedback")):
        response = send(service, body, "k-2", path)
        assert response.status_code == 422
        assert response.json()["error"]["code"] == "idempotency_key_reused"
        assert response.json()["error"]["field"] == "Idempotency-Key"
        assert send(service, body, "k-3" + path, path).status_code == 200
    assert send(service, OTHER, "k-2", kind="write").status_code == 200


def test_a_key_is_free_again_where_the_request_was_refused(service):
    assert send(service, {"case": {"id": "O-2"}}, "k-4").status_code == 422
    assert send(service, {"case": {"id": "O-2", "subject": "words"}}, "k-4").status_code == 200


def test_feedback_is_kept_once_whatever_comes_between(service):
    asked = service.suggest("Cannot log in with SAML").json()["request_id"]
    wrong = {"request_id": asked, "kind": "wrong", "target": "runbook", "id": "sso-certificate"}
    answers = [
        send(service, wrong, "k-5", "/v1/feedback"),
        send(service, wrong | {"kind": "accepted"}, "k-6", "/v1/feedback"),
        send(service, wrong, "k-5", "/v1/feedback"),
    ]
    assert [answer.json() for answer in answers] == [{"request_id": asked, "recorded": True}] * 3
    with service.database() as database:
        kept = database.execute("SELECT kind FROM journal_feedback WHERE request_id = ? ORDER BY id", [asked])
        assert [row[0] for row in kept] == ["wrong", "accepted"]


def test_feedback_says_when_it_was_said(service):
    asked = service.suggest("Cannot log in with SAML").json()["request_id"]
    late = {"request_id": asked, "kind": "wrong", "target": "category", "at": "2026-03-01T09:00:00Z"}
    for body in (late, late | {"kind": "accepted", "at": "2026-03-01T10:00:00Z"}, late):
        assert service.post("/v1/feedback", body).status_code == 200
    with service.database() as database:
        kept = database.execute("SELECT kind FROM journal_feedback WHERE request_id = ? ORDER BY at", [asked])
        assert [row[0] for row in kept] == ["wrong", "accepted"]
    refused = service.post("/v1/feedback", late | {"at": "2999-01-01T00:00:00Z"})
    assert refused.status_code == 422
    assert refused.json()["error"]["field"] == "at"


def test_sent_by_many_at_once_it_is_stored_once(service):
    with service.database() as database, ThreadPoolExecutor(16) as threads:
        before = database.execute("SELECT value FROM change_counter WHERE name = 'changes'").fetchone()[0]
        bodies = [{"case": {"id": "O-3", "subject": subject}} for subject in ("to", "fro")] * 32
        answers = list(threads.map(lambda body: send(service, body, "k-7" + body["case"]["subject"]), bodies))
        after = database.execute("SELECT value FROM change_counter WHERE name = 'changes'").fetchone()[0]
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["change"] for answer in answers} == {before + 1, before + 2}
    assert after == before + 2
