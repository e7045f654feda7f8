"""Labels from the history to the answer: cleaned when read, told in the run, answered by level."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from evaluation.backtest import Backtest
from evaluation.dataset import LabelledRows
from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.history import History
from features.release import load_release
from features.settings import Settings
from features.sources.base import Row
from features.taxonomy import Taxonomy
from features.taxonomy_file import load_taxonomy, workspace_taxonomy
from features.ticket import Case, Outcome, Ticket
from serving.neighbours import Neighbours
from serving.schemas import Action, SeverityAnswer, TargetAnswer
from serving.triage import Prediction, Triage
from training.comparison import score_rows
from training.data import TrainingData, load_training_data
from training.label_notes import label_notes, label_record
from training.parents import parent_holds, parent_notes

if TYPE_CHECKING:
    from conftest import CommandResult

FILE = """
[category]
labels = ["Access > Login", "Access > Roles", "Sync", "API > Limits", "API > Errors"]
retired = ["Misc"]
[category.merged]
"Sign-in" = "Access > Login"
[targets.area]
retired = ["EU"]
"""
ENCODER = HashingEncoder()


@pytest.fixture
def taxonomy(tmp_path: Path) -> Taxonomy:
    (tmp_path / "taxonomy.toml").write_text(FILE)
    return load_taxonomy(tmp_path / "taxonomy.toml")


def loaded(path: Path, *labels: str | None, taxonomy: Taxonomy | None = None, area: str = "eu") -> TrainingData:
    cases = [
        Case(
            ticket=Ticket(id=f"T-{number}", subject=f"export {number} fails"),
            outcome=Outcome(category=label, targets={"area": area, "team": "Data"}),
        )
        for number, label in enumerate(labels)
    ]
    with closing(History.open(f"sqlite:///{path}")) as history:
        history.upsert(cases, masking_rules="1")
        return load_training_data(history, ENCODER, taxonomy=taxonomy)


# Reading


def test_rows_have_clean_labels_and_cases_what_the_source_said(tmp_path: Path, taxonomy: Taxonomy):
    data = loaded(tmp_path / "h.db", "access>login", "sign-in", "Misc > Old", "Coffee", None, "SYNC", taxonomy=taxonomy)
    assert data.rows.categories == ("Access > Login", "Access > Login", None, None, None, "Sync")
    assert data.rows.targets == {"area": (None,) * 6, "team": ("Data",) * 6}
    assert [stored.case.outcome.category for stored in data.cases][:2] == ["access>login", "sign-in"]


def test_without_a_file_spelling_alone_makes_no_second_label(tmp_path: Path):
    data = loaded(tmp_path / "h.db", "Sync", "sync", "SYNC", "sync", "A>b", "A > B")
    assert data.rows.categories == ("sync", "sync", "sync", "sync", "A > B", "A > B")


def test_the_hash_is_of_the_labels_that_are_learned_from(tmp_path: Path, taxonomy: Taxonomy):
    plain = loaded(tmp_path / "1.db", "Sync", "Sign-in")
    assert loaded(tmp_path / "2.db", "Sync", "Sign-in", taxonomy=taxonomy).content_hash != plain.content_hash
    merged = loaded(tmp_path / "3.db", "Sync", "Sign-in", taxonomy=taxonomy)
    assert merged.content_hash == loaded(tmp_path / "4.db", "sync", "Access > Login", taxonomy=taxonomy).content_hash
    assert loaded(tmp_path / "5.db", "Sync", "Sign-in", area="us").content_hash != plain.content_hash


def test_a_taxonomy_that_answers_no_label_of_the_history_says_so(tmp_path: Path, taxonomy: Taxonomy):
    with pytest.raises(NotEnoughData, match=r"None of the 3 tickets with a category .* frequent is 'Tea'\): mend"):
        loaded(tmp_path / "h.db", "Tea", "Coffee", "Tea", taxonomy=taxonomy)


def test_what_cleaning_did_is_told(tmp_path: Path):
    (tmp_path / "taxonomy.toml").write_text(FILE + "[targets.tema]\nretired = ['x']\n")
    named = load_taxonomy(tmp_path / "taxonomy.toml")
    labels = loaded(
        tmp_path / "h.db", "sync", "Sync", "sync", "Sign-in", "Misc", "Misc", "Tea", "Coffee", "Tea", taxonomy=named
    ).labels
    assert list(label_notes(labels)) == [
        "Of category, 1 label (1 ticket) merged by the taxonomy: Sign-in → Access > Login (1).",
        "Of category, 1 label (2 tickets) written as most tickets or the taxonomy have it: sync → Sync (2).",
        "Of category, 1 label (2 tickets) retired, not learned from: Misc (2).",
        "Of category, 2 labels (3 tickets) outside the taxonomy, not learned from: Tea (2), Coffee (1).",
        "Of area, 1 label (9 tickets) retired, not learned from: eu (9).",
        "The taxonomy names a target 'tema', which no ticket has.",
    ]
    assert label_record(labels) == {
        "category": {
            "classes": {"Access > Login": {"Sign-in": 1}, "Sync": {"Sync": 1, "sync": 2}},
            "retired": {"Misc": 2},
            "outside": {"Coffee": 1, "Tea": 2},
        },
        "targets": {
            "area": {"classes": {}, "retired": {"eu": 9}, "outside": {}},
            "team": {"classes": {"Data": {"Data": 9}}, "retired": {}, "outside": {}},
        },
    }


def test_what_the_taxonomy_names_in_vain_is_told_by_train_and_by_the_doctor(
    tmp_path: Path,
    precedent: Callable[..., CommandResult],
    make_workspace: Callable[[list[Row]], Settings],
    samples: tuple[Row, ...],
):
    settings = make_workspace(list(samples[:20]))
    known = str(samples[0].case.outcome.category)
    settings.taxonomy_path.write_text(
        f"[category]\nretired = ['Fax machines', '{known}']\n[category.merged]\n'Sigle  sign-on' = 'SSO'\n"
        "[targets.tema]\nretired = ['x']\n"
    )
    notes = list(label_notes(training_data(settings).labels))
    assert (
        "The taxonomy merges or retires 'Fax machines', 'Sigle sign-on' of category, which no ticket has: check the "
        "spelling."
    ) in notes
    looked = precedent("doctor", "--workspace", settings.workspace)
    assert looked.code == 0
    lines = looked.out.splitlines()
    [first, second] = [number for number, line in enumerate(lines) if " taxonomy: " in line]
    assert lines[first].startswith("warn ")
    assert lines[first].endswith("1 merged, 2 retired; no ticket has 'Fax machines', 'Sigle sign-on'")
    assert lines[first + 1].endswith("mend the spelling, or remove them")
    assert lines[second].startswith("warn ")
    assert lines[second].endswith("tema: any label, 0 merged, 1 retired; no ticket has that target")

    settings.taxonomy_path.write_text(f"[category]\nretired = ['{known}']\n")
    assert "ok     taxonomy: " in precedent("doctor", "--workspace", settings.workspace).out


def test_labels_that_are_clean_are_not_talked_about(tmp_path: Path):
    assert list(label_notes(loaded(tmp_path / "h.db", "Sync", "Login", None).labels)) == []


# Scoring

SEVERITY = SeverityAnswer(
    value=None, most_likely=None, confidence=0.0, action=Action.ABSTAIN, sev1_flag=False, sev1_risk=0.0
)


def backtest_of(*rows: tuple[str | None, TargetAnswer]) -> Backtest:
    truths = tuple(truth for truth, _ in rows)
    predictions = tuple(Prediction(category=answer, severity=SEVERITY, targets={}, novel=False) for _, answer in rows)
    return Backtest(LabelledRows((), truths, (), {}), predictions, None, None)


def test_a_parent_is_right_for_every_label_below_it_learned_or_not():
    parent = TargetAnswer(value="Access", confidence=0.8, action=Action.SUGGEST, is_parent=True)
    leaf = TargetAnswer(value="Access", confidence=0.8, action=Action.SUGGEST)
    result = backtest_of(
        ("access > New", parent), ("Access", parent), ("Accessories", parent), (None, parent), ("A", leaf)
    )
    assert [parent_holds(result, row, Taxonomy()) for row in range(5)] == [True, True, False, False, False]
    assert list(parent_notes(result, Taxonomy())) == [
        "Of 4 test tickets with a category, 3 were answered with the parent of several labels, 2 of them rightly."
    ]
    assert list(parent_notes(backtest_of(("A", leaf)), Taxonomy())) == []


# The whole way

SOURCE = {
    "SSO and login": ("Access > SSO", "access>sso", "Access > SSO", "Single sign-on"),
    "User provisioning": ("Access > Provisioning",),
    "Permissions": ("Access > Permissions",),
    "Billing and metering": ("Money > Metering",),
    "Invoicing and payment": ("Money > Invoices", "Money"),
    "Mobile app": ("Mobile > App",),
}
WHOLE_FILE = """
[category]
labels = ["Access > SSO", "Access > Provisioning", "Access > Permissions", "Money", "Money > Metering",
          "Money > Invoices", "Webhooks", "Deployment and agent", "Data sync", "API errors", "Rate limits"]
retired = ["Mobile"]
[category.merged]
"Single sign-on" = "Access > SSO"
"""


def test_from_the_history_to_the_answer(
    precedent: Callable[..., CommandResult],
    make_workspace: Callable[[list[Row]], Settings],
    samples: tuple[Row, ...],
    tmp_path: Path,
):
    settings = make_workspace([with_source_label(number, row) for number, row in enumerate(samples[:300])])
    settings.taxonomy_path.write_text(WHOLE_FILE)
    (tmp_path / "params.toml").write_text("max_terms = 1000\nsuggest_precision = 0.5\nsuggest_at_least = 0.95\n")
    at = ["--workspace", settings.workspace]
    assert "category: 11 labels, 1 merged, 1 retired" in precedent("doctor", *at).out
    made = precedent("train", "--params", tmp_path / "params.toml", *at, "--json")
    assert made.code == 0, made
    told = json.loads(made.out)
    assert "merged by the taxonomy: Single sign-on → Access > SSO" in told["notes"][0]
    assert told["labels"]["category"]["retired"].keys() == {"Mobile > App"}
    assert "Data loss" in told["labels"]["category"]["outside"]
    reported = json.loads((Path(told["report"]) / "misclassification.json").read_text())["category"]["relabelled"]
    became = {each["label"]: (each["fate"], each["became"]) for each in reported}
    assert became["Single sign-on"] == ("merged", "Access > SSO")
    assert became["Mobile > App"] == ("retired", None)
    assert became["Data loss"] == ("outside", None)

    release = load_release(Path(told["folder"]))
    assert release.json("labels") == told["labels"]
    allowed = set(load_taxonomy(settings.taxonomy_path).category.spellings.values())
    triage = Triage.from_release(release)
    assert triage.category is not None
    assert set(triage.category.classes) <= allowed
    assert {parent.value for parent in triage.category.parents} == {"Access", "Money"}

    # Asked without neighbours, every ticket would be unlike history.
    triage = replace(triage, novelty=None)
    nobody = Neighbours(np.empty((300, 0), np.float32), np.empty((300, 0), np.int64), {})
    answers = [each.category for each in triage.predict(training_data(settings).rows.examples, nobody)]
    parents = [answer for answer in answers if answer.is_parent]
    assert parents
    assert {answer.action for answer in parents} == {Action.SUGGEST}
    assert {answer.value for answer in answers} <= allowed | {"Access", None}
    assert {each.value for answer in answers for each in answer.alternatives} <= allowed

    assert precedent("promote", *at).code == 0
    assert precedent("suggest", "--subject", "Cannot log in with SAML", *at, "--json").code == 0

    # What the release answers counts as the label that stands for it by now.
    settings.taxonomy_path.write_text("[category]\nmerged = {Webhooks = 'Hooks', 'Access > SSO' = 'Access > Login'}\n")
    data = training_data(settings)
    counted = set(score_rows(release, data, range(300)).categories)
    assert {"Hooks", "Access > Login"} <= counted <= {"Hooks", "Access > Login"} | allowed
    assert not {"Webhooks", "Access > SSO"} & counted


def with_source_label(number: int, row: Row) -> Row:
    category = str(row.case.outcome.category)
    labels = SOURCE.get(category, (category,))
    outcome = replace(row.case.outcome, category=labels[number % len(labels)])
    return replace(row, case=replace(row.case, outcome=outcome))


def training_data(settings: Settings) -> TrainingData:
    with closing(History.open(settings.history_url)) as history:
        return load_training_data(history, ENCODER, taxonomy=workspace_taxonomy(settings))


def test_a_wrong_taxonomy_stops_training_and_is_found_by_the_doctor(
    precedent: Callable[..., CommandResult], make_workspace: Callable[[list[Row]], Settings]
):
    settings = make_workspace([])
    settings.taxonomy_path.write_text("[category]\nlabel = []\n")
    looked, tried = (precedent(command, "--workspace", settings.workspace) for command in ("doctor", "train"))
    assert (looked.code, tried.code) == (1, 1)
    assert "WRONG  taxonomy: The taxonomy" in looked.out
    assert "unknown key category.label" in tried.err
