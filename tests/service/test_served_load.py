"""More than the service can do: queues, the caller's own time limit, clients that go away, rates by key."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from features.settings import load_settings

CASE = {"case": {"id": "L-1", "subject": "Cannot log in"}}


@pytest.mark.parametrize("value", ["", "0", "-1", "1.5", "1e3", "soon", "9" * 50, "²"])
def test_a_time_limit_that_is_none_is_refused_by_name(service, value: str):
    headers = {"X-Request-Timeout-Ms": value.encode()}
    with service.client() as client:
        response = client.post("/v1/suggest", json={"ticket": {}}, headers=headers)
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["field"] == "X-Request-Timeout-Ms"
    assert "whole number of milliseconds" in error["message"]


def test_the_time_limit_of_the_caller_holds(service):
    with service.database() as database, service.client() as client:
        database.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        late = client.post("/v1/cases", json=CASE, headers={"X-Request-Timeout-Ms": "300"})
        took = time.monotonic() - started
        database.execute("ROLLBACK")
        in_time = client.post("/v1/suggest", json={"ticket": {}}, headers={"X-Request-Timeout-Ms": "9000"})
    assert late.status_code == 504
    assert "0.3 s" in late.json()["error"]["message"]
    assert took < 5
    assert in_time.status_code == 200


def test_the_caller_cannot_wait_longer_than_the_setting(workspace, kit):
    with kit.serve(workspace, "[service]\ntimeout_seconds = 1\n") as served:
        host, port = served.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(
                b"POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
                b"X-Request-Timeout-Ms: 600000\r\nX-API-Key: %s\r\n\r\n{" % served.tokens["admin"].encode()
            )
            late = b""
            while b'"request_id"' not in late:
                late += connection.recv(4096)
    assert late.startswith(b"HTTP/1.1 504")
    assert b" 1 s" in late


def test_the_work_of_a_client_that_went_away_is_dropped(workspace, kit):
    """Writes wait for a locked database: eight on threads, the rest in the queue until their clients leave."""
    with kit.serve(workspace) as served:
        host, port = served.url.removeprefix("http://").split(":")

        def sent(case_id: str) -> socket.socket:
            body = b'{"case": {"id": "%s", "subject": "s"}}' % case_id.encode()
            connection = socket.create_connection((host, int(port)), timeout=10)
            connection.sendall(
                b"POST /v1/cases HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n"
                b"X-API-Key: %s\r\n\r\n%s" % (len(body), served.tokens["admin"].encode(), body)
            )
            return connection

        with served.client() as client:

            def in_flight(count: int) -> bool:
                return f"precedent_requests_in_flight {count}.0" in client.get("/metrics").text

            with served.database() as database:
                database.execute("BEGIN IMMEDIATE")
                begun = [sent(f"begun-{number}") for number in range(8)]
                served.eventually(lambda: in_flight(8), 5.0)
                waiting = [sent(f"gone-{number}") for number in range(8)]
                served.eventually(lambda: in_flight(16), 5.0)
                for connection in waiting:
                    connection.close()
                served.eventually(lambda: in_flight(8), 5.0)
                database.execute("ROLLBACK")
            for connection in begun:
                assert connection.recv(4096).startswith(b"HTTP/1.1 200")
                connection.close()
            served.eventually(lambda: in_flight(0), 5.0)
        assert served.post("/v1/cases", CASE).status_code == 200
        with served.database() as database:
            stored = {row[0] for row in database.execute("SELECT id FROM tickets")}
        assert {f"begun-{number}" for number in range(8)} <= stored
        assert not {each for each in stored if each.startswith("gone-")}


def test_what_is_let_in_is_answered_and_what_is_not_is_told_when_to_come_again(workspace, kit):
    text = "The export of orders stops with an error. " * 400
    with kit.serve(workspace, "[service]\nmax_wait_seconds = 0.05\n") as served:

        def ask(client: httpx.Client) -> httpx.Response:
            return client.post("/v1/suggest", json={"ticket": {"subject": "Export", "description": text}})

        with served.client() as client, ThreadPoolExecutor(32) as threads:
            answers = list(threads.map(ask, [client] * 400))
            after = ask(client)
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) == {200, 503}
        for answer in answers:
            if answer.status_code == 503:
                assert answer.json()["error"]["code"] == "overloaded"
                assert int(answer.headers["retry-after"]) >= 1
        assert after.status_code == 200


def test_a_key_may_send_so_many_and_no_more(workspace, kit):
    limits = "[service]\nrate_per_second = 0.01\nrate_burst = 3\n"
    with kit.serve(load_settings(workspace.workspace, {}), limits) as served:
        with served.client("suggest") as client:
            answers = [client.post("/v1/suggest", json={"ticket": {}}) for _ in range(4)]
            assert client.get("/livez").status_code == 200
        with served.client("report") as client:
            assert [client.get("/metrics").status_code for _ in range(5)] == [200] * 5
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=300'
        assert answers[0].headers["ratelimit"].startswith('"key";r=2;t=')
        assert answers[3].json()["error"]["code"] == "too_many_requests"
        assert 1 <= int(answers[3].headers["retry-after"]) <= 100
        # Another key has a bucket of its own; a batch counts with its tickets.
        assert served.post("/v1/suggest/batch", {"tickets": [{}] * 3}).status_code == 200
        assert served.suggest().status_code == 429


def test_without_a_rate_no_header_speaks_of_one(service):
    assert "ratelimit" not in service.suggest().headers


def test_batches_do_not_keep_out_suggestions(service):
    batch = {"tickets": [{"subject": "Cannot log in", "description": "SAML " * 1000}] * 100}
    answers: list[httpx.Response] = []
    senders = [threading.Thread(target=lambda: answers.append(service.post("/v1/suggest/batch", batch))) for _ in "abc"]
    for sender in senders:
        sender.start()
    with service.client() as client:
        while any(sender.is_alive() for sender in senders):
            assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 200
    for sender in senders:
        sender.join()
    assert 200 in {answer.status_code for answer in answers} <= {200, 503}
