"""Traces of a running service, sent to a real collector: an HTTP server that decodes what it gets."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SECRET = "words that only the customer may read"


@dataclass
class Collector:
    """What an OTLP/HTTP receiver got; ``status`` is what it answers."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    heads: list[tuple[str, str]] = field(default_factory=list)

    def resources(self) -> list[dict]:
        return [each for body in self.bodies for each in json.loads(body)["resourceSpans"]]

    def spans(self, trace_id: str | None = None) -> list[dict]:
        found = [span for each in self.resources() for scope in each["scopeSpans"] for span in scope["spans"]]
        return [span for span in found if trace_id is None or span["traceId"] == trace_id]


@pytest.fixture
def collector() -> Iterator[Collector]:
    got = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            got.heads.append((self.path, self.headers["content-type"]))
            if got.status == 200:
                got.bodies.append(body)
            self.send_response(got.status)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    got.url = f"http://127.0.0.1:{server.server_port}/v1/traces"
    yield got
    server.shutdown()
    server.server_close()
    thread.join()


def attributes(span: dict) -> dict[str, object]:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


def test_a_request_and_its_parts_are_spans_of_the_callers_trace(kit, workspace, collector: Collector):
    with kit.serve(workspace, f'[tracing]\nurl = "{collector.url}"\n') as served:
        with served.client() as client:
            headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01", "X-Request-Id": "traced-1"}
            answer = client.post("/v1/suggest", json={"ticket": {"subject": SECRET}}, headers=headers)
            assert answer.status_code == 200
            assert client.get("/livez").status_code == 200
            assert client.post("/v1/suggest", json={}, headers=headers).status_code == 400
        served.eventually(lambda: len(collector.spans(TRACE_ID)) > 12, 20)
        served.eventually(lambda: sum("traced-1" in line for line in served.log) == 2, 10)
        lines = [json.loads(line) for line in served.log if "traced-1" in line]

    assert set(collector.heads) == {("/v1/traces", "application/json")}
    for resource in collector.resources():
        assert attributes(resource["resource"])["service.name"] == "precedent"
    spans = collector.spans(TRACE_ID)
    requests = [span for span in spans if span["kind"] == 2]
    assert [span["parentSpanId"] for span in requests] == [CALLER, CALLER]
    done, refused = requests
    assert done["name"] == refused["name"] == "POST /v1/suggest"
    assert attributes(done) == {
        "http.request.method": "POST",
        "http.route": "/v1/suggest",
        "http.response.status_code": "200",
        "http.request.body.size": str(len(json.dumps({"ticket": {"subject": SECRET}}, separators=(",", ":")))),
        "precedent.request_id": "traced-1",
        "precedent.key_id": served.tokens["admin"].partition(".")[0],
    }
    assert attributes(refused)["error.type"] == "invalid_input"
    parts = [span for span in spans if span["parentSpanId"] == done["spanId"]]
    assert {"parse", "mask", "encode", "classify", "retrieve", "rank", "serialise"} <= {part["name"] for part in parts}
    for part in parts:
        assert int(done["startTimeUnixNano"]) <= int(part["startTimeUnixNano"]) <= int(part["endTimeUnixNano"])
        assert int(part["endTimeUnixNano"]) <= int(done["endTimeUnixNano"])
        assert part["kind"] == 1
    # Probes are not traced, and no span holds words of a ticket.
    assert not any("livez" in span["name"] for span in collector.spans())
    assert not any(b"only the customer" in body for body in collector.bodies)
    assert [line["trace_id"] for line in lines] == [TRACE_ID, TRACE_ID]


def test_what_is_not_to_be_traced_is_not(kit, workspace, collector: Collector):
    with kit.serve(workspace, f'[tracing]\nurl = "{collector.url}"\nsample_ratio = 0.0\n') as served:
        with served.client() as client:
            for number in range(5):
                client.post("/v1/suggest", json={"ticket": {}}, headers={"X-Request-Id": f"untraced-{number}"})
            headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01"}
            assert client.post("/v1/suggest", json={"ticket": {}}, headers=headers).status_code == 200
        with served.client(None) as client:
            # Who has no key can fill no collector.
            other = {"traceparent": f"00-{'a' * 32}-{CALLER}-01"}
            assert client.post("/v1/suggest", json={"ticket": {}}, headers=other).status_code == 401
        served.eventually(lambda: bool(collector.spans(TRACE_ID)), 20)
    # The service has ended, and sent what it had.
    assert {span["traceId"] for span in collector.spans()} == {TRACE_ID}


@pytest.mark.parametrize("header", ["", "00-0-0-00", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 60, "x" * 8_000])
def test_a_caller_with_a_broken_header_begins_a_trace_of_its_own(header: str):
    from features.settings import TracingSettings
    from serving.tracing import Tracing

    tracing = Tracing(TracingSettings(url="http://127.0.0.1:9/v1/traces"), lambda: None)
    trace = tracing.begin("POST /v1/suggest", {"traceparent": header, "tracestate": header}, 0)
    assert int(trace.trace_id, 16) > 0
    assert trace.span.parent is None
    tracing.end(trace, (), {}, status=200)
    tracing.stop()


@pytest.mark.parametrize("is_there", [True, False], ids=["fails", "gone"])
def test_a_collector_that_takes_nothing_costs_no_answer(kit, workspace, collector: Collector, is_there: bool):
    collector.status = 500
    url = collector.url if is_there else "http://127.0.0.1:9/v1/traces"
    with kit.serve(workspace, f'[tracing]\nurl = "{url}"\n') as served, served.client() as client:

        def failures() -> float:
            lines = client.get("/metrics").text.splitlines()
            return next(float(line.split()[1]) for line in lines if line.startswith("precedent_trace_export_failures_"))

        assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 200
        served.eventually(lambda: failures() > 0, 20)
        assert client.post("/v1/suggest", json={"ticket": {}}).status_code == 200
    assert any("spans not sent" in line for line in served.log)
    assert not collector.bodies


def test_without_the_setting_nothing_is_traced(service):
    with service.client() as client:
        headers = {"traceparent": f"00-{TRACE_ID}-{CALLER}-01", "X-Request-Id": "untraced"}
        assert client.post("/v1/suggest", json={"ticket": {}}, headers=headers).status_code == 200
    service.eventually(lambda: any('"untraced"' in line for line in service.log), 10)
    assert not any("trace_id" in line for line in service.log)
