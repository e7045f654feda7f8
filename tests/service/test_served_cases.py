"""Which cases the running service lists: one entry a problem, verdicts remembered, fixes that held first, filters."""

from __future__ import annotations

import pytest

from serving.efficacy import REOPENED, REPEATED, SUPERSEDED


@pytest.fixture(scope="module")
def served(workspace_template, tmp_path_factory, kit):
    import shutil

    from features.settings import load_settings

    folder = tmp_path_factory.mktemp("cases") / "workspace"
    shutil.copytree(workspace_template, folder)
    with kit.serve(load_settings(folder, {})) as running:
        yield running


def store(served, *cases: dict[str, object]) -> None:
    """Store cases, and wait until suggestions know them."""
    changes = []
    for case in cases:
        answer = served.post("/v1/cases", {"case": {"status": "resolved", **case}})
        assert answer.status_code == 200, answer.text
        changes.append(answer.json()["change"])
    served.eventually(lambda: served.suggest("x").json()["index_watermark"] >= max(changes), 5.0)


def listed(served, words: str, ticket_id: str | None = None, **more: object) -> dict[str, dict[str, object]]:
    ticket = {"id": ticket_id, "subject": words, "created_at": "2026-05-01T09:00:00Z"}
    answer = served.post("/v1/suggest", {"ticket": ticket, "top_k": 50, **more}).json()
    return {case["id"]: case for case in answer["similar_cases"]}


def test_duplicates_are_one_entry_that_shows_the_canonical_case(served):
    words = "Pangolin scanner jams on curled labels"
    store(
        served,
        {"id": "D-1", "subject": "Labels curl", "description": words},
        {"id": "D-2", "subject": words, "links": [{"type": "duplicate_of", "id": "D-1"}]},
        {"id": "D-3", "subject": words, "links": [{"type": "duplicate_of", "id": "D-2"}]},
    )
    found = listed(served, words)
    assert found["D-1"]["duplicates"] == 2
    assert not {"D-2", "D-3"} & found.keys()
    # A circle of links is one entry as well.
    store(served, {"id": "D-1", "subject": words, "links": [{"type": "duplicate_of", "id": "D-3"}]})
    found = listed(served, words)
    assert [found[id_]["duplicates"] for id_ in ("D-1", "D-2", "D-3") if id_ in found] == [2]


@pytest.mark.parametrize("between", [{"status": "open"}, {"subject": "Invoice"}, {"access_group": "keepers"}])
def test_duplicates_are_one_entry_whatever_stands_between(served, between: dict[str, str]):
    (kind,) = between
    words, first, middle, last = f"Axolotl tank leaks at the {kind}", f"C-1-{kind}", f"C-2-{kind}", f"C-3-{kind}"
    store(
        served,
        {"id": first, "subject": words},
        {"id": middle, "subject": words, "links": [{"type": "duplicate_of", "id": first}], **between},
        {"id": last, "subject": f"{words} since noon", "links": [{"type": "duplicate_of", "id": middle}]},
    )
    answer = served.post("/v1/suggest", {"ticket": {"subject": words}, "top_k": 50}, "outsider").json()
    found = {case["id"]: case["duplicates"] for case in answer["similar_cases"]}
    assert found[first] == 1
    assert not {middle, last} & found.keys()


def test_a_duplicate_of_the_asked_ticket_is_shown_whatever_else_is_not(served):
    words, asked = "Lemur fence hums in the rain", "asked-of-lemurs"
    links = [{"type": "not_duplicate_of", "id": "L-2"}]
    store(
        served,
        {"id": asked, "subject": words, "status": "open", "links": links},
        {"id": "L-1", "subject": words, "links": [{"type": "duplicate_of", "id": asked}]},
        {"id": "L-2", "subject": f"{words} and in the snow"},
    )
    assert {"L-1", "L-2"} & listed(served, words, asked).keys() == {"L-1"}


def test_no_duplicate_is_remembered_against_a_link(served):
    words = "Okapi stripes are rendered sideways"
    store(
        served,
        {"id": "N-1", "subject": words},
        {"id": "N-2", "subject": f"{words} again", "links": [{"type": "duplicate_of", "id": "N-1"}]},
    )
    assert len({"N-1", "N-2"} & listed(served, words).keys()) == 1
    store(served, {"id": "N-1", "subject": words, "links": [{"type": "not_duplicate_of", "id": "N-2"}]})
    found = listed(served, words)
    assert (found["N-1"]["duplicates"], found["N-2"]["duplicates"]) == (0, 0)


@pytest.mark.parametrize("way", ["feedback", "link", "link of the case"])
def test_a_case_that_is_not_the_ticket_s_problem_is_not_shown_for_it_again(served, way: str):
    words, id_, asked = f"Narwhal horn will not calibrate {way}", f"W-{way}", f"asked-{way}"
    verdict = [{"type": "not_duplicate_of", "id": asked}]
    store(served, {"id": id_, "subject": words}, {"id": f"{id_}-2", "subject": f"{words} after a storm at sea"})
    assert {id_, f"{id_}-2"} <= listed(served, words, asked).keys()
    if way == "feedback":
        ticket = {"id": asked, "subject": words}
        request_id = served.post("/v1/suggest", {"ticket": ticket}).json()["request_id"]
        body = {"request_id": request_id, "kind": "wrong", "target": "case", "id": id_}
        assert served.post("/v1/feedback", body).status_code == 200
    elif way == "link":
        link = {"type": "not_duplicate_of", "id": id_}
        store(served, {"id": asked, "subject": words, "status": "open", "links": [link]})
    else:
        store(served, {"id": id_, "subject": words, "links": verdict})
    found = listed(served, words, asked)
    assert id_ not in found
    assert f"{id_}-2" in found
    assert id_ in listed(served, words, "another")


@pytest.mark.parametrize("status", ["resolved", "open"])
def test_a_burst_is_one_entry_with_a_count(served, status: str):
    words = f"Capybara pool heating is cold in wing {status}"
    hours = [f"2026-04-01T{hour:02}:00:00Z" for hour in range(8, 13)]
    burst = [
        {"id": f"{status}-{n}", "subject": words, "created_at": at, "status": status} for n, at in enumerate(hours)
    ]
    store(
        served, *burst, {"id": f"{status}-9", "subject": words, "created_at": "2026-02-01T08:00:00Z", "status": status}
    )
    answer = served.suggest(words, top_k=50).json()
    shown = answer["similar_cases" if status == "resolved" else "related_open"]
    counts = {case["id"]: case["duplicates"] for case in shown if case["id"].startswith(status)}
    assert sorted(counts.values()) == [0, 4]
    assert counts[f"{status}-9"] == 0


def test_a_fix_that_held_comes_first_and_the_others_say_so(served):
    words = "Tapir turnstile counts visitors twice"
    times = {"created_at": "2026-03-01T08:00:00Z", "resolved_at": "2026-03-02T08:00:00Z"}
    later = {"created_at": "2026-03-12T08:00:00Z", "resolved_at": "2026-03-13T08:00:00Z"}
    latest = {"created_at": "2026-04-12T08:00:00Z", "resolved_at": "2026-04-13T08:00:00Z"}
    between = {"created_at": "2026-03-20T08:00:00Z", "resolved_at": "2026-03-21T08:00:00Z"}
    store(
        served,
        {"id": "E-reopened", "subject": words, "outcome": "reopened", **latest},
        {"id": "E-first", "subject": words, "customer": "Zoo", **times},
        {"id": "E-again", "subject": words, "customer": "Zoo", **later},
        {"id": "E-held", "subject": f"{words} at dusk", "outcome": "held", **between},
    )
    found = listed(served, words)
    order = [id_ for id_ in found if id_.startswith("E-")]
    assert order.index("E-held") < min(order.index("E-reopened"), order.index("E-first"))
    assert found["E-reopened"]["why"][-1] == REOPENED
    assert found["E-first"]["why"][-2:] == [REPEATED, SUPERSEDED]
    for id_ in ("E-again", "E-held"):
        assert not {REOPENED, REPEATED, SUPERSEDED} & set(found[id_]["why"])


def test_the_resolution_of_a_fix_that_did_not_hold_says_so(served):
    words = "Quokka gate stays open after the shift"
    fix = "Replaced the relay of the gate and tightened its hinge."
    store(
        served,
        {
            "id": "Q-1",
            "subject": words,
            "customer": "quokka-park",
            "created_at": "2026-03-01T09:00:00Z",
            "resolved_at": "2026-03-02T09:00:00Z",
            "resolution": fix,
        },
        {
            "id": "Q-2",
            "subject": words,
            "customer": "quokka-park",
            "created_at": "2026-03-09T09:00:00Z",
            "status": "open",
        },
    )
    ticket = {"subject": words, "created_at": "2026-05-01T09:00:00Z"}
    answer = served.post("/v1/suggest", {"ticket": ticket, "top_k": 50}).json()
    assert REPEATED in next(case for case in answer["similar_cases"] if case["id"] == "Q-1")["why"]
    [told] = [each for each in answer["resolutions"] if each["case_ids"] == ["Q-1"]]
    assert (told["summary"], told["held_rate"]) == (fix, 0.0)


def test_a_ticket_that_is_a_code_and_nothing_more_finds_the_cases_that_name_it(served):
    store(
        served,
        {"id": "K-1", "subject": "Kiwi counter drifts", "description": "The display says KWI-99182 since Monday."},
        {"id": "K-2", "subject": "Kiwi counter drifts", "description": "The display says KWI-99183 since Monday."},
        {"id": "K-3", "subject": "Kiwi counter gone", "access_group": "keepers", "description": "It said KWI-99182."},
    )
    found = listed(served, "KWI-99182 error")
    assert {"K-1", "K-3"} <= found.keys()
    assert "K-2" not in found
    assert "shares KWI-99182" in found["K-1"]["why"]
    body = {"ticket": {"subject": "KWI-99182"}, "top_k": 50}
    of_others = served.post("/v1/suggest", body, "outsider").json()
    assert [case["id"] for case in of_others["similar_cases"]] == ["K-1"]
    assert of_others["hidden_count"] == 1
    assert listed(served, "KWI-10000") == {}


def test_a_range_of_dates_that_ends_before_it_begins_is_refused(served):
    filters = {"since": "2026-03-02T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    answer = served.post("/v1/suggest", {"ticket": {"subject": "Invoice"}, "filters": filters})
    assert answer.status_code == 422
    error = answer.json()["error"]
    assert (error["code"], error["field"]) == ("invalid_filter", "filters.since")
    assert "(2026-03-02T00:00:00+00:00) is after its until (2026-03-01T00:00:00+00:00)" in error["message"]


def test_every_filter_holds_over_http(served):
    words = "Quetzal feather sensor drifts"
    facts = {
        "product": "sensors",
        "category": "drift",
        "customer": "Aviary",
        "language": "de",
        "access_group": "birds",
        "created_at": "2026-02-10T12:00:00Z",
    }
    store(served, {"id": "F-1", "subject": words, **facts}, {"id": "F-2", "subject": f"{words} since the move north"})
    for name, value in facts.items():
        if name == "created_at":
            continue
        assert "F-1" in listed(served, words, filters={name: value})
        assert "F-2" not in listed(served, words, filters={name: value})
        assert not {"F-1", "F-2"} & listed(served, words, filters={name: "none"}).keys()
    assert "F-1" in listed(served, words, filters={"since": "2026-02-10T12:00:00Z", "until": "2026-02-10T12:00:00Z"})
    assert "F-1" not in listed(served, words, filters={"since": "2026-02-11"})
    assert "F-1" not in listed(served, words, filters={"until": "2026-02-09"})


def test_a_filter_shows_nobody_more_than_the_key_may_see(served):
    words = "Lemur lantern flickers"
    store(served, {"id": "H-1", "subject": words, "access_group": "night"}, {"id": "H-2", "subject": f"{words} blue"})
    body = {"ticket": {"subject": words}, "top_k": 50}
    of_all = served.post("/v1/suggest", body, "outsider").json()
    assert "H-1" not in {case["id"] for case in of_all["similar_cases"]}
    assert of_all["hidden_count"] >= 1
    of_group = served.post("/v1/suggest", {**body, "filters": {"access_group": "night"}}, "outsider").json()
    assert (of_group["similar_cases"], of_group["hidden_count"]) == ([], 1)
