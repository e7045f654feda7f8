"""Changing over again and again, under load: nothing fails, no answer is of two releases, nothing old is kept."""

import gc
import itertools
import json
import random
import threading
import weakref
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from features.history import History
from features.release import load_release, point_current

N_SWAPS = 20
N_CLIENTS = 8
SUBJECTS = (
    "Cannot log in with SAML single sign-on",
    "Nightly export of orders is cut off",
    "Webhooks arrive twice",
    "The certificate of the identity provider was rotated",
)
REQUESTS = [{"ticket": {"subject": subject, "created_at": "2026-03-01T09:00:00Z"}} for subject in SUBJECTS]


@pytest.fixture
def three_releases(workspace, kit):
    """r1 is served; r2 has another encoder; r3 has that of r1 and, like r2, categories of its own."""
    kit.make_release(workspace, "r2", dimension=96, suffix=" by r2")
    kit.make_release(workspace, "r3", suffix=" by r3")
    return workspace


def told(answer: dict[str, object]) -> str:
    """An answer without what differs from request to request."""
    return json.dumps({**answer, "request_id": None}, sort_keys=True)


def answers_alone(workspace, release_id: str) -> list[str]:
    """What a release answers when nothing changes over."""
    from serving.assemble import assemble
    from serving.validation import parse_suggest_request, to_query

    with closing(assemble(workspace, load_release(workspace.releases_dir / release_id))) as opened:
        requests = [parse_suggest_request(json.dumps(body).encode()) for body in REQUESTS]
        queries = [to_query(request, request.ticket) for request in requests]
        return [told(json.loads(opened.suggester.suggest(query).model_dump_json())) for query in queries]


def swaps() -> list[str]:
    """Releases to change over to: promotions, and every third time back to the one before."""
    order = ["r1"]
    following = itertools.cycle(["r2", "r3", "r1"])
    for number in range(N_SWAPS):
        back = order[-2] if number % 3 == 2 else next(name for name in following if name != order[-1])
        order.append(back)
    return order[1:]


def test_twenty_swaps_under_full_load_fail_nobody_and_mix_nothing(three_releases, kit):
    workspace = three_releases
    expected = {release: answers_alone(workspace, release) for release in ("r1", "r2", "r3")}
    assert all(len(set(each)) == 3 for each in zip(*expected.values(), strict=True)), "answers tell releases apart"
    seen: Counter[str] = Counter()
    wrong: list[object] = []
    resident_mb: list[int] = []
    is_over = threading.Event()

    def check(number: int, answer: dict[str, object]) -> None:
        if told(answer) != expected[str(answer["release"])][number]:
            wrong.append(answer)
        seen[str(answer["release"])] += 1

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        tickets = [body["ticket"] for body in REQUESTS]
        with served.client("suggest") as client:
            while not is_over.is_set():
                if seed == 0:  # one client sends batches
                    response = client.post("/v1/suggest/batch", json={"tickets": tickets})
                    found = response.json().get("results", [])
                    if response.status_code != 200 or len({each.get("release") for each in found}) != 1:
                        wrong.append(response.text)
                    for number, each in enumerate(found):
                        check(number, each)
                    continue
                number = chance.randrange(len(REQUESTS))
                response = client.post("/v1/suggest", json=REQUESTS[number])
                if response.status_code == 200:
                    check(number, response.json())
                else:
                    wrong.append((response.status_code, response.text))

    # Nobody is turned away for load: what is asked here is what a swap does.
    patient = "[service]\nmax_wait_seconds = 10\n"
    with kit.serve(workspace, patient) as served, served.client() as operator:
        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(N_CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            for number, release in enumerate(swaps()):
                before = seen[release]
                point_current(workspace.releases_dir, release)
                served.eventually(lambda: seen[release] >= before + 20, 20.0)  # noqa: B023
                if number in (4, N_SWAPS - 1):
                    resident_mb.append(megabytes(served.worker_pid()))
        finally:
            is_over.set()
            for thread in threads:
                thread.join(20)
        details = operator.get("/readyz").json()["details"]
        assert wrong == []
        assert set(seen) == {"r1", "r2", "r3"}
        assert (details["release"], details["refused"], details["alerts"]) == (swaps()[-1], None, [])
        # Of the releases that were served before, no index is left open (each has a private folder).
        served.eventually(lambda: len(list(workspace.index_dir.glob("*/work-*"))) == 1, 10.0)
    told_of = {"swaps": N_SWAPS, "answers": sum(seen.values()), "resident_mb_after_5_and_all": resident_mb}
    print(json.dumps(told_of))  # noqa: T201


def megabytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.partition("VmRSS:")[2].split()[0]) / 1024)


@pytest.fixture
def follower(three_releases):
    """A follower that takes its steps when the test says so."""
    from features.intake import open_intake
    from serving.follow import Follower
    from serving.metrics import Metrics

    with closing(History.open(three_releases.history_url)) as history:
        follower = Follower(three_releases, history, history, open_intake(three_releases), Metrics())
        take_over(follower)
        yield follower
        follower._live.close()
        for retired in follower._retired:
            retired.index.close()


def take_over(follower) -> None:
    follower._follow_release()
    follower._loading.parts.exception(30)
    follower._follow_release()


def test_after_twenty_swaps_only_the_last_release_is_in_memory(three_releases, follower):
    made: list[weakref.ref[object]] = []
    for release in swaps():
        made += [weakref.ref(follower.suggester()), weakref.ref(follower.suggester().index)]
        point_current(three_releases.releases_dir, release)
        take_over(follower)
        follower._close_retired()
    gc.collect()
    assert [each() for each in made] == [None] * (2 * N_SWAPS)
    assert len(list(three_releases.index_dir.glob("*/work-*"))) == 1


def test_an_old_release_is_kept_as_long_as_a_request_reads_it(three_releases, follower):
    suggester = follower.suggester()
    point_current(three_releases.releases_dir, "r3")
    take_over(follower)
    follower._close_retired()
    assert follower.suggester().release_id == "r3"
    assert json.loads(suggest(suggester))["release"] == "r1"
    del suggester
    follower._close_retired()
    assert follower._retired == []


def suggest(suggester) -> str:
    from serving.validation import parse_suggest_request, to_query

    request = parse_suggest_request(json.dumps(REQUESTS[0]).encode())
    return suggester.suggest(to_query(request, request.ticket)).model_dump_json()


def spoil(folder: Path, change) -> None:
    """Change a release's category model, and write its manifest anew, so that every check of files passes."""
    import safetensors.numpy

    from features.release import write_release

    arrays = safetensors.numpy.load_file(folder / "category.safetensors")
    change(arrays)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    parts = {name: folder / name for name in manifest["files"] if not name.startswith("encoder/")}
    parts |= {"encoder": folder / "encoder", "category.safetensors": arrays}
    write_release(folder.parent, release_id="spoilt", parts=parts, manifest_extra={"encoder": manifest["encoder"]})


def test_a_release_that_cannot_answer_a_made_up_ticket_is_refused_before_anyone_asks(three_releases, kit):
    def fill_with_nan(arrays) -> None:
        arrays["intercept"] = arrays["intercept"] * float("nan")

    workspace = three_releases
    spoil(workspace.releases_dir / "r3", fill_with_nan)
    with kit.serve(workspace) as served, served.client() as client:

        def details() -> dict[str, object]:
            return client.get("/readyz").json()["details"]

        point_current(workspace.releases_dir, "spoilt")
        served.eventually(lambda: details()["refused"] is not None, 10.0)
        assert details()["refused"]["release"] == "spoilt"
        [alert] = details()["alerts"]
        assert alert.startswith("The promoted release spoilt was refused and r1 goes on: ")
        assert "made-up ticket" in alert
        served.eventually(lambda: "precedent_release_refused 1.0" in client.get("/metrics").text, 10.0)
        assert served.suggest(SUBJECTS[0]).json()["release"] == "r1"
        assert served.suggest("anything").status_code == 200

        point_current(workspace.releases_dir, "r3")
        served.eventually(lambda: details()["release"] == "r3", 10.0)
        assert (details()["refused"], details()["alerts"]) == (None, [])
        served.eventually(lambda: "precedent_release_refused 0.0" in client.get("/metrics").text, 10.0)
