"""Changing over to another release, and refusing one, while suggestions are answered."""

import json
import os
import shutil
import threading
from contextlib import closing
from dataclasses import replace

import pytest

from features.case_filter import CaseFilter
from features.encoder import HashingEncoder
from features.errors import EncoderMismatch, InvalidInput
from features.history import History
from features.release import point_current
from features.text import model_text
from features.ticket import Ticket

SUBJECT = "Cannot log in with SAML single sign-on"


def details(served) -> dict[str, object]:
    with served.client() as client:
        return client.get("/readyz").json()["details"]


def test_a_promoted_release_takes_over_under_load_without_one_failure(workspace, kit):
    kit.make_release(workspace, "r2", dimension=96)
    with kit.serve(workspace) as served:
        statuses, releases, answers = [], [], []
        is_over = threading.Event()
        asked = {"ticket": {"subject": SUBJECT, "created_at": "2026-03-01T09:00:00Z"}}

        def ask() -> None:
            with served.client("suggest") as client:
                while not is_over.is_set():
                    response = client.post("/v1/suggest", json=asked)
                    statuses.append(response.status_code)
                    releases.append(response.json().get("release"))
                    answers.append(response.json())

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        served.eventually(lambda: "r1" in releases, 20.0)
        point_current(workspace.releases_dir, "r2")
        served.eventually(lambda: "r2" in releases, 20.0)
        point_current(workspace.releases_dir, "r1")
        served.eventually(lambda: details(served)["release"] == "r1", 20.0)
        is_over.set()
        for thread in threads:
            thread.join(10)
        assert set(statuses) == {200}
        assert set(releases) == {"r1", "r2"}
        # Encoders of different dimension: no answer has the release of one and cases by the index of the other.
        assert {alone(workspace, release, asked) for release in ("r1", "r2")} == {told(each) for each in answers}
        assert details(served)["encoder"] == HashingEncoder(64).fingerprint


def told(answer: dict[str, object]) -> str:
    """An answer without what differs from request to request."""
    return json.dumps({**answer, "request_id": None}, sort_keys=True)


def alone(workspace, release_id: str, asked: object) -> str:
    """What a release answers when nothing changes over."""
    from features.release import load_release
    from serving.assemble import assemble
    from serving.validation import parse_suggest_request, to_query

    with closing(assemble(workspace, load_release(workspace.releases_dir / release_id))) as opened:
        request = parse_suggest_request(json.dumps(asked).encode())
        return told(json.loads(opened.suggester.suggest(to_query(request, request.ticket)).model_dump_json()))


@pytest.fixture
def follower(workspace, kit):
    """A follower that takes its steps when the test says so."""
    from features.intake import open_intake
    from serving.follow import Follower
    from serving.metrics import Metrics

    with closing(History.open(workspace.history_url)) as history:
        follower = Follower(workspace, history, history, open_intake(workspace), Metrics())
        take_over(follower)
        yield follower
        follower._live.close()
        for retired in follower._retired:
            retired.index.close()


def take_over(follower, meanwhile=lambda: None) -> None:
    """Load the release that is promoted and serve it, with something done in between."""
    follower._follow_release()
    follower._loading.parts.exception(30)
    meanwhile()
    follower._follow_release()


def test_what_comes_while_a_release_is_loaded_is_in_its_first_answer(workspace, kit, follower):
    kit.make_release(workspace, "r2", dimension=96)
    point_current(workspace.releases_dir, "r2")
    history = follower._history

    def change() -> None:
        history.upsert([replace(kit.small_history()[0], ticket=Ticket(id="new", subject="New"))], masking_rules="1")
        history.erase("T-3")

    take_over(follower, change)
    index = follower.suggester().index
    assert follower.suggester().release_id == "r2"
    assert index.fingerprint == HashingEncoder(96).fingerprint
    assert index.watermark == history.last_change()
    assert index.row_of("new") is not None
    assert index.row_of("T-3") is None


@pytest.mark.parametrize("erased", ["before", "meanwhile", "never"])
def test_an_index_of_the_encoder_before_stays_for_a_rollback_unless_it_holds_what_was_erased(
    workspace, kit, follower, erased: str
):
    (before,) = workspace.index_dir.glob("*/snapshot-*")
    if erased == "before":
        follower._history.erase("T-3")
        follower._live.index.replay(follower._history)  # and no snapshot since
    kit.make_release(workspace, "r2", dimension=96)
    point_current(workspace.releases_dir, "r2")
    take_over(follower, lambda: follower._history.erase("T-3") if erased == "meanwhile" else None)
    follower._follow_history()
    follower._close_retired()
    kept = {path.parent.name for path in workspace.index_dir.glob("*/snapshot-*")}
    assert kept == {HashingEncoder(96).fingerprint} | ({before.parent.name} if erased == "never" else set())


def test_a_release_that_fails_to_load_leaves_nothing_of_what_was_erased_meanwhile(workspace, kit, follower):
    other = workspace.index_dir / "another" / "snapshot-000001-30-0badcafe"
    damage(kit.make_release(workspace, "r2", dimension=96))
    point_current(workspace.releases_dir, "r2")

    def erase() -> None:
        follower._history.erase("T-3")
        follower._follow_history()
        other.mkdir(parents=True)

    take_over(follower, erase)
    assert follower.details()["refused"]["release"] == "r2"
    assert not other.exists()


def test_an_index_of_another_encoder_is_refused_by_the_suggester(workspace, follower):
    from features.case_index import CaseIndex
    from serving.suggester import Suggester

    suggester = follower.suggester()
    other = CaseIndex.create(workspace.index_dir / "other", HashingEncoder(96), follower._live.statistics)
    with (
        closing(other),
        pytest.raises(EncoderMismatch, match=r"index was made with the encoder .* open the index of the release's own"),
    ):
        Suggester(
            release_id="r1",
            triage=suggester.triage,
            ranker=suggester.ranker,
            encoder=suggester.encoder,
            intake=follower._loader.intake,
            index=other,
            runbooks=suggester.runbooks,
            read_cases=follower._history.cases,
        )


def damage(folder) -> None:
    path = folder / "category.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.unlink()  # it may be a hard link to another release's
    path.write_bytes(data)


def test_a_damaged_release_is_refused_and_the_old_one_goes_on(workspace, kit):
    damage(kit.make_release(workspace, "r2"))
    with kit.serve(workspace) as served:
        point_current(workspace.releases_dir, "r2")
        served.eventually(lambda: details(served)["refused"] is not None, 10.0)
        refused = details(served)["refused"]
        assert refused["release"] == "r2"
        assert "category.safetensors" in refused["message"]
        assert served.suggest(SUBJECT).json()["release"] == "r1"
        with served.client() as client:
            assert client.get("/readyz").status_code == 200
            # The figure follows at the end of the round that refused.
            served.eventually(lambda: "precedent_release_refused 1.0" in client.get("/metrics").text, 10.0)

        point_current(workspace.releases_dir, "r1")
        served.eventually(lambda: details(served)["refused"] is None, 10.0)
        (workspace.releases_dir / "CURRENT").write_text("../../etc\n")
        served.eventually(lambda: details(served)["refused"] is not None, 10.0)
        assert served.suggest(SUBJECT).json()["release"] == "r1"


def test_with_a_refused_release_alone_it_says_so_and_takes_the_next(workspace, kit):
    kit.make_release(workspace, "r2")
    damage(workspace.releases_dir / "r1")
    with start_unready(workspace, kit) as served:
        served.eventually(lambda: bool(is_refused(served)), 20.0)
        response = served.suggest(SUBJECT)
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "unavailable"
        assert "r1 was refused" in response.json()["error"]["message"]
        assert response.headers["retry-after"]
        with served.client(None) as client:
            assert client.get("/readyz").json() == {"status": "not_ready"}
            assert client.get("/livez").status_code == 200
        point_current(workspace.releases_dir, "r2")
        served.eventually(lambda: served.suggest(SUBJECT).status_code == 200, 10.0)


def is_refused(served) -> object:
    import httpx

    try:
        with served.client() as client:
            return client.get("/readyz").json()["details"]["refused"]
    except httpx.TransportError:
        return None


def start_unready(workspace, kit):
    """The worker itself under uvicorn, for a service that is not to become ready at first."""
    import subprocess
    import sys
    from contextlib import contextmanager

    @contextmanager
    def running():
        import socket

        (workspace.workspace / "precedent.toml").write_text('encoder = "hashing"\n')
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
        command = [sys.executable, "-m", "uvicorn", "serving.service:app", "--port", str(port), "--log-level", "error"]
        environment = {**os.environ, "PRECEDENT_WORKSPACE": str(workspace.workspace)}
        process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
        try:
            yield kit.Served(workspace, process, f"http://127.0.0.1:{port}", kit.make_tokens(workspace))
        finally:
            kit.stop(process)

    return running()


def test_a_release_with_another_encoder_than_its_own_is_refused(workspace, kit):
    from features.release import load_release, write_release

    release = load_release(workspace.releases_dir / "r1")
    parts = {name: release.folder / name for name in release.manifest["files"] if not name.startswith("encoder/")}
    other = HashingEncoder(32)
    parts["encoder"] = other.save(workspace.encoders_dir)
    extra = {"encoder": release.manifest["encoder"]}
    write_release(workspace.releases_dir, release_id="mixed", parts=parts, manifest_extra=extra)
    with kit.serve(workspace) as served:
        point_current(workspace.releases_dir, "mixed")
        served.eventually(lambda: details(served)["refused"] is not None, 10.0)
        message = details(served)["refused"]["message"]
        assert other.fingerprint in message
        assert "train again" in message
        assert served.suggest(SUBJECT).json()["release"] == "r1"


@pytest.mark.parametrize("kind", ["another_encoder", "damaged"])
def test_an_index_that_is_of_no_use_is_rebuilt(workspace, kit, kind: str):
    from serving.assemble import assemble

    with closing(assemble(workspace)):
        pass
    (folder,) = workspace.index_dir.iterdir()
    (snapshot,) = folder.glob("snapshot-*")
    if kind == "damaged":
        (snapshot / "dense.faiss").write_bytes(b"not an index")
    else:
        from features.case_index import CaseIndex
        from features.lexical import LexicalStatistics

        shutil.rmtree(folder)
        other = HashingEncoder(32)
        index = CaseIndex.open(folder, other, LexicalStatistics.fit([]))
        with closing(History.open(workspace.history_url)) as history, closing(index):
            index.replay(history)
            index.snapshot()
    with kit.serve(workspace) as served:
        answer = served.suggest(SUBJECT).json()
        assert answer["index_watermark"] == 30
        assert answer["similar_cases"]
        assert details(served)["index"]["tickets"] == 30


def test_runbooks_that_change_are_followed(workspace, kit):
    with kit.serve(workspace) as served:
        assert served.suggest(SUBJECT).json()["runbooks"][0]["id"] == "sso-certificate"
        renamed = replace(kit.sso_runbook(), id="sso-renewed")
        with closing(History.open(workspace.history_url)) as history:
            history.replace_runbooks([renamed])

        def first() -> list[str]:
            return [runbook["id"] for runbook in served.suggest(SUBJECT).json()["runbooks"]]

        served.eventually(lambda: first() == ["sso-renewed"], 5.0)


@pytest.mark.parametrize("name", ["product", "category", "customer"])
def test_a_filter_longer_than_any_label_is_refused_in_process(workspace, name: str):
    from serving.assemble import assemble
    from serving.suggester import Query

    too_long = CaseFilter(**{name: "x" * 256})
    with (
        closing(assemble(workspace)) as opened,
        pytest.raises(InvalidInput, match=f"The filter's {name} has 256 characters") as caught,
    ):
        opened.suggester.suggest(Query(Ticket(subject="Cannot log in"), filter=too_long))
    assert (caught.value.field, caught.value.code) == (f"filters.{name}", "invalid_input")


def test_a_workspace_is_assembled_and_answers_in_process(workspace):
    from serving.assemble import assemble
    from serving.validation import parse_suggest_request, to_query

    done = []
    with closing(assemble(workspace, progress=done.append)) as opened:
        request = parse_suggest_request(b'{"ticket": {"subject": "Cannot log in with SAML"}}')
        first = opened.suggester.suggest(to_query(request, request.ticket))
        assert model_text(request.ticket.to_ticket()).subject
    assert sum(done) == 30
    assert first.category.value == "login"
    with closing(assemble(workspace, progress=done.append)) as opened:
        second = opened.suggester.suggest(to_query(request, request.ticket))
    assert sum(done) == 30  # the snapshot had it all
    assert second.similar_cases == first.similar_cases
