"""The training job on a small history: what it leaves in the workspace, and what never gets there."""

from __future__ import annotations

import json
import pickletools
import re
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cli.demo import _learned_champion
from features.case_index import DenseLimits
from features.encoder import load_encoder
from features.errors import (
    Conflict,
    NotEnoughData,
    Refused,
    ReleaseRefused,
    SourceUnreadable,
    UnknownField,
    UnknownRelease,
)
from features.history import History
from features.release import current_release_id, load_release, point_current
from features.settings import Settings
from features.sources.base import Row
from serving.triage import Triage
from training.comparison import evaluate_release
from training.data import load_training_data
from training.export import export_page, read_report
from training.params import TrainingParams
from training.parts import release_parts
from training.promotion import promote, rollback
from training.recipe import SEARCH_JSON
from training.reporting import _metric_name
from training.run import encoder_folder, fit, train
from training.tracking import CHALLENGER, CHAMPION, MODEL_NAME, Tracker

if TYPE_CHECKING:
    from conftest import CommandResult, Trained

PARAMS = TrainingParams(max_terms=1_000)


def run_training(settings: Settings, params: TrainingParams = PARAMS):
    return train(settings, params, say=lambda _: None, bar=lambda *_: None)


# What a run leaves


def test_the_release_loads_and_says_what_it_was_made_of(trained: Trained):
    release = load_release(trained.better.folder)
    assert Triage.from_release(release).category is not None
    data = release.manifest["data"]
    assert data["n_tickets"] == 654
    assert (data["first"][:7], data["last"][:4]) == ("2025-01", "2026")
    assert re.fullmatch(r"[0-9a-f]{64}", data["hash"])
    assert release.manifest["encoder"] == load_encoder(release.encoder_folder).fingerprint
    assert release.json("params")["max_terms"] == 4_000
    assert release.json("params")["costs"][0] == [0.0, 5.0, 20.0, 50.0]
    assert release.json("metrics")["category_accuracy"] > 0.5


def test_mlflow_has_the_run_the_version_and_the_alias(trained: Trained):
    from mlflow import MlflowClient

    tracker = Tracker(trained.settings)
    assert tracker.release_of(CHALLENGER) == trained.better.release_id
    assert tracker.release_of(CHAMPION) is None
    recorded = trained.better.recorded
    client = MlflowClient(recorded.tracking_uri, recorded.tracking_uri)
    run = client.get_run(recorded.run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["svm_c"] == "0.5"
    assert "50.0" in run.data.params["costs"]
    assert run.data.tags["data_hash"] == load_release(trained.better.folder).manifest["data"]["hash"]
    assert run.data.metrics["category_macro_f1"] == pytest.approx(trained.better.report.category.scores.macro_f1)
    severity = trained.better.report.severity
    assert severity is not None
    assert run.data.metrics["severity_expected_cost"] == pytest.approx(severity.cost.release)
    assert run.data.metrics["severity_ece"] == pytest.approx(severity.calibration.ece)
    assert run.data.metrics["sev1_risk_ece"] == pytest.approx(severity.sev1_risk.ece)
    assert any(name.startswith("category_f1/") for name in run.data.metrics), "figures of each class"
    version = client.get_model_version(MODEL_NAME, recorded.version)
    assert version.tags["release"] == trained.better.release_id
    artifacts = {item.path for item in client.list_artifacts(recorded.run_id, "report")}
    assert artifacts == {"report/misclassification.html", "report/misclassification.json"}


@pytest.mark.parametrize(
    "label", ["..", ".", "a/b", "a//b", "", " ", "-", "a:b", "x\u2028y", "\t", "é" * 300, "日本語 / テスト", "🔥 fire"]
)
def test_any_label_can_name_a_metric(label: str):
    from mlflow.utils.validation import _validate_metric

    name = _metric_name(label)
    for metric in (f"category_test_tickets/{name}", f"target_{name}_precision/{name}", f"target_{name}_macro_f1"):
        assert len(metric) <= 250
        _validate_metric(metric, 1.0, 1_800_000_000_000, 0)


def test_labels_that_differ_have_metrics_of_their_own():
    labels = ["a/b", "a:b", "a_b", "x" * 150, "x" * 151]
    assert len({_metric_name(label) for label in labels}) == len(labels)


@pytest.mark.slow
def test_a_search_is_recorded_and_used_from_then_on(
    trained_copy: Settings, precedent: Callable[..., CommandResult], tmp_path: Path
):
    def params_of(result: CommandResult) -> dict[str, object]:
        assert result.code == 0, result.err
        params: dict[str, object] = load_release(Path(json.loads(result.out)["folder"])).json("params")
        return params

    file = tmp_path / "params.toml"
    file.write_text("svm_c = 7.0\nmax_terms = 1_000\n")
    workspace = ("--workspace", trained_copy.workspace, "--json")
    searched = precedent("train", "--search", "--params", file, *workspace)
    recipe = tomllib.loads(trained_copy.recipe_path.read_text())
    assert "Tried 36 recipes" in searched.err
    assert recipe.items() <= params_of(searched).items()
    assert recipe["svm_c"] != 7.0, "what is searched for wins over the file"
    assert params_of(searched)["max_terms"] == 1_000
    assert json.loads(trained_copy.recipe_path.with_name(SEARCH_JSON).read_bytes())["chosen"].items() >= recipe.items()

    trained_copy.recipe_path.write_text('machines = "wide"\nuses_vote = false\n')
    later = params_of(precedent("train", "--params", file, *workspace))
    assert (later["machines"], later["uses_vote"], later["svm_c"]) == ("wide", False, 7.0)


def test_training_serves_nothing(trained: Trained):
    assert current_release_id(trained.settings.releases_dir) is None


def test_labels_matter(trained: Trained):
    assert trained.worse.report.category.scores.accuracy < 0.2
    assert trained.better.report.category.scores.accuracy > 0.5


def test_without_severities_training_works_and_says_so(trained: Trained):
    assert "No severity model: the history has no two severities to tell apart." in trained.worse.notes
    triage = Triage.from_release(load_release(trained.worse.folder))
    assert triage.severity is None
    assert trained.better.report.severity is not None
    assert trained.worse.report.severity is None


def test_there_is_no_pickle_anywhere(trained: Trained):
    for path in files(trained.settings.workspace):
        assert path.suffix not in {".pkl", ".pickle", ".joblib", ".pt", ".npy", ".npz"}, path
        assert not is_pickle(path.read_bytes()), path


def test_the_pickle_check_knows_a_pickle():
    import pickle

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert is_pickle(pickle.dumps({"a": [1, "x"]}, protocol))
    assert not is_pickle(b"not a pickle.")
    assert not is_pickle(b'{"a": 1}')


def test_no_text_of_a_ticket_is_outside_the_history(trained: Trained):
    searched = 0
    for path in files(trained.settings.workspace):
        if path.name.startswith("history.db"):
            continue
        content = path.read_bytes().lower()
        searched += 1
        for word in trained.canaries:
            for form in (word.encode(), word.encode("utf-16-le"), word.encode("utf-16-be")):
                assert form not in content, f"{word} in {path}"
    assert searched > 40
    history = b"".join(path.read_bytes() for path in trained.settings.workspace.glob("history.db*"))
    assert all(word.encode() in history for word in trained.canaries), "the words are in the tickets"


def test_a_person_who_exports_the_report_gets_the_texts(trained_copy: Settings, trained: Trained):
    path = export_page(trained_copy, trained.better.release_id)
    assert path.is_relative_to(trained_copy.exports_dir)
    assert trained.canaries[0] in path.read_text(encoding="utf-8")


def test_a_report_that_is_not_there(trained: Trained):
    with pytest.raises(SourceUnreadable, match=r"There is no report of release 'r0' at .*'precedent train' writes one"):
        read_report(trained.settings, "r0")


# Promotion


def test_promotion_sets_the_alias_and_then_the_pointer(trained_copy: Settings, trained: Trained):
    assert promote(trained_copy, None) == trained.better.release_id
    assert current_release_id(trained_copy.releases_dir) == trained.better.release_id
    assert Tracker(trained_copy).release_of(CHAMPION) == trained.better.release_id


def test_a_worse_release_is_refused_unless_forced(trained_copy: Settings, trained: Trained):
    better, worse = trained.better.release_id, trained.worse.release_id
    promote(trained_copy, better)
    seen: list[Any] = []
    with pytest.raises(Refused, match=f"Release {worse} is not promoted: Macro-F1 of category .* is worse than"):
        promote(trained_copy, worse, on_comparison=seen.append)
    assert current_release_id(trained_copy.releases_dir) == better
    assert [result.figure for result in seen[0].results] == ["category", "severity"]
    assert seen[0].results[1].challenger == 0.0, "a champion with severities is not replaced by one without"
    assert promote(trained_copy, worse, force=True) == worse
    assert promote(trained_copy, better, on_comparison=seen.append) == better
    assert seen[1].passed
    assert "is not shown to be worse" in seen[1].reason


def test_rolling_back_goes_back_one_step_each_time(trained_copy: Settings, trained: Trained):
    better, worse = trained.better.release_id, trained.worse.release_id
    with pytest.raises(Conflict, match="no earlier release to go back to"):
        rollback(trained_copy)
    for release_id in (worse, better, worse):
        promote(trained_copy, release_id, force=True)
    assert [rollback(trained_copy), rollback(trained_copy)] == [better, worse]
    with pytest.raises(Conflict, match="no earlier release to go back to"):
        rollback(trained_copy)
    assert Tracker(trained_copy).release_of(CHAMPION) == worse
    promote(trained_copy, better, force=True)
    assert rollback(trained_copy) == worse


def test_rolling_back_after_a_crash_and_a_torn_line(trained_copy: Settings, trained: Trained):
    better, worse = trained.better.release_id, trained.worse.release_id
    promote(trained_copy, worse, force=True)
    # A crash between the pointer and the end of the log's next line.
    point_current(trained_copy.releases_dir, better)
    with (trained_copy.releases_dir / "PROMOTIONS.jsonl").open("a") as log:
        log.write('{"event": "promo')
    assert rollback(trained_copy) == worse


def test_a_release_that_is_gone_is_passed_over_when_rolling_back(trained_copy: Settings, trained: Trained):
    for release_id in (trained.worse.release_id, trained.better.release_id):
        promote(trained_copy, release_id, force=True)
    (trained_copy.releases_dir / trained.worse.release_id / "manifest.json").unlink()
    with pytest.raises(Conflict, match="no earlier release to go back to"):
        rollback(trained_copy)
    assert current_release_id(trained_copy.releases_dir) == trained.better.release_id


def test_an_unknown_release_is_named_with_those_there_are(trained_copy: Settings, trained: Trained):
    with pytest.raises(UnknownRelease, match=f"There is no release 'r0' .*there are: .*{trained.better.release_id}"):
        promote(trained_copy, "r0")


def test_a_damaged_release_is_not_promoted(trained_copy: Settings, trained: Trained):
    path = trained_copy.releases_dir / trained.better.release_id / "category.json"
    path.write_bytes(path.read_bytes().replace(b"classes", b"glasses"))
    with pytest.raises(ReleaseRefused, match=r"is damaged: category\.json does not match"):
        promote(trained_copy, None)
    assert current_release_id(trained_copy.releases_dir) is None


def test_a_champion_of_another_version_does_not_lock_the_workspace(trained_copy: Settings, trained: Trained):
    better, worse = trained.better.release_id, trained.worse.release_id
    promote(trained_copy, worse)
    path = trained_copy.releases_dir / worse / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"format_version": 1}))
    with pytest.raises(ReleaseRefused, match=r"cannot be compared with the champion: .* format version 1 .*--force"):
        promote(trained_copy, better)
    assert _learned_champion(trained_copy) is None, "so that the demo trains again"
    assert promote(trained_copy, better, force=True) == better


def test_evaluation_counts_only_what_was_not_learned_from(trained_copy: Settings, trained: Trained):
    alone = evaluate_release(trained_copy, None)
    assert alone.release_id == trained.better.release_id
    assert alone.comparison is None
    assert alone.n == trained.better.report.n
    assert alone.category is not None
    assert alone.category.accuracy == pytest.approx(trained.better.report.category.scores.accuracy)
    assert alone.to_json()["champion"] is None
    promote(trained_copy, trained.better.release_id)
    beside = evaluate_release(trained_copy, trained.worse.release_id)
    assert beside.comparison is not None
    assert not beside.comparison.passed
    assert beside.to_json()["gate_passed"] is False
    assert beside.severity is None
    assert json.loads(json.dumps(beside.to_json()))["category"]["n"] == beside.n
    assert [line.split(":")[0] for line in beside.lines()] == ["Category"]


def test_mlflow_loads_the_champion_as_a_model_that_answers(
    trained_copy: Settings, trained: Trained, monkeypatch: pytest.MonkeyPatch
):
    promote(trained_copy, None)
    monkeypatch.setenv("PRECEDENT_WORKSPACE", str(trained_copy.workspace))
    import mlflow
    import pandas as pd

    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}@{CHAMPION}")
    ticket = {"subject": "SAML login fails", "description": "Nobody can log in since the certificate was rotated."}
    [answer] = model.predict([ticket])
    assert answer["release"] == trained.better.release_id
    assert answer["category"]["confidence"] > 0
    created = pd.Timestamp("2026-05-04T10:00:00Z")
    frame = pd.DataFrame(
        [{**ticket, "product": None, "version": 3, "created_at": created}, {**ticket, "product": "console"}]
    )
    assert frame["created_at"].isna().tolist() == [False, True]
    first, second = model.predict(frame)
    assert first["category"] == answer["category"]
    assert second["category"]["confidence"] > 0
    with pytest.raises(UnknownField, match="colour"):
        model.predict([{**ticket, "colour": "red"}])


# Too little to learn from


def test_an_empty_history(make_workspace: Callable[[list[Row]], Settings]):
    with pytest.raises(NotEnoughData, match="The history holds no tickets: import some"):
        run_training(make_workspace([]))


def test_twenty_tickets(make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...]):
    with pytest.raises(NotEnoughData, match="There are 20 labelled tickets; training needs at least 40"):
        run_training(make_workspace(list(samples[:20])))


def test_one_category(make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...]):
    rows = [with_labels(row, category="everything") for row in samples[:80]]
    settings = make_workspace(rows)
    with pytest.raises(NotEnoughData, match=r"with a category have 1 distinct value\(s\) \(everything\); .*at least 2"):
        run_training(settings)
    assert not settings.mlflow_dir.exists(), "what cannot be trained is no run"
    assert not settings.releases_dir.exists()


def test_tickets_without_any_label(make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...]):
    rows = [with_labels(row, category=None, severity=None) for row in samples[:80]]
    with pytest.raises(NotEnoughData, match="There are 0 labelled tickets"):
        run_training(make_workspace(rows))


# Reproducible


def test_the_same_data_and_seed_give_the_same_release(
    make_workspace: Callable[[list[Row]], Settings], samples: tuple[Row, ...], tmp_path: Path
):
    settings = make_workspace(list(samples[:200]))
    first, second = (fitted_parts(settings, tmp_path / name) for name in ("first", "second"))
    assert first.keys() == second.keys()
    for name, part in first.items():
        if name.endswith(".json"):
            assert part == second[name], name
        else:
            assert part.keys() == second[name].keys()
            for key in part:
                assert np.array_equal(part[key], second[name][key]), f"{name}: {key}"


def fitted_parts(settings: Settings, index_folder: Path) -> dict[str, Any]:
    encoder = load_encoder(encoder_folder(settings))
    with closing(History.open(settings.history_url)) as history:
        fitted = fit(load_training_data(history, encoder), history, encoder, index_folder, PARAMS, limits=DenseLimits())
    return release_parts(fitted.triage.triage, fitted.learned, fitted.statistics)


def with_labels(row: Row, **labels: Any) -> Row:
    return replace(row, case=replace(row.case, outcome=replace(row.case.outcome, **labels)))


def files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path


def is_pickle(content: bytes) -> bool:
    """Whether bytes are a pickle from the first to the last; text protocols and binary ones alike."""
    if not content.endswith(b"."):
        return False
    try:
        for opcode, _, position in pickletools.genops(content):
            if opcode.name == "STOP":
                return position == len(content) - 1
    except Exception:  # noqa: BLE001  # whatever the parser trips over is no pickle
        return False
    return False
