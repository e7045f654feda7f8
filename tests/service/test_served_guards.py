"""What stands before the service: keys and scopes, limits, headers, figures, health, the document of the API."""

import json
import socket
import threading
import time

import pytest

from serving.routes import ROUTES


@pytest.mark.parametrize(
    ("method", "path", "needed"),
    [
        ("POST", "/v1/suggest", "suggest"),
        ("POST", "/v1/suggest/batch", "suggest"),
        ("POST", "/v1/feedback", "suggest"),
        ("POST", "/v1/cases", "write"),
        ("DELETE", "/v1/cases/none", "write"),
        ("GET", "/metrics", "report"),
        ("GET", "/openapi.json", None),
    ],
)
def test_each_path_wants_its_scope(service, method: str, path: str, needed: str | None):
    for kind in ("suggest", "write", "report", "admin"):
        with service.client(kind) as client:
            response = client.request(method, path, json={} if method == "POST" else None)
        is_allowed = needed is None or kind in (needed, "admin")
        assert (response.status_code != 403) == is_allowed, (kind, response.text)
        if not is_allowed:
            assert response.json()["error"]["code"] == "forbidden"
            assert needed in response.json()["error"]["message"]
    with service.client(None) as client:
        assert client.request(method, path, json={}).status_code == 401


OPEN = {("GET", "/livez"): {"status": "alive"}, ("GET", "/readyz"): {"status": "ready"}}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-API-Key": ""},
        {"X-API-Key": "admin"},
        {"Authorization": "Basic YWRtaW46YWRtaW4="},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer a.b.c"},
        {"Cookie": "session=admin"},
        {"X-Forwarded-User": "admin", "X-Forwarded-For": "127.0.0.1", "X-Original-URL": "/livez"},
    ],
    ids=str,
)
def test_without_a_key_nothing_answers_but_health(service, headers: dict[str, str]):
    """Every route that there is, with every method, and what BentoML would answer by itself."""
    paths = {route.template.replace("{id}", "T-1") for route in ROUTES}
    paths |= {"/", "/docs.json", "/schema.json", "/healthz", "/static_content/index.css", "/v1", "/livez/../metrics"}
    with service.client(None) as client:
        for path in sorted(paths):
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD"):
                body = None if method in ("GET", "HEAD", "OPTIONS") else {"ticket": {}}
                response = client.request(method, path, json=body, headers=headers)
                if method == "HEAD":
                    assert response.content == b""
                elif not headers and (method, path) in OPEN:
                    assert (response.status_code, response.json()) == (200, OPEN[method, path])
                elif (method, path) not in OPEN:
                    assert response.status_code in (401, 404, 405), (method, path, response.text)
                    assert set(response.json()) == {"error", "request_id"}
        for key in ("api_key", "key", "token", "access_token"):
            query = {key: service.tokens["admin"]}
            assert client.get("/metrics", params=query, headers=headers).status_code == 401


def test_the_key_may_come_as_a_bearer_token(service):
    with service.client(None) as client:
        headers = {"Authorization": f"Bearer {service.tokens['suggest']}"}
        assert client.post("/v1/suggest", json={"ticket": {}}, headers=headers).status_code == 200


def test_a_new_key_is_good_soon_and_a_revoked_one_is_refused_soon(service):
    from contextlib import closing

    from features.history import History
    from serving.keys import create_key, revoke_key

    with closing(History.open(service.settings.history_url)) as history, service.client(None) as client:
        made = create_key(history, label="brief")

        def status() -> int:
            return client.post("/v1/suggest", json={"ticket": {}}, headers={"X-API-Key": made.token}).status_code

        service.eventually(lambda: status() == 200, 10.0)
        revoke_key(history, made.key.key_id)
        service.eventually(lambda: status() == 401, 10.0)


@pytest.mark.parametrize("path", ["/", "/docs.json", "/schema.json", "/healthz", "/static_content/x", "/v2/suggest"])
def test_other_paths_are_answered_with_404_as_json(service, path: str):
    with service.client() as client:
        response = client.get(path)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_other_methods_are_answered_with_405_and_the_right_one(service, method: str):
    with service.client() as client:
        response = client.request(method, "/v1/suggest")
    assert response.status_code == 405
    assert response.headers["allow"] == "POST"
    assert response.json()["error"]["code"] == "method_not_allowed"


def test_every_answer_has_the_same_headers(service):
    with service.client() as client:
        responses = [
            client.get("/livez"),
            client.get("/nowhere"),
            client.get("/metrics"),
            client.post("/v1/suggest", json={"ticket": {}}),
            client.post("/v1/suggest", json={}),
        ]
    for response in responses:
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "default-src 'none'" in response.headers["content-security-policy"]
        assert "server" not in response.headers
        assert response.headers["x-request-id"]


@pytest.mark.parametrize(("sent", "is_kept"), [("desk-1.a_B", True), ("", False), ("a b", False), ("x" * 101, False)])
def test_a_sane_request_id_is_kept(service, sent: str, is_kept: bool):
    with service.client() as client:
        response = client.get("/nowhere", headers={"X-Request-Id": sent})
    assert (response.headers["x-request-id"] == sent) == is_kept
    assert response.json()["request_id"] == response.headers["x-request-id"]


def test_health_is_told_to_anyone_and_details_to_whoever_may_read_reports(service):
    with service.client(None) as client:
        assert client.get("/livez").json() == {"status": "alive"}
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.head("/readyz").status_code == 200
        assert client.get("/readyz", headers={"X-API-Key": "wrong.key"}).status_code == 401
    with service.client("suggest") as client:
        assert client.get("/readyz").json() == {"status": "ready"}
    with service.client("report") as client:
        details = client.get("/readyz").json()["details"]
    assert details["release"] == "r1"
    assert details["refused"] is None
    assert details["index"]["tickets"] >= 30
    assert details["trouble"] is None


def test_figures_count_routes_and_not_paths(service):
    with service.client() as client:
        client.get("/nowhere")
        before = client.get("/metrics")
        for number in range(300):
            client.get(f"/random/{number}", headers={"X-Request-Id": f"r{number}"})
            client.request(f"VERB{number}", "/v1/suggest")
        after = client.get("/metrics")
    assert before.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert abs(len(after.text.splitlines()) - len(before.text.splitlines())) < 15
    assert "random" not in after.text
    assert "VERB" not in after.text
    assert 'precedent_requests_total{method="GET",route="unmatched",status="404"}' in after.text
    assert 'precedent_release_info{release="r1"} 1.0' in after.text
    assert "precedent_ready 1.0" in after.text
    assert "precedent_index_change" in after.text


def test_the_document_describes_what_is_served(service):
    with service.client("suggest") as client:
        document = client.get("/openapi.json").json()
        assert document["openapi"].startswith("3.1")
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                body = {"wrong": 1} if "requestBody" in operation else None
                response = client.request(method, path.replace("{id}", "none"), json=body)
                assert str(response.status_code) in operation["responses"], (method, path, response.text)


def test_a_log_line_says_what_happened(service):
    with service.client("suggest") as client:
        client.post("/v1/suggest", json={"tickt": {}}, headers={"X-Request-Id": "to-be-found"})

    def lines() -> list[dict[str, object]]:
        return [json.loads(line) for line in service.log if "to-be-found" in line]

    service.eventually(lambda: len(lines()) == 1, 5.0)
    (line,) = lines()
    assert line["route"] == "/v1/suggest"
    assert line["status"] == 400
    assert line["error"] == "unknown_field"
    assert line["method"] == "POST"
    assert isinstance(line["ms"], float)
    assert line["key"] == service.tokens["suggest"].partition(".")[0]


def exchange(service, *parts: bytes, pause: float = 0.0) -> bytes:
    """What comes back for raw bytes, to the end of the connection."""
    host, port = service.url.removeprefix("http://").split(":")
    received = b""
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        try:
            for part in parts:
                connection.sendall(part)
                time.sleep(pause)
            while chunk := connection.recv(65_536):
                received += chunk
        except ConnectionError:
            pass
    return received


def test_what_is_no_http_is_answered_like_every_error(service):
    answer = exchange(service, b"FROB THE SERVICE\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["error"]["code"] == "invalid_input"
    assert body["request_id"]


def test_a_head_without_end_is_cut_off(service):
    answer = exchange(service, b"GET /livez HTTP/1.1\r\nX-Long: ", *[b"x" * 16_384] * 64)
    # Bytes that were still on their way may reset the connection before the answer is read.
    assert answer == b"" or b"head is larger than 65,536 bytes" in answer
    assert service.suggest("still there").status_code == 200


@pytest.mark.slow
def test_a_head_that_never_ends_is_given_up(service):
    started = time.monotonic()
    assert exchange(service, b"GET /livez HTTP/1.1\r\n", b"X-A: 1\r\n", pause=0.5) == b""
    assert 8 < time.monotonic() - started < 20


def test_a_client_that_goes_away_half_way_harms_nothing(service):
    host, port = service.url.removeprefix("http://").split(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(
                b"POST /v1/suggest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
                b"X-API-Key: " + service.tokens["suggest"].encode() + b'\r\n\r\n{"ticket"'
            )
    assert service.suggest("still there").status_code == 200


@pytest.fixture(scope="module")
def narrow(workspace_template, tmp_path_factory, kit):
    """A service with one place, four seconds and two kilobytes."""
    import shutil

    from features.settings import load_settings

    folder = tmp_path_factory.mktemp("narrow") / "workspace"
    shutil.copytree(workspace_template, folder)
    limits = "[service]\nmax_concurrency = 1\ntimeout_seconds = 4\nmax_body_bytes = 2048\nmax_batch = 3\n"
    with kit.serve(load_settings(folder, {}), limits) as served:
        yield served


def test_limits_are_those_of_the_settings(narrow):
    assert narrow.suggest("x" * 1_900).status_code == 200
    assert narrow.suggest("x" * 2_048).status_code == 413
    response = narrow.post("/v1/suggest/batch", {"tickets": [{}] * 4})
    assert response.status_code == 400
    assert "more than the 3 allowed" in response.json()["error"]["message"]


def test_a_suggestion_is_answered_though_the_journal_cannot_be_written(narrow):
    with narrow.database() as database:
        database.execute("BEGIN IMMEDIATE")
        response = narrow.suggest("Cannot log in with SAML single sign-on")
        database.execute("ROLLBACK")
    assert response.status_code == 200
    assert response.json()["notes"] == ["journal_unavailable"]
    assert response.json()["category"]["value"] == "login"
    narrow.eventually(lambda: narrow.suggest("And again").json()["notes"] == [], 5.0)


def test_a_write_that_waits_for_a_lock_is_given_up_and_what_comes_meanwhile_is_turned_away(narrow):
    answers = []
    with narrow.database() as database:
        database.execute("BEGIN IMMEDIATE")
        slow = threading.Thread(
            target=lambda: answers.append(narrow.post("/v1/cases", {"case": {"id": "s", "subject": "s"}}))
        )
        slow.start()
        with narrow.client() as client:
            narrow.eventually(lambda: "precedent_requests_in_flight 1.0" in client.get("/metrics").text, 3.0)
            turned_away = client.post("/v1/cases", json={"case": {"id": "t", "subject": "t"}})
            assert client.get("/livez").status_code == 200
            assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 200
        slow.join(10)
        database.execute("ROLLBACK")
    assert turned_away.status_code == 503
    assert turned_away.json()["error"]["code"] == "overloaded"
    assert turned_away.headers["retry-after"] == "1"
    assert answers[0].status_code == 503
    assert answers[0].json()["error"]["code"] == "history_unavailable"
    assert "locked" in answers[0].json()["error"]["message"]
    assert narrow.suggest("room again").status_code == 200


def test_a_body_that_never_comes_is_given_up(narrow):
    host, port = narrow.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(
            b"POST /v1/suggest HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
            b"X-API-Key: " + narrow.tokens["suggest"].encode() + b"\r\n\r\n"
        )
        started = time.monotonic()
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 504")
    assert time.monotonic() - started < 9
    assert narrow.suggest("room again").status_code == 200


def test_without_the_need_for_keys_everything_is_open(workspace, kit):
    with kit.serve(workspace, "[service]\nrequire_key = false\n") as open_service, open_service.client(None) as client:
        assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 200
        assert client.post("/v1/cases", json={"case": {"id": "x", "subject": "s"}}).status_code == 200
        assert client.get("/readyz").json()["details"]["release"] == "r1"
        assert client.get("/metrics", headers={"X-API-Key": "wrong.key"}).status_code == 401
