"""A part that is not there leaves the others: suggestions are answered, and say what they did without."""

import json
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from features.history import History

SUBJECT = "Cannot log in with SAML single sign-on"
ASKED = {"ticket": {"subject": SUBJECT, "created_at": "2026-03-01T09:00:00Z"}, "top_k": 50}


@contextmanager
def history_away(workspace):
    """Nobody finds the history's file: what a disk that is not mounted any more looks like."""
    path, away = workspace.workspace / "history.db", workspace.workspace / "away.db"
    path.rename(away)
    try:
        yield
    finally:
        away.rename(path)


def details(served) -> dict[str, object]:
    with served.client() as client:
        return client.get("/readyz").json()["details"]


def figure(served, name: str) -> float:
    with served.client() as client:
        lines = client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def ask(served, kind: str = "admin", **more: object) -> dict[str, object]:
    response = served.post("/v1/suggest", {**ASKED, **more}, kind)
    assert response.status_code == 200, response.text
    return response.json()


def is_whole(served) -> bool:
    return ask(served)["notes"] == []


def test_without_the_history_suggestions_come_from_memory_and_writes_are_refused(workspace, kit):
    with kit.serve(workspace) as served:
        whole = ask(served)
        theirs = ask(served, "outsider")
        assert whole["related_open"]
        assert {"T-3"} & {case["id"] for case in whole["similar_cases"]}, "a case of a group is among them"
        with history_away(workspace):
            partial = ask(served)
            assert partial["notes"] == ["history_unavailable", "journal_unavailable"]
            for name in ("release", "index_watermark", "category", "severity", "targets", "novel", "hidden_count"):
                assert partial[name] == whole[name]
            known = ("id", "relevance", "tier", "resolved_at", "category", "outcome", "duplicates")
            for name in ("similar_cases", "related_open"):
                shown = [name for name in whole[name][0] if name in (*known, "created_at")]
                assert [[case[each] for each in shown] for case in partial[name]] == [
                    [case[each] for each in shown] for case in whole[name]
                ]
                assert {case["subject"] for case in partial[name]} == {""}
                assert {case["url"] for case in partial[name]} == {None}
            assert {case["resolution"] for case in partial["similar_cases"]} == {None}
            assert partial["resolutions"] == []
            assert [book["id"] for book in partial["runbooks"]] == [book["id"] for book in whole["runbooks"]]

            hidden = ask(served, "outsider")
            assert [case["id"] for case in hidden["similar_cases"]] == [case["id"] for case in theirs["similar_cases"]]
            assert not {"T-3", "T-4", "T-5"} & {case["id"] for case in hidden["similar_cases"]}
            assert hidden["hidden_count"] == theirs["hidden_count"] > 0

            assert ask(served, explain=True)["category"]["why"]
            batch = served.post("/v1/suggest/batch", {"tickets": [ASKED["ticket"]] * 2}).json()["results"]
            assert [each["notes"] for each in batch] == [partial["notes"]] * 2
            with served.client(None) as stranger:
                assert stranger.post("/v1/suggest", json=ASKED, headers={"X-API-Key": "no.key"}).status_code == 401

            refused = [
                served.post("/v1/cases", {"case": {"id": "lost", "subject": "Not stored"}}),
                served.post("/v1/feedback", {"request_id": whole["request_id"], "kind": "wrong", "target": "category"}),
                delete(served, "T-1"),
            ]
            for response in refused:
                assert response.status_code == 503
                assert response.json()["error"]["code"] == "history_unavailable"
                assert response.headers["retry-after"]
            [alert] = details(served)["alerts"]
            assert alert.startswith("What changes is not followed: The history's file")
            served.eventually(lambda: figure(served, "precedent_history_answers ") == 0, 5.0)
            assert figure(served, 'precedent_partial_answers_total{note="history_unavailable"}') >= 5
            assert not (workspace.workspace / "history.db").exists(), "no empty history is made in its place"

        served.eventually(lambda: is_whole(served), 10.0)
        assert told(ask(served)) == told(whole), "nothing of what was refused was done"
        served.eventually(lambda: details(served)["alerts"] == [], 10.0)
        served.eventually(lambda: figure(served, "precedent_history_answers ") == 1, 5.0)
        assert served.post("/v1/cases", {"case": {"id": "kept", "subject": "Stored"}}).status_code == 200


def delete(served, id_: str):
    with served.client() as client:
        return client.delete(f"/v1/cases/{id_}")


def told(answer: dict[str, object]) -> str:
    return json.dumps({**answer, "request_id": None}, sort_keys=True)


def test_writes_that_wait_for_a_lock_hold_up_no_suggestion_and_are_refused(workspace, kit):
    """More writes than there are threads for them wait for a lock that another process holds."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10); "
        "c.execute('BEGIN IMMEDIATE'); print('locked', flush=True); input()"
    )
    command = [sys.executable, "-c", code, str(workspace.workspace / "history.db")]
    with kit.serve(workspace, "[service]\ntimeout_seconds = 5\n") as served, ThreadPoolExecutor(12) as pool:
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == b"locked\n"
            waiting = [
                pool.submit(served.post, "/v1/cases", {"case": {"id": f"w-{number}", "subject": "Waits"}})
                for number in range(12)
            ]
            served.eventually(lambda: figure(served, "precedent_requests_in_flight ") == 12, 5.0)
            for _ in range(4):
                answer = ask(served)
                assert answer["notes"] == ["journal_unavailable"]
                assert answer["similar_cases"][0]["resolution"]
                assert served.post("/v1/suggest", ASKED, "outsider").status_code == 200
            responses = [each.result(30) for each in waiting]
            other.kill()
        # Those that a thread was free for are told of the lock, the others that their time was over.
        assert {(r.status_code, r.json()["error"]["code"]) for r in responses} >= {(503, "history_unavailable")}
        assert {r.status_code for r in responses} <= {503, 504}
        served.eventually(lambda: is_whole(served), 20.0)
        assert served.post("/v1/cases", {"case": {"id": "after", "subject": "No lock"}}).status_code == 200


def test_an_index_whose_files_are_taken_away_is_loaded_anew(workspace, kit):
    with kit.serve(workspace) as served:
        shutil.rmtree(workspace.index_dir)
        assert ask(served)["similar_cases"]
        stored = served.post(
            "/v1/cases", {"case": {"id": "new", "subject": "Kestrel will not fly", "status": "resolved"}}
        )
        assert stored.status_code == 200

        def finds_it() -> bool:
            found = served.suggest("Kestrel will not fly").json()
            return [case["id"] for case in found["similar_cases"][:1]] == ["new"]

        served.eventually(finds_it, 20.0)
        served.eventually(lambda: details(served)["alerts"] == [], 10.0)
        assert details(served)["index"]["tickets"] == 31


def test_without_an_index_all_else_is_answered(workspace, kit):
    shutil.rmtree(workspace.index_dir, ignore_errors=True)
    workspace.index_dir.write_text("in its place")
    with kit.serve(workspace) as served:
        answer = ask(served)
        assert answer["notes"] == ["index_unavailable"]
        assert answer["category"]["value"] == "login"
        assert answer["severity"]["value"]
        assert answer["runbooks"][0]["id"] == "sso-certificate"
        assert (answer["similar_cases"], answer["related_open"], answer["resolutions"]) == ([], [], [])
        assert ask(served, explain=True)["notes"] == ["index_unavailable"]
        assert any("index could not be opened" in alert for alert in details(served)["alerts"])
        assert served.post("/v1/cases", {"case": {"id": "n", "subject": "Stored all the same"}}).status_code == 200
        workspace.index_dir.unlink()
        served.eventually(lambda: is_whole(served), 30.0)
        assert ask(served)["similar_cases"]
        assert details(served)["index"]["tickets"] == 31
        served.eventually(lambda: details(served)["alerts"] == [], 10.0)


@pytest.mark.parametrize("when", ["at the start", "while it runs"])
def test_without_runbooks_all_else_is_answered(workspace, kit, when: str):
    def damage() -> None:
        with closing(History.open(workspace.history_url)) as history, history.writing() as connection:
            connection.exec_driver_sql("UPDATE runbooks SET tags = '{not json'")
            connection.exec_driver_sql("UPDATE change_counter SET value = value + 1 WHERE name = 'runbooks'")

    if when == "at the start":
        damage()
    with kit.serve(workspace) as served:
        if when == "while it runs":
            damage()
        served.eventually(lambda: details(served)["alerts"] != [], 10.0)
        answer = ask(served)
        assert answer["category"]["value"] == "login"
        assert answer["similar_cases"][0]["resolution"]
        if when == "at the start":
            assert answer["notes"] == ["runbooks_unavailable"]
            assert answer["runbooks"] == []
        else:  # those that it has go on
            assert answer["notes"] == []
            assert answer["runbooks"][0]["id"] == "sso-certificate"
        with closing(History.open(workspace.history_url)) as history:
            history.replace_runbooks([replace(kit.sso_runbook(), id="sso-renewed")])
        served.eventually(lambda: bool(is_whole(served) and ask(served)["runbooks"]), 10.0)
        served.eventually(lambda: details(served)["alerts"] == [], 10.0)


def test_many_clients_are_answered_while_the_history_comes_and_goes(workspace, kit):
    """Whenever it goes, no suggestion fails, and what is said to be stored is there."""
    with kit.serve(workspace) as served:
        assert ask(served)["notes"] == []
        failed, acknowledged = [], []
        is_over = threading.Event()

        def suggest() -> None:
            with served.client("suggest") as client:
                while not is_over.is_set():
                    response = client.post("/v1/suggest", json=ASKED)
                    if response.status_code != 200:
                        failed.append(response.text)

        def write() -> None:
            with served.client("write") as client:
                number = 0
                while not is_over.is_set():
                    number += 1
                    case = {"id": f"come-{number}", "subject": "Coming and going"}
                    response = client.post("/v1/cases", json={"case": case})
                    if response.status_code == 200:
                        acknowledged.append(case["id"])
                    elif response.status_code != 503:
                        failed.append(response.text)

        threads = [threading.Thread(target=each) for each in (suggest, suggest, write)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(5):
                n_acknowledged = len(acknowledged)
                served.eventually(lambda: len(acknowledged) > n_acknowledged, 10.0)  # noqa: B023
                with history_away(workspace):
                    served.eventually(lambda: figure(served, "precedent_history_answers ") == 0, 5.0)
        finally:
            is_over.set()
            for thread in threads:
                thread.join(20)
        assert failed == []
        with served.database() as database:
            stored = {id_ for (id_,) in database.execute("SELECT id FROM tickets WHERE id LIKE 'come-%'")}
        assert set(acknowledged) <= stored
