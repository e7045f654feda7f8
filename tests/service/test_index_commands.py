"""``precedent index``: what it says of an index on disk, sound and damaged, and which command mends it."""

from __future__ import annotations

import json
from contextlib import closing

import pytest

from features.history import History
from features.settings import Settings, load_settings
from features.ticket import Case, Ticket


@pytest.fixture
def indexed(workspace: Settings, precedent) -> Settings:
    """A workspace whose index is on disk."""
    assert precedent("index", "rebuild", "--workspace", workspace.workspace).code == 0
    return workspace


def the_snapshot(settings: Settings):
    (found,) = settings.index_dir.glob("*/snapshot-*")
    return found


def test_stats_say_what_there_is(indexed: Settings, precedent):
    at = ["--workspace", indexed.workspace]
    found = json.loads(precedent("index", "stats", *at, "--json").out)
    assert (found["n_cases"], found["n_resolved"], found["watermark"], found["last_change"]) == (30, 27, 30, 30)
    assert found["recall_at_10"] == 1.0
    assert found["snapshot"] == the_snapshot(indexed).name
    assert found["snapshot_watermark"] == 30
    assert (found["kind"], found["dense_bytes_a_case"]) == ("exact", found["n_bytes"]["dense"] / 30)
    assert set(found["n_bytes"]) == {"dense", "dense_on_disk", "forward", "fulltext", "snapshot"}
    lines = precedent("index", "stats", *at).out.splitlines()
    assert lines[0] == "30 cases, 27 of them resolved; at change 30 of 30"
    (vectors,) = [line for line in lines if "kind" in line]
    assert vectors.startswith(f"  vectors of kind exact, {found['dense_bytes_a_case']:.0f} bytes of memory a case, ")
    assert vectors.endswith(", recall@10 1.000 against exact search on a sample")
    assert lines[-1] == f"  snapshot {the_snapshot(indexed).name}, at change 30"


def test_without_a_snapshot_it_says_how_to_get_one(workspace: Settings, precedent):
    at = ["--workspace", workspace.workspace]
    verified = precedent("index", "verify", *at)
    assert verified.code == 0
    assert verified.out.startswith("There is no snapshot to verify; 'precedent index rebuild' writes one")
    assert "no snapshot: the next start takes every case in anew" in precedent("index", "stats", *at).out
    assert not list(workspace.index_dir.glob("*/snapshot-*"))


def test_verify_changes_nothing_and_tells_what_is_to_come(indexed: Settings, precedent):
    at = ["--workspace", indexed.workspace]
    assert precedent("index", "verify", *at).out.splitlines() == [
        "Sound: 30 cases, as in the history at change 30.",
        "Vectors of kind exact, recall@10 1.000 against exact search on a sample.",
    ]
    as_json = json.loads(precedent("index", "verify", *at, "--json").out)
    assert (as_json["sound"], as_json["kind"], as_json["recall_at_10"]) == (True, "exact", 1.0)
    with closing(History.open(indexed.history_url)) as history:
        history.upsert([Case(ticket=Ticket(id="new", subject="New"))], masking_rules="1")
    before = {path: path.stat().st_mtime_ns for path in indexed.index_dir.rglob("*") if path.is_file()}
    said = precedent("index", "verify", *at)
    assert said.code == 0
    assert said.out.splitlines()[0].endswith("at change 30; later changes, which every start takes in: 1.")
    assert {path: path.stat().st_mtime_ns for path in indexed.index_dir.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("other_encoder", [False, True])
def test_a_damaged_snapshot_is_named_and_rebuild_mends_it(indexed: Settings, precedent, other_encoder: bool):
    at = ["--workspace", indexed.workspace]
    snapshot = the_snapshot(indexed)
    if other_encoder:
        snapshot = snapshot.parent.rename(indexed.index_dir / "another") / snapshot.name
        assert precedent("index", "rebuild", *at).code == 0
    (snapshot / "entries.json").write_bytes(b"{}")
    found = precedent("index", "verify", *at)
    assert found.code == 1
    assert found.out.startswith(f"The file entries.json of {snapshot} has SHA-256 ")
    assert found.out.endswith("Mend it with 'precedent index rebuild', and then restart the service if one runs.\n")
    # It said so, and did no more: asked again, it says the same.
    as_json = json.loads(precedent("index", "verify", *at, "--json").out)
    assert as_json["sound"] is False
    assert len(as_json["problems"]) == 1

    assert precedent("index", "rebuild", *at).out.startswith("Rebuilt: 30 cases, snapshot snapshot-")
    assert precedent("index", "verify", *at).code == 0
    assert the_snapshot(indexed) != snapshot


def test_an_index_ahead_of_its_history_is_told_and_rebuild_mends_it(indexed: Settings, precedent):
    at = ["--workspace", indexed.workspace]
    with closing(History.open(indexed.history_url)) as history:
        cases = [stored.case for stored in history.iter_cases()][:10]
    for path in indexed.workspace.glob("history.db*"):
        path.unlink()
    with closing(History.open(indexed.history_url)) as history:
        history.upsert(cases, masking_rules="1")
    found = precedent("index", "verify", *at)
    assert found.code == 1
    assert "The index is at change 30 and the history at 10, as after a restore of an older backup" in found.out
    assert json.loads(precedent("index", "rebuild", *at, "--json").out)["n_cases"] == 10
    assert precedent("index", "verify", *at).code == 0


def test_compact_leaves_no_dead_slots(indexed: Settings, precedent):
    at = ["--workspace", indexed.workspace]
    with closing(History.open(indexed.history_url)) as history:
        history.upsert([Case(ticket=Ticket(id="T-3", subject="Rewritten"))], masking_rules="1")
    assert json.loads(precedent("index", "stats", *at, "--json").out)["n_dead_slots"] == 1
    assert precedent("index", "compact", *at).out.startswith("Compacted: 30 cases, snapshot snapshot-")
    found = json.loads(precedent("index", "stats", *at, "--json").out)
    assert (found["n_dead_slots"], found["snapshot_watermark"]) == (0, 31)


def test_the_bound_in_memory_reaches_every_index(workspace: Settings, monkeypatch: pytest.MonkeyPatch):
    from serving.assemble import assemble, open_index

    monkeypatch.setenv("PRECEDENT_INDEX__MEMORY_MB", "7")
    settings = load_settings(workspace.workspace)
    for is_empty in (False, True):
        with closing(open_index(settings, is_empty=is_empty)) as opened:
            assert opened.index._limits.memory_bytes == 7 * 1024**2
    with closing(assemble(settings)) as served:
        assert served.suggester.index._limits.memory_bytes == 7 * 1024**2
