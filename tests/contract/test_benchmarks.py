"""Every public benchmark on tiny folders of the same layouts, with the hashing encoder: all keys, on any content."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cli.main import cli

FIRST = datetime(2020, 1, 1, tzinfo=UTC)
TOPICS = {
    "login": ["password", "sso", "token", "session", "denied"],
    "billing": ["invoice", "refund", "payment", "vat", "receipt"],
    "export": ["csv", "file", "column", "download", "encoding"],
}
FILLER = ["please", "again", "since", "today", "customer", "team", "after", "update", "cannot", "page"]
METHOD = {"recall@1", "recall@5", "recall@10", "mrr", "ci95"}
AUTOMATE = {"coverage", "accuracy"}


def texts(topic: str, n: int, seed: int) -> Iterator[str]:
    generator = np.random.default_rng(seed)
    for _ in range(n):
        words = [*generator.choice(TOPICS[topic], 3), *generator.choice(FILLER, 5), f"case{generator.integers(10_000)}"]
        yield " ".join(str(word) for word in generator.permutation(words))


def write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def write_split_tickets(folder: Path) -> None:
    rows = []
    for seed, (part, n) in enumerate((("train", 60), ("tune", 15), ("calibration", 25))):
        for topic in TOPICS:
            rows += [{"text": text, "category": topic, "split": part} for text in texts(topic, n, seed)]
    write_rows(folder / "tickets.jsonl.gz", [{"id": number, **row} for number, row in enumerate(rows)])


def write_intents(folder: Path, *, outside: bool) -> None:
    for seed, (part, n) in enumerate((("train", 40), ("test", 10), ("val", 10))):
        if part == "val" and not outside:
            continue
        rows = [{"text": text, "label": topic} for topic in ("login", "billing") for text in texts(topic, n, seed)]
        write_rows(folder / f"{part}.jsonl.gz", rows)
    if outside:
        for part in ("oos_val", "oos_test"):
            write_rows(folder / f"{part}.jsonl.gz", [{"text": t, "label": "oos"} for t in texts("export", 12, 9)])


def write_issues(folder: Path) -> None:
    """Two projects over 300 days; every sixth issue repeats one of some days before."""
    generator = np.random.default_rng(0)
    rows, pairs = [], []
    levels = ["Blocker", "Critical", "Major", "Major", "Minor", "Trivial"]
    for day in range(300):
        topic = list(TOPICS)[day % 2]
        project = "ABC" if topic == "login" else "XYZ"
        text = next(texts(topic, 1, day))
        if day % 6 == 5:
            text = rows[day - 4]["summary"] + " still"
            pairs.append((rows[day - 4], day))
        created = FIRST + timedelta(days=day)
        rows.append(
            {
                "key": f"{project}-{day}",
                "project": project,
                "created": created.isoformat(),
                "resolved": (created + timedelta(days=2)).isoformat(),
                "priority": str(generator.choice(levels)),
                "components": [f"part{day % 4 // 2}"],
                "reporter": "ann",
                "summary": text,
                "description": f"{text} and more",
            }
        )
    write_rows(folder / "issues.jsonl.gz", rows)
    with (folder / "duplicate_pairs.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["query_key", "target_key", "identical_summary", "query_mentions_target"])
        writer.writeheader()
        for target, day in pairs:
            key = rows[day]["key"]
            writer.writerow(
                {
                    "query_key": key,
                    "target_key": target["key"],
                    "identical_summary": day % 4 // 3,
                    "query_mentions_target": 0,
                }
            )


def write_incidents(folder: Path) -> None:
    impacts = ["critical", "major", "minor", "minor", "none", "maintenance"]
    words = ["outage", "errors", "slow", "delayed", "notice", "planned"]
    rows = []
    for day in range(120):
        at = FIRST + timedelta(days=day)
        rows.append(
            {
                "id": str(day),
                "title": f"Incident with {words[day % 6]}",
                "first_update": next(texts("login", 1, day)) if day % 7 else None,
                "impact": impacts[day % 6],
                "started_at": at.isoformat(),
                "resolved_at": (at + timedelta(hours=3)).isoformat(),
            }
        )
    write_rows(folder / "incidents.jsonl.gz", rows)


def write_runbooks(folder: Path) -> None:
    folder.mkdir(parents=True)
    with tarfile.open(folder / "team.tar.gz", "w:gz") as archive:
        for topic, words in TOPICS.items():
            text = f"# {topic}\n\n## Meaning\nAbout {' '.join(words)}.\n\n## Fix\nRestart {words[0]}.\n".encode()
            info = tarfile.TarInfo(f"{topic}/README.md" if topic == "login" else f"{topic}.md")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    alerts = [
        {"title": f"About {' '.join(words)}.", "description": "{{ $labels.pod }}", "runbook": f"{topic}.md"}
        for topic, words in TOPICS.items()
        if topic != "login"
    ]
    alerts += [{"title": "Password denied", "description": "", "runbook": "login/README.md"}]
    alerts += [{"title": "Nothing linked", "description": "", "runbook": None}]
    write_rows(folder / "team-alerts.jsonl.gz", alerts)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a subfolder of every layout, named like none of the public ones."""
    root = tmp_path_factory.mktemp("data")
    write_split_tickets(root / "mails")
    write_intents(root / "intents", outside=False)
    write_intents(root / "intents_outside", outside=True)
    (root / "issues").mkdir()
    write_issues(root / "issues")
    write_incidents(root / "incidents")
    write_runbooks(root / "books")
    (root / "unrelated").mkdir()
    return root


Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a benchmark with the hashing encoder and give its JSON."""
    workspace = tmp_path_factory.mktemp("workspace")
    (workspace / "precedent.toml").write_text('encoder = "hashing"\n')

    def run_json(*arguments: object) -> dict[str, Any]:
        given = [str(argument) for argument in arguments]
        result = CliRunner().invoke(cli, ["benchmark", *given, "--workspace", str(workspace), "--json"])
        assert result.exit_code == 0, result.stderr
        parsed: dict[str, Any] = json.loads(result.stdout, parse_constant=pytest.fail)  # NaN is no JSON
        return parsed

    return run_json


@pytest.fixture(scope="module")
def everything(run: Run, root: Path) -> dict[str, Any]:
    """Every task on every folder, by default options."""
    return run("all", "--data", root)


CATEGORY_KEYS = {
    "n_train", "n_test", "n_classes", "accuracy", "macro_f1", "ece", "ece_null_p95", "automate", "automate_per_class",
    "unseen_class_rows", "test_no_near_duplicate", "floors", "seconds", "ci95",
}  # fmt: skip


def check_category(result: dict[str, Any]) -> None:
    assert set(result) >= CATEGORY_KEYS
    for kind in ("automate", "automate_per_class"):
        assert set(result[kind]) == {"0.90", "0.95"}
        assert all(set(figures) >= AUTOMATE for figures in result[kind].values())
    assert set(result["floors"]) == {"tfidf_svm", "frozen_embeddings"}
    assert all(set(figures) == {"accuracy", "macro_f1"} for figures in result["floors"].values())
    low, high = result["ci95"]["accuracy"]
    assert low <= result["accuracy"] <= high


def test_all_runs_every_task_on_every_folder_that_fits(everything: dict[str, Any]):
    assert {task: sorted(folders) for task, folders in everything.items()} == {
        "category": ["intents", "intents_outside", "issues", "mails"],
        "severity": ["incidents", "issues"],
        "similar": ["issues"],
        "runbooks": ["books"],
    }
    for result in everything["category"].values():
        check_category(result)
        assert result["on"] == "tune"
    for result in everything["severity"].values():
        assert result["on"] == "test"


def test_category_on_a_published_split(run: Run, everything: dict[str, Any], root: Path):
    tune = everything["category"]["mails"]
    test = run("category", "--data", root / "mails", "--on", "test")
    check_category(test)
    assert (tune["n_test"], tune["n_train"]) == (45, 180)
    assert test["n_test"] == pytest.approx(18, abs=1), "a tenth of train, where there are no test rows"
    assert test["n_train"] == 180 - test["n_test"] + 45, "refitted on train and tune"
    assert test["accuracy"] > 0.9


def test_category_by_folds_and_out_of_scope(run: Run, everything: dict[str, Any], root: Path):
    plain = everything["category"]["intents"]
    assert "oos_auroc" not in plain
    assert (plain["n_train"], plain["n_test"]) == (64, 16), "one fold of five, where there are no val rows"
    outside = run("category", "--data", root / "intents_outside", "--on", "test")
    check_category(outside)
    assert (outside["n_train"], outside["n_test"], outside["n_classes"]) == (80, 20, 2)
    figures = {"oos_auroc", "in_scope_accuracy", "oos_recall"}
    assert set(outside) >= figures
    assert set(outside["ci95"]) >= figures
    assert outside["oos_auroc"] > 0.7
    assert outside["in_scope_accuracy"] <= outside["accuracy"]


def test_category_of_issues_by_time(run: Run, everything: dict[str, Any], root: Path):
    by_project = everything["category"]["issues"]
    assert (by_project["n_test"], by_project["n_train"]) == (48, 144), "the newest fifth of the older four"
    by_component = run(
        "category", "--data", root / "issues", "--label", "component", "--project", "ABC", "--on", "test"
    )
    check_category(by_component)
    assert by_component["n_test"] == 30


def test_a_copy_of_a_ticket_that_only_calibrates_is_a_near_duplicate_too(run: Run, root: Path, tmp_path: Path):
    with gzip.open(root / "issues" / "issues.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    # Of 300 days the last 60 are tested, and the 60 before calibrate; their labels vote.
    for day in range(240, 270):
        rows[day] |= {name: rows[day - 60][name] for name in ("summary", "description")}
    write_rows(tmp_path / "issues.jsonl.gz", rows)
    found = run("category", "--data", tmp_path, "--on", "test")
    assert (found["n_train"], found["n_test"], found["n_no_near_duplicate"]) == (180, 60, 30)


def test_severity_of_issues_and_incidents(everything: dict[str, Any]):
    keys = {
        "macro_f1",
        "quadratic_kappa",
        "mean_absolute_error",
        "expected_cost",
        "evened",
        "without",
        "sev1",
        "floors",
        "ci95",
    }
    sev1 = {
        "target_recall", "confidence", "n_calibration_sev1", "certified", "recall", "recall_ci95", "alert_rate",
        "tfidf_alert_rate_at_equal_recall",
    }  # fmt: skip
    for folder, n_test in (("issues", 60), ("incidents", 20)):
        result = everything["severity"][folder]
        assert set(result) >= keys
        assert set(result["sev1"]) >= sev1
        assert set(result["evened"]) == {"macro_f1", "quadratic_kappa"}
        assert {"words", "nearest_cases", "record_of_reporter", "form"} < set(result["without"])
        assert set(result["floors"]) == {"majority", "best_constant", "tfidf_svm", "tfidf_lr_cost"}
        assert result["n_test"] == n_test
        assert not result["sev1"]["certified"], "59 Sev1s are needed, and there are fewer"
    assert everything["severity"]["incidents"]["macro_f1"] > 0.8, "the title of these incidents says it all"


def test_similar_cases(run: Run, everything: dict[str, Any], root: Path):
    result = everything["similar"]["issues"]
    assert (result["n_queries"], result["n_test"]) == (50, 20)
    assert result["test_queries_in_a_training_cluster"] == 0
    assert set(result["all"]) == {"n", "lexical", "dense", "untrained"}
    for part in ("test", "test_hard", "test_resolved"):
        assert set(result[part]) == {"n", "lexical", "dense", "untrained", "fused"}
        assert all(set(result[part][method]) == METHOD for method in ("lexical", "dense", "untrained", "fused"))
    assert 0 < result["test_hard"]["n"] < result["test"]["n"]
    assert set(result["gain"]) == {"untrained", "fused"}
    assert set(result["gain"]["fused"]) == {"over", "mean", "ci95"}
    assert set(result["search_ms"]) == {"p50", "p99"}
    assert set(result["strong"]) >= {"precision", "shown_for_unlinked"}
    assert result["ranker_trained"]
    assert result["test"]["fused"]["recall@10"] == 1.0
    one = run("similar", "--data", root / "issues", "--project", "XYZ")
    assert one["n_tickets"] == 150


def test_runbooks(everything: dict[str, Any]):
    corpus = everything["runbooks"]["books"]["corpora"]["team"]
    assert corpus["n"] == 3
    assert (corpus["specific"]["n"], corpus["not_verbatim"]["n"]) == (2, 1)
    for part in (corpus, corpus["specific"], corpus["not_verbatim"]):
        for method in ("lexical", "dense", "fused"):
            assert set(part[method]) == {"recall@1", "recall@3", "mrr", "ci95"}
    assert corpus["fused"]["recall@1"] == 1.0


def test_a_run_is_repeatable(run: Run, everything: dict[str, Any], root: Path):
    again = run("category", "--data", root / "intents_outside")
    first = everything["category"]["intents_outside"]
    assert {name: value for name, value in again.items() if name != "seconds"} == {
        name: value for name, value in first.items() if name != "seconds"
    }


@pytest.mark.slow
def test_the_encoder_can_be_tuned_on_the_training_rows_first(run: Run, root: Path):
    made = run("category", "--data", root / "intents", "--tune-encoder", "--tune-minutes", "0.02")
    tuning = made["encoder_tuning"]
    assert made.keys() >= CATEGORY_KEYS
    assert tuning["steps"] >= 1
    n_deciding = tuning["base"]["n_category"]
    assert n_deciding == tuning["tuned"]["n_category"]
    assert made["n_train"] / 20 < n_deciding < made["n_train"] / 5, "a tenth, with groups of near-duplicates whole"
    assert tuning["kept"] is (tuning["tuned"]["accuracy"] > tuning["base"]["accuracy"])


def test_the_table_is_for_people(precedent: Callable[..., Any], root: Path, tmp_path: Path):
    (tmp_path / "precedent.toml").write_text('encoder = "hashing"\n')
    result = precedent("benchmark", "runbooks", "--data", root / "books", "--workspace", tmp_path)
    assert result.code == 0
    assert "fused" in result.out
    assert "recall@3" in result.out
    assert "embed" in result.err, "what goes on is on standard error"


def test_the_sev1_promise_of_a_history_too_small_to_promise(run: Run, root: Path):
    result = run("sev1-promise", "--data", root / "issues", "--fits", 2, "--draws", 5)
    assert (result["n_tickets"], result["n_sev1"]) == (300, 50)
    assert [result[kind]["n_draws"] for kind in ("whole_fits", "split", "known_recall")] == [2, 6, 6]
    assert all(result[kind]["n_certified"] == 0 for kind in ("whole_fits", "split", "known_recall"))
    assert all(result[kind]["share_broken"] is None for kind in ("whole_fits", "split", "known_recall"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["similar", "--data", "mails"], "holds no files of a layout that the similar benchmark reads"),
        (["all", "--data", "mails"], "is of a layout that a benchmark reads"),
        (["category", "--data", "issues", "--label", "component"], "needs --project"),
        (["category", "--data", "mails", "--project", "ABC"], "has no issues.jsonl.gz"),
        (["severity", "--data", "issues", "--project", "NOPE"], "no issue of project 'NOPE'"),
        (["category", "--data", "nowhere"], "does not exist"),
        (["similar", "--data", "issues", "--tune-encoder"], "is for the category benchmark, not for similar"),
        (["severity", "--data", "issues", "--draws", "5"], "are for sev1-promise, not for severity"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_way_out(
    precedent: Callable[..., Any], root: Path, tmp_path: Path, arguments: list[str], message: str
):
    (tmp_path / "precedent.toml").write_text('encoder = "hashing"\n')
    given = [str(root / part) if arguments[i - 1] == "--data" else part for i, part in enumerate(arguments)]
    result = precedent("benchmark", *given, "--workspace", tmp_path)
    assert result.code != 0
    assert message in result.err
    assert not result.out
