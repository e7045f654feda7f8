"""What resolved the similar cases, on a running service: whose words are shown to whom, and with what warnings."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

SOON = 10.0
WORDS = "Heron spool replication lags behind the marsh gauges"
NOTE = (
    "Thanks for waiting, ann@example.com! Cleared the spool of the Saltmarsh tenant with rm -rf /var/spool/heron and "
    "restarted the gauges with password=hunter2hunter2. Closing."
)


def store(served, **changes: object) -> None:
    case = {
        "id": "S-1",
        "subject": WORDS,
        "description": f"{WORDS} since monday",
        "status": "resolved",
        "created_at": "2025-06-01T09:00:00Z",
        "resolved_at": "2025-06-01T13:30:00Z",
        "customer": "Saltmarsh Energy",
        "resolution": NOTE,
        "outcome": "held",
    }
    assert served.post("/v1/cases", {"case": case | changes}).status_code == 200


def asked(served, customer: str | None, kind: str = "admin", **more: object) -> dict:
    ticket = {"subject": WORDS, "description": f"{WORDS} today", "customer": customer}
    return served.post("/v1/suggest", {"ticket": ticket, "filters": {"until": "2025-12-31"}, **more}, kind).json()


def test_a_resolution_with_its_times_warnings_and_masks(service):
    store(service)
    service.eventually(lambda: asked(service, None)["resolutions"] != [], SOON)
    answer = asked(service, "Dunmore Rail")
    (resolution,) = answer["resolutions"]
    assert resolution == {
        "summary": (
            "Cleared the spool of the <CUSTOMER> tenant with rm -rf /var/spool/heron and restarted the gauges with "
            "password=<PASSWORD>."
        ),
        "case_ids": ["S-1"],
        "support": 1,
        "held_rate": 1.0,
        "median_hours_to_resolve": 4.5,
        "newest": "2025-06-01T13:30:00Z",
        "warnings": ["destructive command: rm -rf /var/spool/heron"],
        "draft": None,
    }
    (case,) = answer["similar_cases"]
    assert case["warnings"] == resolution["warnings"]
    assert "Saltmarsh" not in case["resolution"]
    assert "<EMAIL>" in case["resolution"]
    assert "Saltmarsh tenant" in asked(service, "Saltmarsh Energy")["resolutions"][0]["summary"]
    assert service.post("/v1/suggest", {"ticket": {}, "draft": True}).json()["notes"] == ["draft_not_configured"]


def test_a_third_customer_in_a_note_is_masked_or_pointed_out(service):
    words = "Plover valve drifts against the estuary clock"
    for number, customer in enumerate(["Dunmore Quay Works", "Plinth", "Tinder Lane"]):
        note = (
            "Reset the valve as for Dunmore Quay Works with the Plinth adapter." if customer == "Tinder Lane" else None
        )
        store(
            service, id=f"P-{number}", subject=f"{words} {number}", customer=customer, resolution=note, description=""
        )
    body = {"ticket": {"subject": words, "customer": "Fennel"}, "filters": {"until": "2025-12-31"}}
    service.eventually(lambda: "valve" in str(service.post("/v1/suggest", body).json()["resolutions"]), SOON)
    answer = service.post("/v1/suggest", body).json()
    (resolution,) = [each for each in answer["resolutions"] if "valve" in each["summary"]]
    assert resolution["summary"] == "Reset the valve as for <CUSTOMER> with the Plinth adapter."
    assert resolution["warnings"] == ["may be a customer's name: Plinth"]
    (case,) = [each for each in answer["similar_cases"] if each["resolution"]]
    assert (case["resolution"], case["warnings"]) == (resolution["summary"], resolution["warnings"])


def test_what_a_caller_may_not_see_resolves_nothing(service):
    store(
        service, id="S-2", subject=f"{WORDS} nightjar", access_group="nightjar", resolution="Rewired the nightjar nest."
    )
    body = {"ticket": {"subject": f"{WORDS} nightjar"}, "top_k": 50, "filters": {"until": "2025-12-31"}}
    service.eventually(lambda: "nightjar nest" in json.dumps(service.post("/v1/suggest", body).json()), SOON)
    hidden = service.post("/v1/suggest", body, "outsider").json()
    assert hidden["hidden_count"] >= 1
    assert "nest" not in json.dumps(hidden)
    assert "S-2" not in json.dumps(hidden)


def test_a_draft_is_made_where_it_is_configured_and_asked_for(workspace, kit):
    seen: list[str] = []

    class Model(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({"choices": [{"message": {"content": "Cleared the spool."}}]}).encode())

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Model) as model:
        thread = threading.Thread(target=model.serve_forever, daemon=True)
        thread.start()
        with kit.serve(workspace, f'[drafting]\nurl = "http://127.0.0.1:{model.server_port}"\n') as served:
            store(served)
            served.eventually(lambda: asked(served, None)["resolutions"] != [], SOON)
            assert seen == []
            answer = asked(served, "Dunmore Rail", draft=True)
            with served.database() as database:
                (kept,) = database.execute(
                    "SELECT answer FROM journal_suggestions WHERE request_id = ?", (answer["request_id"],)
                ).fetchone()
        model.shutdown()
        thread.join(5)
    assert [item["draft"] for item in answer["resolutions"]] == ["Cleared the spool."]
    assert answer["notes"] == []
    (sent,) = seen
    assert "<CUSTOMER>" in sent
    assert not {"Saltmarsh", "ann@", "hunter2"} & set(sent.replace(".", " ").split())
    assert json.loads(kept)["resolutions"][0]["draft"] == "Cleared the spool."
