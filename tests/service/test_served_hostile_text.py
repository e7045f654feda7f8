"""Text is data: hostile words in every field of a ticket do nothing but come back as they were sent."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote

import pytest

HOSTILE = {
    "template": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {% include '/etc/passwd' %} {{config.__class__}}",
    "format": "%s %n %(secret)s {0.__class__.__init__.__globals__} {self} ${jndi:ldap://127.0.0.1:9/a}",
    "shell": "$(touch CANARY) `touch CANARY`; touch CANARY | touch CANARY && touch CANARY > CANARY",
    "sql": "x'); DROP TABLE tickets; -- \" OR 1=1 /* ' UNION SELECT secret_sha256 FROM api_keys --",
    "path": "../../../../CANARY ..\\..\\CANARY file:///etc/passwd /etc/passwd %2e%2e%2fCANARY",
    "html": "<script>alert(1)</script><img src=x onerror=alert(2)> \"'&lt; </title> javascript:alert(3)",
    "header": "x X-Injected: yes HTTP/1.1 200 OK Content-Length: 0 <html> Location: //evil.example",
    "table": "=cmd|'/C calc'!A0 @SUM(1+1)*cmd +1-1",
    "json": '"}],"release":"forged","request_id":"forged", __proto__ constructor $where {"$gt": ""}',
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_ticket_is_stored_found_and_erased_like_any_other(service, tmp_path: Path, kind: str):
    text = HOSTILE[kind].replace("CANARY", str(tmp_path / "canary"))[:250]
    case_id = f"{kind} {text}"[:200]
    ticket = {
        "subject": text,
        "description": f"{text}\n{text}",
        "created_at": "2026-02-01T09:00:00Z",
        "messages": [{"at": "2026-02-01T10:00:00Z", "by": "customer", "text": text}],
        "product": text,
        "customer": text,
        "customer_tier": text,
        "channel": text,
        "language": text,
        "reporter": text,
        "fields": {text[:100]: text},
    }
    outcome = {
        "status": "resolved",
        "resolved_at": "2026-02-02T09:00:00Z",
        "category": text,
        "severity": "sev2",
        "resolution": text,
        "url": f"https://support.example.com/{quote(text, safe='')}",
        "targets": {text[:100]: text},
        "links": [{"type": "related", "id": case_id}],
    }
    before = tables(service)

    stored = service.post("/v1/cases", {"case": {**ticket, **outcome, "id": case_id}})
    assert stored.status_code == 200, stored.text
    assert stored.json()["id"] == case_id
    filters = {"product": text, "customer": text, "category": text, "language": text}

    def found() -> list[dict]:
        answer = service.post("/v1/suggest", {"ticket": ticket, "filters": filters, "explain": True})
        assert answer.status_code == 200, answer.text
        assert "x-injected" not in answer.headers
        assert answer.json()["release"] == "r1"
        return answer.json()["similar_cases"]

    service.eventually(lambda: bool(found()), 10)
    (case,) = found()
    assert (case["id"], case["subject"], case["category"], case["resolution"]) == (case_id, text, text, text)
    batch = service.post("/v1/suggest/batch", {"tickets": [ticket], "filters": filters}).json()
    assert batch["results"][0]["similar_cases"][0]["subject"] == text
    given = service.post(
        "/v1/feedback",
        {
            "request_id": batch["results"][0]["request_id"],
            "kind": "wrong",
            "target": "case",
            "id": case_id,
            "value": text,
        },
    )
    assert given.status_code == 200, given.text

    with service.client() as client:
        erased = client.delete(f"/v1/cases/{quote(case_id, safe='')}")
        assert (erased.status_code, erased.json()["id"]) == (200, case_id)
        assert client.delete(f"/v1/cases/{quote(case_id, safe='')}").status_code == 404
    assert tables(service) == before
    assert list(tmp_path.iterdir()) == []
    assert not any(text[:20] in line for line in service.log)


def tables(service) -> tuple[int, list[str]]:
    """How many tickets there are that no test sent, and which tables."""
    with service.database() as database:
        names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")]
        (n_tickets,) = database.execute("SELECT count(*) FROM tickets WHERE id LIKE 'T-%'").fetchone()
    return n_tickets, names


def test_hostile_words_where_names_and_times_belong_are_refused_without_an_echo(service):
    for text in HOSTILE.values():
        for body in (
            {"ticket": {text[:50]: 1}},
            {"ticket": {"created_at": text}},
            {"ticket": {"messages": [{"at": text, "by": text, "text": text}]}},
            {"ticket": {}, "top_k": text},
            {"ticket": {}, "filters": {text[:50]: text}},
        ):
            answer = service.post("/v1/suggest", body)
            assert answer.status_code == 400, answer.text
            assert answer.headers["content-type"] == "application/json"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert json.loads(answer.text)["error"]["code"] in ("invalid_input", "unknown_field")


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_paths_queries_and_headers_do_nothing(service, kind: str):
    text = HOSTILE[kind]
    with service.client() as client:
        for path in (f"/{quote(text)}", f"/v1/{quote(text, safe='')}", f"/livez/{quote(text)}"):
            assert client.get(path).status_code == 404
        assert client.get("/livez", params={"q": text, text: "q"}).status_code == 200
        headers = {"X-Request-Id": text, "User-Agent": text, "Referer": text, "Origin": text, "X-Forwarded-For": text}
        answer = client.post("/v1/suggest", json={"ticket": {}}, headers=headers)
    assert answer.status_code == 200
    assert text not in str(answer.headers)
    assert not any(name.startswith("access-control") for name in answer.headers)
