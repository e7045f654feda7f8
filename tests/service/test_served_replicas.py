"""Two services on one history: what one of them stores or erases, both find or lose within a second."""

from __future__ import annotations

import os
import shutil
import signal
import statistics
from collections.abc import Iterator
from contextlib import closing, contextmanager

import httpx
import pytest

from features.settings import load_settings


@contextmanager
def two_services(workspace, kit, tmp_path, is_folder_shared: bool) -> Iterator[tuple]:
    """With one workspace folder, or with a folder each that names the history of the first."""
    toml = ""
    if is_folder_shared:
        second = workspace
    else:
        shutil.copytree(workspace.workspace, tmp_path / "second")
        second = load_settings(tmp_path / "second", {})
        toml = f'database_url = "{workspace.history_url}"\n'
    with kit.serve(workspace) as first, kit.serve(second, toml) as other:
        other.tokens = first.tokens
        yield first, other


def found(served, words: str) -> list[str]:
    return [case["id"] for case in served.suggest(words, top_k=50).json()["similar_cases"]]


def slowest(services, id_: str, words: str, *, is_there: bool) -> float:
    """Seconds until the last of the services finds a case, or finds it no more."""
    return max(each.eventually(lambda: (id_ in found(each, words)) is is_there, 10.0) for each in services)  # noqa: B023


def is_ready(served) -> bool:
    with served.client() as client:
        try:
            return client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.parametrize("is_folder_shared", [True, False], ids=["one folder", "a folder each"])
def test_both_find_it_within_a_second_and_lose_it_within_a_second(workspace, kit, tmp_path, is_folder_shared: bool):
    seconds = []
    with two_services(workspace, kit, tmp_path, is_folder_shared) as (first, other):
        for number in range(5):
            words = f"Axolotl {number} refuses regeneration"
            id_ = f"A-{number}"
            writer, reader = (first, other) if number % 2 else (other, first)
            stored = writer.post("/v1/cases", {"case": {"id": id_, "subject": words, "status": "resolved"}})
            assert stored.status_code == 200, stored.text
            seconds.append(slowest((reader, writer), id_, words, is_there=True))
            with writer.client() as client:
                assert client.delete(f"/v1/cases/{id_}").status_code == 200
            seconds.append(slowest((reader, writer), id_, words, is_there=False))
    # The machine of the tests is shared, and may stop for a moment.
    assert statistics.median(seconds) < 1.0


def test_one_that_was_killed_has_what_the_other_took_in_meanwhile(workspace, kit, tmp_path):
    with two_services(workspace, kit, tmp_path, True) as (first, other):
        killed = other.worker_pid()
        os.kill(killed, signal.SIGKILL)
        case = {"id": "B-1", "subject": "Bandicoot burrow is flooded", "status": "resolved"}
        assert first.post("/v1/cases", {"case": case}).status_code == 200
        with first.client() as client:
            assert client.delete("/v1/cases/T-3").status_code == 200
        other.eventually(lambda: kit.children(other.process.pid) not in ([], [killed]) and is_ready(other), 20.0)
        assert "B-1" in found(other, "Bandicoot burrow is flooded")
        assert "T-3" not in found(other, "Cannot log in with single sign-on")
    from serving.assemble import open_index

    with closing(open_index(workspace)) as opened:
        assert opened.index.verify(opened.history).is_sound
