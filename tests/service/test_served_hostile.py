"""What bad input gets, on a running service: a clear answer, and no text of the ticket in it or in the log."""

import json

import httpx
import pytest

MEGABYTE = 1_000_000
SECRET = "words that only the customer may read"


def send(service, body: bytes, path: str = "/v1/suggest", **headers: str) -> httpx.Response:
    with service.client() as client:
        return client.post(path, content=body, headers={"content-type": "application/json", **headers})


def refused(response: httpx.Response, status: int, code: str, field: str | None = None) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert set(body) == {"error", "request_id"}
    assert set(body["error"]) == {"code", "message"} | ({"field"} if field else set())
    assert body["error"]["code"] == code
    assert body["error"].get("field") == field
    assert body["request_id"] == response.headers["x-request-id"]
    assert SECRET not in response.text
    assert "Traceback" not in response.text
    return body["error"]["message"]


@pytest.mark.parametrize("path", ["/v1/suggest", "/v1/suggest/batch", "/v1/cases", "/v1/feedback"])
@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"\x00", b'"\xff\xfe"', b"{'a': 1}"])
def test_what_is_no_json_object_is_refused(service, path: str, body: bytes):
    refused(send(service, body, path), 400, "invalid_input")


def test_five_megabytes_are_refused_by_size(service):
    body = json.dumps({"ticket": {"subject": SECRET, "description": "x" * 5 * MEGABYTE}}).encode()
    assert "1,048,576 bytes" in refused(send(service, body), 413, "body_too_large")


def test_five_megabytes_in_chunks_are_refused_by_size(service):
    def chunks():
        yield b'{"ticket": {"description": "'
        for _ in range(5):
            yield b"x" * MEGABYTE
        yield b'"}}'

    with service.client() as client:
        response = client.post("/v1/suggest", content=chunks(), headers={"content-type": "application/json"})
    refused(response, 413, "body_too_large")


def test_a_text_near_the_limit_is_answered(service):
    response = service.suggest("Cannot log in", "SAML assertion rejected. " * 40_000)
    assert response.status_code == 200
    assert response.json()["category"]["value"] == "login"


def test_nul_and_control_characters_in_text_are_answered(service):
    response = service.suggest("Cannot log in\x00with\x01 single sign-on", "\x00" * 1_000 + "SAML\x1b[31m rejected")
    assert response.status_code == 200
    assert response.json()["category"]["value"] == "login"


@pytest.mark.parametrize("escape", [rb"\ud800", rb"\udfff", rb"\ud83d", rb"\uD83D\uD83D"])
def test_lone_surrogates_are_answered(service, escape: bytes):
    response = send(service, b'{"ticket": {"subject": "Cannot log in ' + escape + b' with SAML single sign-on"}}')
    assert response.status_code == 200
    assert response.json()["category"]["value"] == "login"


@pytest.mark.parametrize("value", [b"NaN", b"Infinity", b"-Infinity", b"1e999"])
def test_numbers_that_are_none_are_refused_or_dropped_cleanly(service, value: bytes):
    response = send(service, b'{"ticket": {"fields": {"load": ' + value + b"}}}")
    assert response.status_code in (400, 422)
    assert set(response.json()["error"]) <= {"code", "message", "field"}


@pytest.mark.parametrize(
    ("ticket", "status", "code", "field"),
    [
        ({"subject": [SECRET]}, 400, "invalid_input", "ticket.subject"),
        ({"subject": {"a": SECRET}}, 400, "invalid_input", "ticket.subject"),
        ({"description": None}, 400, "invalid_input", "ticket.description"),
        ({"messages": SECRET}, 400, "invalid_input", "ticket.messages"),
        ({"messages": [{"at": "never", "by": "agent", "text": SECRET}]}, 400, "invalid_input", "ticket.messages.0.at"),
        ({"created_at": "9999-12-31T00:00:00Z"}, 422, "invalid_ticket", "ticket.created_at"),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, 400, "invalid_input", "ticket.created_at"),
        ({"version": 2**63}, 422, "invalid_ticket", "ticket.version"),
        ({"id": "a\x00b"}, 422, "invalid_ticket", "ticket.id"),
        ({"id": ""}, 422, "invalid_ticket", "ticket.id"),
        ({"product": "x" * 256}, 422, "invalid_ticket", "ticket.product"),
        ({"created_at": 1_700_000_000}, 400, "invalid_input", "ticket.created_at"),
        ({"created_at": "1700000000"}, 400, "invalid_input", "ticket.created_at"),
        ({"version": "3"}, 400, "invalid_input", "ticket.version"),
        ({"id": 17}, 400, "invalid_input", "ticket.id"),
        ({"fields": {"a": {"b": SECRET}}}, 400, "invalid_input", "ticket.fields.a"),
        ({SECRET[:5]: 1}, 400, "unknown_field", "ticket.words"),
        ({"__class__": "x"}, 400, "unknown_field", "ticket.__class__"),
    ],
)
def test_wrong_fields_are_named(service, ticket: dict[str, object], status: int, code: str, field: str):
    refused(service.post("/v1/suggest", {"ticket": ticket}), status, code, field)


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"top_k": "5"}, "top_k"),
        ({"top_k": True}, "top_k"),
        ({"top_k": 2.5}, "top_k"),
        ({"explain": "yes"}, "explain"),
        ({"explain": 1}, "explain"),
        ({"filters": {"since": 1_700_000_000}}, "filters.since"),
        ({"filters": {"product": 5}}, "filters.product"),
        ({"filters": {"customer": "x" * 280}}, "filters.customer"),
        ({"filters": {"category": "x" * 256}}, "filters.category"),
    ],
)
@pytest.mark.parametrize("path", ["/v1/suggest", "/v1/suggest/batch"])
def test_what_is_asked_around_the_ticket_is_checked(service, path: str, more: dict[str, object], field: str):
    ticket = {"subject": "Cannot log in"}
    body = {"ticket": ticket} if path == "/v1/suggest" else {"tickets": [ticket]}
    refused(service.post(path, body | more), 400, "invalid_input", field)


@pytest.mark.parametrize("name", ["product", "category", "customer"])
def test_filters_are_read_as_labels_are_stored(service, name: str):
    stored = {"product": "platform", "category": "login", "customer": "customer-1"}[name]
    plain, blanks = (
        service.suggest("Cannot log in", "SAML assertion rejected", filters={name: value})
        for value in (stored, f"  {stored}\x00 ")
    )
    assert (plain.status_code, blanks.status_code) == (200, 200)
    assert plain.json()["similar_cases"] == blanks.json()["similar_cases"]


@pytest.mark.parametrize(
    ("case", "status", "code", "field"),
    [
        ({}, 400, "invalid_input", "case.id"),
        ({"id": "c", "severity": "sev0"}, 400, "invalid_input", "case.severity"),
        ({"id": "c", "status": "done"}, 400, "invalid_input", "case.status"),
        ({"id": "c", "url": "javascript:alert(1)"}, 422, "invalid_ticket", "case.url"),
        ({"id": "c", "resolution": 5}, 400, "invalid_input", "case.resolution"),
        ({"id": "c", "links": [{"type": "parent", "id": "d"}]}, 400, "invalid_input", "case.links.0.type"),
        ({"id": "c", "resolved_at": "2300-01-01"}, 422, "invalid_ticket", "case.resolved_at"),
        ({"id": "c", "status": "resolved"}, 422, "invalid_ticket", "case.description"),
        ({"id": "c", "subject": " \x00", "description": "\n"}, 422, "invalid_ticket", "case.description"),
    ],
)
def test_wrong_cases_are_named_and_not_stored(service, case: dict[str, object], status: int, code: str, field: str):
    refused(service.post("/v1/cases", {"case": case}), status, code, field)
    with service.database() as database:
        assert database.execute("SELECT count(*) FROM tickets WHERE id = 'c'").fetchone() == (0,)


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 1_000_000,
        b'{"ticket":' * 90_000 + b"1" + b"}" * 90_000,
        b'{"ticket": {"fields": {"a": ' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000 + b"}}}",
        b'{"ticket": {"messages": [' + b"{}," * 300_000 + b"{}]}}",
        b'{"ticket": {"fields": {' + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}}}",
        b"{" + b",".join(b'"k%d":1' % number for number in range(80_000)) + b"}",
        b'{"ticket": {' + b'"subject": "a",' * 60_000 + b'"id": "1", "id": 7}}',
        b'{"ticket": {"version": ' + b"9" * 500_000 + b"}}",
    ],
    ids=["lists", "objects", "deep-field", "messages", "fields", "keys", "repeated", "number"],
)
def test_a_json_bomb_is_refused_quickly(service, body: bytes):
    response = send(service, body)
    assert response.status_code in (400, 422)
    assert response.json()["error"]["code"] in ("invalid_input", "invalid_ticket")
    assert response.elapsed.total_seconds() < 2


@pytest.mark.parametrize(
    "content_type",
    [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/vnd.bentoml+pickle", "application/json; charset=latin-1", "application/jsonp",
     "application/json; x=y; charset=utf-16", "application/json, text/plain", ";charset=utf-8"],
)  # fmt: skip
def test_the_wrong_content_type_is_refused(service, content_type: str | None):
    headers = {} if content_type is None else {"content-type": content_type}
    with service.client() as client:
        response = client.post("/v1/suggest", content=b'{"ticket": {}}', headers=headers)
    refused(response, 415, "wrong_content_type")


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON; charset=UTF-8", 'application/json; charset="utf-8"; x=y',
     "application/json; x=y; Charset=utf8", "application/json;odata=verbose", "application/json;",
     'application/json; profile="a;charset=latin-1"'],
)  # fmt: skip
def test_the_right_content_type_is_taken(service, content_type: str):
    assert send(service, b'{"ticket": {}}', **{"content-type": content_type}).status_code == 200


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
def test_a_body_said_to_be_uncompressed_is_taken(service, encoding: str):
    assert send(service, b'{"ticket": {}}', **{"content-encoding": encoding}).status_code == 200


def test_compressed_bodies_are_refused(service):
    refused(send(service, b"\x1f\x8b", **{"content-encoding": "gzip"}), 415, "wrong_content_type")


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-API-Key": ""}, {"X-API-Key": "nobody.nothing"}, {"X-API-Key": "é"}, {"Authorization": "Bearer x.y"},
     {"Authorization": "Basic eDp5"}],
)  # fmt: skip
def test_without_a_right_key_nothing_is_answered(service, headers: dict[str, str]):
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    with service.client(None) as client:
        response = client.post("/v1/suggest", json={"ticket": {"subject": SECRET}}, headers=raw)
    refused(response, 401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


def test_nothing_of_it_is_in_the_log(service):
    service.suggest(SECRET, SECRET)
    send(service, b'{"ticket": {"subject": 5, "description": "' + SECRET.encode() + b'"}}')
    send(service, b'{"ticket": "' + SECRET.encode())
    with service.client() as client:
        client.get(f"/v1/{SECRET}%0aforged%1b[31m")
        client.get("/v1/suggest", params={"q": SECRET})
        assert client.get("/livez").status_code == 200
    assert service.log
    for line in service.log:
        assert "only the customer" not in line
        assert "forged" not in line
        assert json.loads(line)["level"] in ("info", "warning", "error")
