"""Drafts by a real server that speaks chat completions, well or badly."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from features.errors import SettingsInvalid
from features.masking import Masker
from features.settings import DraftingSettings, load_settings
from serving.drafting import DRAFT_NOT_CONFIGURED, DRAFT_UNAVAILABLE, MAX_DRAFT_CHARS, Drafter
from serving.schemas import Action, ResolutionAnswer, SeverityAnswer, Suggestion, TargetAnswer

DRIPS = {"a slow body": b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", "a slow head": b"HTTP/1.1 200 OK\r\nX-Y:"}


class Model(ThreadingHTTPServer):
    """Answers ``answer``, a text or a status, once ``may_answer``; None never, and ``DRIPS`` never to the end."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer: str | int | None = "Renewed it."
        self.asked: list[tuple[str, str | None, dict]] = []
        self.over = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.dropped = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/"


class _Handler(BaseHTTPRequestHandler):
    server: Model

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, self.headers["Authorization"], body))
        answer = self.server.answer
        self.server.may_answer.wait(20)
        if answer in DRIPS:
            self.drip(DRIPS[answer])
            return
        if answer is None:
            self.server.over.wait(20)
            return
        self.send_response(answer if isinstance(answer, int) else 200)
        if answer == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        if isinstance(answer, str):
            content = {"choices": [{"message": {"content": answer}}]} if answer != "odd" else ["odd"]
            self.wfile.write(json.dumps(content).encode())

    def drip(self, begin: bytes) -> None:
        try:
            self.wfile.write(begin)
            while not self.server.over.wait(0.05):
                self.wfile.write(b" ")
        except OSError:
            self.server.dropped.set()

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture
def model() -> Iterator[Model]:
    with Model() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join(5)


def suggestion(*summaries: str) -> Suggestion:
    nothing = {"value": None, "confidence": 0.0, "action": Action.ABSTAIN}
    return Suggestion(
        request_id="q1",
        release="r1",
        index_watermark=1,
        category=TargetAnswer(**nothing),
        severity=SeverityAnswer(**nothing, most_likely=None, sev1_flag=False, sev1_risk=0.0),
        targets={},
        similar_cases=[],
        related_open=[],
        resolutions=[
            ResolutionAnswer(summary=text, case_ids=[f"T-{number}"], support=1, held_rate=None)
            for number, text in enumerate(summaries)
        ],
        runbooks=[],
        novel=False,
        hidden_count=0,
        notes=[],
    )


def drafted(settings: DraftingSettings, *summaries: str, seconds: float = 30.0) -> Suggestion:
    drafter = Drafter(settings, Masker().mask)
    try:
        return asyncio.run(drafter.with_drafts(suggestion(*summaries), until=time.monotonic() + seconds))
    finally:
        drafter.stop()


def test_each_resolution_gets_a_draft_of_its_own_sentences_and_nothing_else_is_sent(model: Model):
    settings = DraftingSettings(url=model.url, model="small", api_key="s3cret")
    answer = drafted(settings, "Renewed the certificate.", "Raised the limit of <CUSTOMER>.")
    assert [item.draft for item in answer.resolutions] == ["Renewed it.", "Renewed it."]
    assert [item.summary for item in answer.resolutions] == [
        "Renewed the certificate.",
        "Raised the limit of <CUSTOMER>.",
    ]
    assert answer.notes == []
    assert {path for path, _, _ in model.asked} == {"/v1/chat/completions"}
    assert {authorization for _, authorization, _ in model.asked} == {"Bearer s3cret"}
    users = [[m["content"] for m in body["messages"] if m["role"] == "user"] for _, _, body in model.asked]
    assert sorted(users) == [["Raised the limit of <CUSTOMER>."], ["Renewed the certificate."]]
    assert {body["model"] for _, _, body in model.asked} == {"small"}


def test_a_draft_is_masked_and_bounded(model: Model):
    model.answer = "Mail ann@example.com\nnow. " + "x" * 5000
    (item,) = drafted(DraftingSettings(url=model.url), "Renewed it.").resolutions
    assert item.draft is not None
    assert item.draft.startswith("Mail <EMAIL> now. ")
    assert len(item.draft) == MAX_DRAFT_CHARS


@pytest.mark.parametrize("answer", [500, 401, 302, 204, "odd", ""])
def test_a_failure_leaves_the_draft_out_with_a_note(model: Model, answer: str | int):
    model.answer = answer
    found = drafted(DraftingSettings(url=model.url), "Renewed it.")
    assert [(item.summary, item.draft) for item in found.resolutions] == [("Renewed it.", None)]
    assert found.notes == [DRAFT_UNAVAILABLE]
    assert len(model.asked) == 1, "a redirect is not followed"


def test_no_server_leaves_the_draft_out_with_a_note(model: Model):
    settings = DraftingSettings(url=model.url.replace(str(model.server_port), "9"))
    assert drafted(settings, "Renewed it.").notes == [DRAFT_UNAVAILABLE]


@pytest.mark.parametrize(("timeout", "seconds"), [(0.2, 30.0), (20.0, 0.7), (20.0, 0.0)])
def test_a_late_answer_is_not_waited_for(model: Model, timeout: float, seconds: float):
    model.answer = None
    found = drafted(DraftingSettings(url=model.url, timeout_seconds=timeout), "Renewed it.", seconds=seconds)
    assert found.notes == [DRAFT_UNAVAILABLE]
    assert found.resolutions[0].draft is None


@pytest.mark.parametrize("answer", DRIPS)
def test_a_server_that_drips_is_hung_up_on(model: Model, answer: str):
    model.answer = answer
    found = drafted(DraftingSettings(url=model.url, timeout_seconds=0.3), "Renewed it.")
    assert found.notes == [DRAFT_UNAVAILABLE]
    assert model.dropped.wait(10)


def test_nothing_waits_in_line_for_a_slow_server(model: Model):
    async def asked() -> tuple[list[Suggestion], list[Suggestion]]:
        drafter = Drafter(DraftingSettings(url=model.url, timeout_seconds=10), Masker().mask)

        def draft() -> asyncio.Task[Suggestion]:
            three = suggestion("Renewed it.", "Raised it.", "Moved it.")
            return asyncio.create_task(drafter.with_drafts(three, until=time.monotonic() + 30))

        try:
            first = [draft(), draft()]
            others = await asyncio.gather(*(draft() for _ in range(5)))
            model.may_answer.set()
            return await asyncio.gather(*first), [*others, await draft()]
        finally:
            drafter.stop()

    model.may_answer.clear()
    first, (*others, last) = asyncio.run(asked())
    assert [item.draft for found in (*first, last) for item in found.resolutions] == ["Renewed it."] * 9
    assert [found.notes for found in others] == [[DRAFT_UNAVAILABLE]] * 5
    assert len(model.asked) == 9


def test_nobody_is_asked_where_no_time_is_left(model: Model):
    assert drafted(DraftingSettings(url=model.url), "Renewed it.", seconds=0.4).notes == [DRAFT_UNAVAILABLE]
    assert model.asked == []


def test_without_a_setting_the_answer_says_so():
    assert drafted(DraftingSettings(), "Renewed it.").notes == [DRAFT_NOT_CONFIGURED]


def test_without_a_resolution_nobody_is_asked(model: Model):
    assert drafted(DraftingSettings(url=model.url)).notes == []
    assert model.asked == []


def test_the_settings_come_from_the_environment_and_keep_the_key(tmp_path):
    environ = {"PRECEDENT_DRAFTING__URL": "http://127.0.0.1:1/v1", "PRECEDENT_DRAFTING__API_KEY": "s3cret"}
    settings = load_settings(tmp_path, environ)
    assert settings.drafting.url == "http://127.0.0.1:1/v1"
    assert "s3cret" not in repr(settings)
    with pytest.raises(SettingsInvalid, match=r"drafting\.url"):
        load_settings(tmp_path, {"PRECEDENT_DRAFTING__URL": "file:///etc/passwd"})
