"""The HTTP contract, on a running service."""

import json
import threading
from datetime import UTC, datetime

import httpx
import pytest

# The promise is one second; the tests share their machine.
SOON = 10.0
SSO = ("Cannot log in with SSO", "SAML assertion rejected since the certificate of the identity provider was rotated")


def case_ids(answer: httpx.Response) -> list[str]:
    return [case["id"] for case in answer.json()["similar_cases"]]


def test_a_ticket_is_told_what_it_is_and_what_resolved_the_last_one(service):
    response = service.suggest(*SSO)
    assert response.status_code == 200
    answer = response.json()
    assert list(answer) == [
        "request_id", "release", "index_watermark", "category", "severity", "targets", "similar_cases", "related_open",
        "resolutions", "runbooks", "novel", "hidden_count", "notes",
    ]  # fmt: skip
    assert answer["release"] == "r1"
    assert answer["category"]["value"] == "login"
    assert answer["severity"]["value"] == "sev1"
    assert len(answer["similar_cases"]) == 5
    assert all(case["category"] == "login" for case in answer["similar_cases"])
    assert answer["related_open"][0]["id"] == "T-27"
    assert "certificate" in answer["resolutions"][0]["summary"]
    assert answer["runbooks"][0]["id"] == "sso-certificate"
    assert answer["notes"] == []
    assert answer["request_id"] == response.headers["x-request-id"]


def test_top_k_and_filters_hold(service):
    assert len(service.suggest(*SSO, top_k=2).json()["similar_cases"]) == 2
    only = service.suggest(*SSO, filters={"customer": "customer-1"})
    assert set(case_ids(only)) <= {f"T-{number}" for number in range(1, 30, 5)}
    assert case_ids(service.suggest(*SSO, filters={"product": "another"})) == []
    late = service.suggest(*SSO, top_k=50, filters={"since": "2026-01-20"})
    assert late.json()["similar_cases"]
    assert {int(case_id[2:]) for case_id in case_ids(late)} <= set(range(14, 30))


def test_a_customer_whose_name_is_masked_can_be_filtered_by(service):
    case = {"id": "M-1", "subject": "Marmot burrow sync fails", "status": "resolved", "customer": "ann@example.com"}
    service.post("/v1/cases", {"case": case})
    asked = {"filters": {"customer": "ann@example.com"}}
    service.eventually(lambda: case_ids(service.suggest("Marmot burrow sync fails", **asked)) == ["M-1"], SOON)
    with service.database() as database:
        (customer,) = database.execute("SELECT customer FROM tickets WHERE id = 'M-1'").fetchone()
    assert "ann" not in customer


@pytest.mark.parametrize("text", ["", " \n\t ", "?"])
def test_a_ticket_without_words_is_answered_with_an_abstention(service, text: str):
    response = service.suggest(text, text)
    assert response.status_code == 200
    assert response.json()["category"]["action"] == "abstain"
    assert response.json()["category"]["value"] is None
    assert response.json()["category"]["reason"] == "too_little_text"


def test_a_key_of_other_groups_sees_less(service):
    body = {"ticket": {"subject": SSO[0], "description": SSO[1]}, "top_k": 50}
    everything, less = service.post("/v1/suggest", body), service.post("/v1/suggest", body, "outsider")
    assert "T-3" in case_ids(everything)
    assert "T-3" not in case_ids(less)
    assert less.json()["hidden_count"] >= 1
    assert everything.json()["hidden_count"] == 0


def test_each_ticket_of_a_batch_is_answered_on_its_own(service):
    tickets = [{"subject": SSO[0]}, {"subject": 7}, {"sbject": "typo"}, {"subject": "x" * 3_000}, {"subject": SSO[0]}]
    response = service.post("/v1/suggest/batch", {"tickets": tickets, "top_k": 1})
    assert response.status_code == 200
    first, wrong, unknown, long, last = response.json()["results"]
    assert first["category"] == last["category"]
    assert first["similar_cases"] == last["similar_cases"]
    assert first["request_id"] != last["request_id"]
    assert (wrong["error"]["code"], wrong["error"]["field"]) == ("invalid_input", "tickets.1.subject")
    assert (unknown["error"]["code"], unknown["error"]["field"]) == ("unknown_field", "tickets.2.sbject")
    assert (long["error"]["code"], long["error"]["field"]) == ("invalid_ticket", "tickets.3.subject")
    assert set(wrong) == {"error", "request_id"}


def test_a_ticket_gets_in_a_batch_what_it_gets_alone(service):
    alone = service.suggest(*SSO).json()
    tickets = [{"subject": "Export stops"}, {"subject": SSO[0], "description": SSO[1]}, {"subject": "Webhooks twice"}]
    together = service.post("/v1/suggest/batch", {"tickets": tickets}).json()["results"][1]
    for name in ("category", "severity", "novel"):
        assert alone[name] == together[name]
    assert [case["id"] for case in alone["similar_cases"]] == [case["id"] for case in together["similar_cases"]]


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"tickets": []}, "invalid_input", "tickets"),
        ({"tickets": [{}] * 101}, "invalid_input", "tickets"),
        ({"tickets": {"subject": "one"}}, "invalid_input", "tickets"),
        ({}, "invalid_input", "tickets"),
        ({"tickets": [{}], "ticket": {}}, "unknown_field", "ticket"),
        ({"tickets": [{}], "top_k": 0}, "invalid_input", "top_k"),
    ],
)
def test_a_batch_that_is_none_is_refused_whole(service, body: object, code: str, field: str):
    response = service.post("/v1/suggest/batch", body)
    assert response.status_code == 400
    assert (response.json()["error"]["code"], response.json()["error"]["field"]) == (code, field)


def test_a_case_is_findable_soon_and_gone_soon(service):
    words = "Zebra printer spools forever under the harvest moon"
    case = {
        "id": "Z/1 ü",
        "subject": words,
        "description": f"{words}, mail ann@example.com",
        "status": "resolved",
        "resolved_at": datetime.now(UTC).isoformat(),
        "category": "exports",
        "severity": "sev3",
        "resolution": "Replaced the spooler with the one that the printer vendor recommends.",
        "outcome": "held",
        "links": [{"type": "runbook", "id": "sso-certificate"}],
    }
    stored = service.post("/v1/cases", {"case": case}, "write")
    assert stored.status_code == 200, stored.text
    assert stored.json()["id"] == "Z/1 ü"
    with service.database() as database:
        (description,) = database.execute("SELECT description FROM tickets WHERE id = 'Z/1 ü'").fetchone()
    assert description == f"{words}, mail <EMAIL>"

    service.eventually(lambda: "Z/1 ü" in case_ids(service.suggest(words)), SOON)
    shown = service.suggest(words).json()
    assert shown["index_watermark"] >= stored.json()["change"]
    assert shown["resolutions"][0]["case_ids"] == ["Z/1 ü"]

    with service.client("write") as client:
        erased = client.delete("/v1/cases/Z%2F1%20%C3%BC")
        assert erased.status_code == 200, erased.text
        assert erased.json()["change"] > stored.json()["change"]
        service.eventually(lambda: "Z/1 ü" not in case_ids(service.suggest(words)), SOON)
        again = client.delete("/v1/cases/Z%2F1%20%C3%BC")
    assert again.status_code == 404
    assert again.json()["error"]["code"] == "unknown_case"
    with service.database() as database:
        kept = database.execute("SELECT answer FROM journal_suggestions").fetchall()
    assert kept
    assert not any("harvest moon" in answer for (answer,) in kept)


def test_a_change_made_elsewhere_is_followed(service, kit):
    from contextlib import closing
    from dataclasses import replace

    from features.history import History
    from features.ticket import Ticket

    words = "Quokka selfie upload is sideways"
    model = kit.small_history()[0]
    case = replace(model, ticket=Ticket(id="Q-1", subject=words))
    with closing(History.open(service.settings.history_url)) as history:
        history.upsert([case], masking_rules="1")
        service.eventually(lambda: "Q-1" in case_ids(service.suggest(words)), SOON)
        history.erase("Q-1")  # what `precedent erase` does
        service.eventually(lambda: "Q-1" not in case_ids(service.suggest(words)), SOON)
    with service.database() as database:
        assert database.execute("SELECT count(*) FROM journal_suggestions WHERE answer LIKE '%Q-1%'").fetchone() == (0,)


def test_an_erased_case_is_in_no_index_on_disk(workspace, kit):
    other = workspace.index_dir / "another-encoder" / "snapshot-000001-30-0badcafe"
    other.mkdir(parents=True)
    (other / "entries.json").write_text('{"ids": ["T-3"]}')
    with kit.serve(workspace, "[service]\nsnapshot_seconds = 0.5\n") as served:
        served.post("/v1/cases", {"case": {"id": "kept", "subject": "Cannot log in"}})
        assert other.exists()
        with served.client() as client:
            assert client.delete("/v1/cases/T-3").status_code == 200

        def is_rid_of_it() -> bool:
            try:
                files = [path for path in workspace.index_dir.rglob("entries.json") if "work-" not in str(path)]
                return not other.exists() and not any('"T-3"' in path.read_text() for path in files)
            except FileNotFoundError:  # an older snapshot went while it was looked at
                return False

        served.eventually(is_rid_of_it, 20.0)


def test_the_same_case_again_changes_nothing(service):
    case = {"case": {"id": "same", "subject": "The same case twice", "version": 2}}
    first, second = (service.post("/v1/cases", case).json() for _ in range(2))
    assert first == second
    older = service.post("/v1/cases", {"case": {"id": "same", "subject": "An older state", "version": 1}})
    assert older.json() == first


def test_the_journal_keeps_suggestion_and_feedback(service):
    mail = "ann@example.com"
    asked = service.post("/v1/suggest", {"ticket": {"id": "T-new", "subject": "No login", "description": mail}})
    request_id = asked.json()["request_id"]
    body = {"request_id": request_id, "kind": "overridden", "target": "category", "value": "exports", "by": mail}
    told = service.post("/v1/feedback", body, "suggest")
    assert told.json() == {"request_id": request_id, "recorded": True}
    with service.database() as database:
        row = database.execute(
            "SELECT ticket, answer, ticket_id, release FROM journal_suggestions WHERE request_id = ?", [request_id]
        ).fetchone()
        feedback = database.execute(
            "SELECT kind, target, value, by_whom FROM journal_feedback WHERE request_id = ?", [request_id]
        ).fetchone()
    assert json.loads(row[0])["description"] == "<EMAIL>"
    assert json.loads(row[1]) == asked.json()
    assert row[2:] == ("T-new", "r1")
    assert feedback[:3] == ("overridden", "category", "exports")
    assert len(feedback[3]) == 16
    assert mail not in feedback[3]


def test_feedback_about_nothing_is_refused(service):
    body = {"request_id": "never-was", "kind": "wrong", "target": "severity"}
    response = service.post("/v1/feedback", body)
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "unknown_request"
    assert response.json()["error"]["field"] == "request_id"


def test_a_request_id_of_the_client_is_kept_and_overwrites_nothing(service):
    body = {"ticket": {"subject": SSO[0]}}
    with service.client() as client:
        first, second = (client.post("/v1/suggest", json=body, headers={"X-Request-Id": "desk-42"}) for _ in range(2))
    assert first.headers["x-request-id"] == second.headers["x-request-id"] == "desk-42"
    assert first.json()["request_id"] == "desk-42"
    assert second.json()["request_id"] != "desk-42"


def test_many_clients_at_once_are_all_answered(service):
    answers: list[httpx.Response] = []

    def ask(number: int) -> None:
        with service.client("suggest") as client:
            body = {"ticket": {"subject": f"{SSO[0]} {number}"}}
            answers.extend(client.post("/v1/suggest", json=body) for _ in range(5))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [answer.status_code for answer in answers] == [200] * 40
    assert all(answer.json()["category"]["value"] == "login" for answer in answers)
    assert all(answer.json()["notes"] == [] for answer in answers)


def test_reasons_are_told_on_request(service):
    plain = service.suggest("Cannot log in with SAML", "SAML assertion rejected, audience mismatch").json()
    told = service.suggest("Cannot log in with SAML", "SAML assertion rejected, audience mismatch", explain=True).json()
    assert plain["category"]["why"] is plain["severity"]["why"] is None
    assert told["category"]["why"][0].startswith(("word ", "phrase ", "product="))
    assert 0 < sum(not reason.startswith("case ") for reason in told["category"]["why"]) <= 5
    assert 0 < len(told["severity"]["why"]) <= 7
    assert told["category"] | {"why": None} == plain["category"]
