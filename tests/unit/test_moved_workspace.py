"""A workspace at another path than the one it was made at: restored, copied or moved."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from features.backup import write_backup
from features.registry_tables import artifact_root, champion_of, relocate
from features.release import current_release_id
from features.restore import restore_backup
from features.settings import Settings, load_settings
from training.params import TrainingParams
from training.promotion import promote, rollback
from training.run import train
from training.tracking import CHAMPION, MODEL_NAME, Tracker

if TYPE_CHECKING:
    from conftest import Trained

_COLUMNS = {
    "experiments": "artifact_location",
    "runs": "artifact_uri",
    "logged_models": "artifact_location",
    "model_versions": "storage_location",
}


def addresses(settings: Settings) -> Iterator[str]:
    """Where MLflow says that what we recorded lies."""
    with closing(sqlite3.connect(settings.mlflow_dir / "mlflow.db")) as connection:
        for table, column in _COLUMNS.items():
            for (found,) in connection.execute(f"SELECT {column} FROM {table}"):  # noqa: S608
                if "mlruns" not in found:  # of MLflow's own experiment "Default", which nobody uses
                    yield found


@pytest.fixture
def restored(trained_copy: Settings, trained: Trained, tmp_path: Path) -> Settings:
    """A workspace whose first place is gone, with spaces and signs in the path of the second."""
    promote(trained_copy, trained.worse.release_id)
    write_backup(trained_copy, tmp_path / "backup.zip")
    shutil.rmtree(trained_copy.workspace)
    restore_backup(tmp_path / "backup.zip", tmp_path / "at another" / "pläce, 50%")
    return load_settings(tmp_path / "at another" / "pläce, 50%", {})


def test_a_restored_registry_says_where_things_are_now(restored: Settings, trained: Trained) -> None:
    root = artifact_root(restored.mlflow_dir)
    found = list(addresses(restored))
    assert len(found) == 7  # the experiment, and a run, a model and a version of each release
    assert {address[: len(root)] for address in found} == {root}
    assert champion_of(restored.mlflow_dir / "mlflow.db") == trained.worse.release_id
    assert not relocate(restored.mlflow_dir / "mlflow.db", root), "nothing is left to bring in step"


def test_the_whole_life_of_a_release_goes_on(
    restored: Settings, trained: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRECEDENT_WORKSPACE", str(restored.workspace))
    promote(restored, trained.better.release_id)
    assert rollback(restored) == trained.worse.release_id
    made = train(restored, TrainingParams(max_terms=2_000), say=lambda _: None, bar=lambda *_: None)
    promote(restored, made.release_id, force=True)
    assert current_release_id(restored.releases_dir) == made.release_id == Tracker(restored).release_of(CHAMPION)
    assert {address[: len(artifact_root(restored.mlflow_dir))] for address in addresses(restored)} == {
        artifact_root(restored.mlflow_dir)
    }
    import mlflow

    for version, release_id in (("1", trained.worse.release_id), ("3", made.release_id)):
        model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version}")
        [answer] = model.predict([{"subject": "SAML login fails"}])
        assert answer["release"] == release_id


def test_a_workspace_that_was_only_moved_is_brought_in_step_too(trained_copy: Settings, trained: Trained) -> None:
    """A copy by hand; the fixture's own one is such."""
    root = artifact_root(trained_copy.mlflow_dir)
    assert not any(address.startswith(root) for address in addresses(trained_copy))
    Tracker(trained_copy)
    assert all(address.startswith(root) for address in addresses(trained_copy))


def test_addresses_that_somebody_chose_stay(trained_copy: Settings) -> None:
    database = trained_copy.mlflow_dir / "mlflow.db"
    with closing(sqlite3.connect(database)) as connection:
        before = artifact_root(trained_copy.mlflow_dir)
        relocate(database, before)
        for run, address in (("a", "s3://bucket/runs"), ("b", f"{before}-of-others/run"), ("c", f"{before}/run")):
            connection.execute("INSERT INTO runs (run_uuid, artifact_uri) VALUES (?, ?)", (run, address))
        connection.commit()
        assert relocate(database, "file:///elsewhere")
        query = "SELECT artifact_uri FROM runs WHERE run_uuid IN ('a', 'b', 'c') ORDER BY run_uuid"
        assert [row[0] for row in connection.execute(query)] == [
            "s3://bucket/runs",
            f"{before}-of-others/run",
            "file:///elsewhere/run",
        ]


def test_what_is_no_registry_is_left_alone(tmp_path: Path) -> None:
    assert not relocate(tmp_path / "absent.db", "file:///elsewhere")
    assert not (tmp_path / "absent.db").exists()
    with closing(sqlite3.connect(tmp_path / "empty.db")):
        assert not relocate(tmp_path / "empty.db", "file:///elsewhere")
        assert champion_of(tmp_path / "empty.db") is None
