"""From evaluated tickets to the lead's report."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from evaluation.report.contents import FORMAT_VERSION, DataWindow, MisclassificationReport, Period
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.misclassification import misclassification_report
from evaluation.report.parts import Floor
from evaluation.report.severity_parts import ConstantCost, Sev1Promise
from evaluation.report.wording import SECTION_NAMES
from features.errors import SourceUnreadable
from features.label_cleaning import LabelCleaning
from features.taxonomy import Fate, LabelRules
from features.ticket import SEVERITIES, Severity
from serving.decision import Thresholds, decide, ranked
from serving.parents import Parent
from serving.schemas import Action, SeverityAnswer, TargetAnswer
from serving.triage import Prediction

CLASSES = ("Billing", "Login", "Mobile")
CATEGORY = Thresholds(suggest=0.5, automate=0.9)
SEVERITY = Thresholds(suggest=0.5, automate=0.9)
COSTS = np.array([[0, 5, 20, 50], [1, 0, 4, 12], [2, 1, 0, 3], [3, 2, 1, 0]], dtype=float)
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = DataWindow(
    train=Period(60, START - timedelta(days=300), START - timedelta(days=60)),
    calibration=Period(20, START - timedelta(days=60), START),
    test=Period(20, START, START + timedelta(days=30)),
)
UNTRAINED = TargetAnswer(value=None, confidence=0.0, action=Action.ABSTAIN, reason="not_trained")


def severity_answer(probabilities: Sequence[float], value: Severity, *, flagged: bool) -> SeverityAnswer:
    order = ranked([str(level) for level in SEVERITIES], np.array(probabilities))
    action = SEVERITY.action(order[0].confidence)
    return SeverityAnswer(
        value=None if action is Action.ABSTAIN else value,
        most_likely=Severity(order[0].value),
        confidence=order[0].confidence,
        action=action,
        sev1_flag=flagged,
        sev1_risk=probabilities[0],
        alternatives=order,
    )


SEV3 = severity_answer([0.02, 0.08, 0.7, 0.2], Severity.SEV3, flagged=False)


def evaluated(
    row_id: int,
    truth: str | None,
    probabilities: Sequence[float],
    *,
    severity: Severity | None = Severity.SEV3,
    answer: SeverityAnswer = SEV3,
    near: bool = False,
) -> EvaluatedTicket:
    category = decide(CLASSES, np.array(probabilities), CATEGORY, never_automate=frozenset({"Mobile"}))
    return EvaluatedTicket(
        row_id=row_id,
        ticket_id=f"T-{row_id}",
        created_at=START + timedelta(days=row_id),
        truth_category=truth,
        truth_severity=severity,
        prediction=Prediction(category=category, severity=answer, targets={}, novel=False),
        cheapest_severity=answer.value or answer.most_likely,
        category_probabilities=dict(zip(CLASSES, probabilities, strict=True)),
        is_near_duplicate=near,
    )


def report_of(rows: Sequence[EvaluatedTicket], **changes: Any) -> MisclassificationReport:
    arguments: dict[str, Any] = {
        "release_id": "r1",
        "data_window": WINDOW,
        "floors": {"category": [Floor("majority", 0.1, 0.1), Floor("tfidf_svm", 0.2, 0.2)]},
        "class_counts": {"category": {"Billing": 30, "Login": 25, "Mobile": 5}, "severity": {"sev3": 60}},
        "thresholds": {"category": CATEGORY, "severity": SEVERITY},
        "class_thresholds": {},
        "costs": COSTS,
        "rare": frozenset({"Mobile"}),
        "sev1": Sev1Promise(0.95, 0.95, 0.3, certified=False, n_positives=4, n_needed=59),
        "category_labels": [],
    }
    return misclassification_report(rows, **(arguments | changes))


RIGHT = [evaluated(row, "Billing", [0.95, 0.04, 0.01]) for row in range(1, 6)]
WRONG = [
    evaluated(6, "Login", [0.55, 0.40, 0.05]),
    evaluated(7, "Login", [0.92, 0.05, 0.03]),
    evaluated(8, "Login", [0.70, 0.20, 0.10], near=True),
    evaluated(9, "Mobile", [0.46, 0.44, 0.10]),
]


def test_first_guess_counts_whether_it_was_shown_or_held_back() -> None:
    report = report_of([*RIGHT, *WRONG])
    assert report.category is not None
    assert report.category.scores.n == 9
    assert report.category.scores.accuracy == pytest.approx(5 / 9)
    assert report.category.scores.accuracy_ci95[0] < 5 / 9 < report.category.scores.accuracy_ci95[1]
    assert report.category.labels == CLASSES
    assert report.category.confusion == ((5, 0, 0), (3, 0, 0), (1, 0, 0))


def test_figures_without_near_duplicates_stand_beside() -> None:
    report = report_of([*RIGHT, *WRONG])
    assert report.n_near_duplicates == 1
    assert report.category is not None
    assert report.category.without_near_duplicates is not None
    assert report.category.without_near_duplicates.n == 8
    alone = report_of(RIGHT).category
    assert alone is not None
    assert alone.without_near_duplicates is None


def test_actions_add_up_and_each_has_its_accuracy() -> None:
    category = report_of([*RIGHT, *WRONG]).category
    assert category is not None
    shares = {share.action: share for share in category.actions}
    assert {action: share.n for action, share in shares.items()} == {
        Action.AUTOMATE: 6,
        Action.SUGGEST: 2,
        Action.ABSTAIN: 1,
    }
    assert shares[Action.AUTOMATE].accuracy == pytest.approx(5 / 6)
    assert shares[Action.SUGGEST].accuracy == 0.0
    assert sum(share.share for share in category.actions) == pytest.approx(1.0)
    assert category.held_back == {"between": 1}


def test_worst_pair_comes_first_with_its_worst_examples_first() -> None:
    category = report_of([*RIGHT, *WRONG]).category
    assert category is not None
    pair = category.pairs[0]
    assert (pair.truth, pair.answer, pair.n, pair.n_truth, pair.n_automated) == ("Login", "Billing", 3, 3, 1)
    assert [example.ticket.ticket_id for example in pair.examples] == ["T-7", "T-8", "T-6"]
    assert pair.examples[0].label_confidence == 0.05
    assert [(guess.value, guess.confidence) for guess in pair.examples[0].others] == [("Mobile", 0.03)]


def test_a_pair_shows_five_examples_at_most_and_counts_all() -> None:
    category = report_of([evaluated(row, "Login", [0.8, 0.1, 0.1]) for row in range(1, 9)]).category
    assert category is not None
    assert category.pairs[0].n == 8
    assert len(category.pairs[0].examples) == 5


def test_labels_that_the_model_is_sure_against_are_ranked_by_confidence() -> None:
    rows = [*RIGHT, *WRONG, evaluated(10, "Mobile", [0.99, 0.005, 0.005])]
    category = report_of(rows).category
    assert category is not None
    doubtful = category.doubtful
    assert [item.ticket.ticket_id for item in doubtful.tickets] == ["T-10", "T-7"]
    assert (doubtful.n_sure, doubtful.n_differ) == (7, 2)
    assert doubtful.n_expected == pytest.approx(5 * 0.05 + 0.08 + 0.01)


def test_classes_tell_what_training_and_test_had() -> None:
    report = report_of([*RIGHT, *WRONG, evaluated(11, "Fax", [0.5, 0.3, 0.2])])
    assert report.category is not None
    classes = {item.label: item for item in report.category.classes}
    assert list(classes) == ["Billing", "Fax", "Login", "Mobile"]
    assert (classes["Mobile"].n_train, classes["Mobile"].n_test, classes["Mobile"].is_rare) == (5, 1, True)
    assert classes["Mobile"].precision is None
    assert classes["Login"].recall == 0.0
    assert report.category.unseen == {"Fax": 1}


def test_a_class_has_the_thresholds_that_are_in_force_for_it() -> None:
    rows = [*RIGHT, *WRONG, evaluated(11, "Fax", [0.5, 0.3, 0.2])]
    own = {"Login": Thresholds(0.4, None), "Mobile": Thresholds(0.6, 0.8)}
    category = report_of(rows, class_thresholds=own).category
    assert category is not None
    assert {item.label: item.thresholds for item in category.classes} == {
        "Billing": CATEGORY,
        "Fax": Thresholds(None, None),  # not learned
        "Login": Thresholds(0.4, None),
        "Mobile": Thresholds(0.6, None),  # rare
    }


@pytest.mark.parametrize(
    ("macro_f1", "title"),
    [
        (1.0, "Severity: a plain method does better than this release"),
        (0.475, "Severity: a plain method does as well as this release"),
        (0.3, None),
    ],
)
def test_a_plain_method_that_tells_severities_is_named(macro_f1: float, title: str | None) -> None:
    rows = [evaluated(row, "Billing", [0.95, 0.04, 0.01], severity=Severity.SEV3) for row in range(1, 30)]
    rows += [evaluated(row, "Billing", [0.95, 0.04, 0.01], severity=Severity.SEV2) for row in range(30, 34)]
    floors = {"category": [], "severity": [Floor("majority", 0.9, 0.2), Floor("tfidf_svm", 0.5, macro_f1)]}
    steps = [step for step in report_of(rows, floors=floors, sev1=None).next_steps if step.title.startswith("Severity")]
    assert [step.title for step in steps] == ([title] if title else [])
    assert all(step.section in SECTION_NAMES for step in steps), "the page has a link there"


def test_automation_of_one_class_is_automation() -> None:
    rows = [evaluated(row, "Billing", [0.98, 0.01, 0.01]) for row in (2, 4, 6)]
    none = {"category": Thresholds(0.5, None), "severity": SEVERITY}
    title = "Nothing is automated yet: give training more labelled tickets"
    assert title in [step.title for step in report_of(rows, thresholds=none, rare=()).next_steps]
    own = {"Billing": CATEGORY}
    steps = report_of(rows, thresholds=none, class_thresholds=own, rare=()).next_steps
    assert title not in [step.title for step in steps]


def graded(row_id: int, truth: Severity, probabilities: Sequence[float], cheapest: Severity) -> EvaluatedTicket:
    answer = severity_answer(probabilities, cheapest, flagged=probabilities[0] >= 0.3)
    row = evaluated(row_id, "Billing", [0.9, 0.1, 0.0], severity=truth, answer=answer)
    return replace(row, cheapest_severity=cheapest)


GRADED = [
    graded(1, Severity.SEV1, [0.6, 0.2, 0.1, 0.1], Severity.SEV1),
    graded(2, Severity.SEV2, [0.1, 0.2, 0.6, 0.1], Severity.SEV2),
    graded(3, Severity.SEV3, [0.0, 0.1, 0.8, 0.1], Severity.SEV3),
    graded(4, Severity.SEV4, [0.1, 0.4, 0.3, 0.2], Severity.SEV2),  # held back: 0.4 is under the threshold
]


def test_cost_of_the_cheapest_level_stands_beside_constants_chosen_on_training_tickets() -> None:
    counts = {"category": {"Billing": 30}, "severity": {"sev1": 1, "sev2": 1, "sev3": 4, "sev4": 4}}
    severity = report_of(GRADED, class_counts=counts).severity
    assert severity is not None
    cost = severity.cost
    assert cost.table == tuple(tuple(line) for line in COSTS.tolist())
    # Sev4 answered as Sev2 costs 2, the others nothing.
    assert cost.release == pytest.approx(2 / 4)
    assert cost.release_ci95[0] < 0.5 < cost.release_ci95[1]
    # In training, always Sev1 costs 1 + 8 + 12, Sev2 5 + 4 + 8 (the least), Sev3 20 + 4 + 4, Sev4 50 + 12 + 12.
    # In the test, always Sev2 costs (5 + 0 + 1 + 2) / 4 and always Sev3 (20 + 4 + 0 + 1) / 4.
    assert cost.best_constant == ConstantCost(Severity.SEV2, 2.0)
    assert cost.majority == ConstantCost(Severity.SEV3, 6.25)


def test_severity_has_its_error_its_kappa_and_its_curves() -> None:
    severity = report_of(GRADED).severity
    assert severity is not None
    # Most likely: Sev1, Sev3, Sev3, Sev2; errors of 0, 1, 0, 2 levels. Squares sum up to 5; by chance to
    # ((0 + 4 + 4 + 1) + (1 + 1 + 1 + 0) + (4 + 0 + 0 + 1) + (9 + 1 + 1 + 4)) / 4 = 8.
    assert severity.mean_absolute_error == pytest.approx(3 / 4)
    assert severity.quadratic_kappa == pytest.approx(1 - 5 / 8)
    found = severity.calibration
    assert [(point.n, point.accuracy) for point in found.curve] == [(4, 0.5)]
    assert found.mean_confidence == pytest.approx((0.6 + 0.6 + 0.8 + 0.4) / 4)
    # A bin a ticket: 0.4 too sure and wrong, 0.6 wrong, 0.6 right, 0.8 right.
    assert found.ece == pytest.approx((0.4 + 0.6 + 0.4 + 0.2) / 4)
    assert found.ece_null_p95 > 0
    risk = severity.sev1_risk
    assert [(point.n, point.confidence, point.accuracy) for point in risk.curve] == [(4, pytest.approx(0.2), 0.25)]
    assert risk.ece == pytest.approx((0.4 + 0.1 + 0.0 + 0.1) / 4)


def test_the_sev1_contract_tells_what_lacks_and_how_the_flag_fared() -> None:
    severity = report_of(GRADED).severity
    assert severity is not None
    flag = severity.flag
    assert flag.promise is not None
    assert (flag.promise.recall, flag.promise.confidence) == (0.95, 0.95)
    assert (flag.promise.certified, flag.promise.n_missing) == (False, 55)
    assert replace(flag.promise, n_positives=80).n_missing == 0
    assert (flag.recall, flag.recall_ci95, flag.alert_rate) == (1.0, (pytest.approx(0.025), 1.0), 0.25)
    # Of one in four the lower bound is where none occurs with a chance of 0.975; the upper one is from a table.
    assert flag.alert_rate_ci95 == (pytest.approx(1 - 0.975**0.25), pytest.approx(0.8059, abs=1e-4))


def test_every_missed_sev1_and_sev2_is_named_the_most_dangerous_first() -> None:
    lower = severity_answer([0.05, 0.2, 0.7, 0.05], Severity.SEV3, flagged=False)
    flagged = severity_answer([0.35, 0.1, 0.55, 0.0], Severity.SEV2, flagged=True)
    silent = severity_answer([0.3, 0.3, 0.4, 0.0], Severity.SEV2, flagged=False)
    caught = severity_answer([0.8, 0.1, 0.1, 0.0], Severity.SEV1, flagged=True)
    rows = [
        evaluated(1, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV1, answer=caught),
        evaluated(2, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV1, answer=flagged),
        evaluated(3, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV1, answer=silent),
        evaluated(4, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV1, answer=lower),
        evaluated(5, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV2, answer=lower),
        evaluated(6, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV3, answer=lower),
    ]
    severity = report_of(rows).severity
    assert severity is not None
    assert [(m.ticket.ticket_id, m.answered, m.risk) for m in severity.missed] == [
        ("T-4", Severity.SEV3, 0.05),
        ("T-3", None, 0.3),
        ("T-2", Severity.SEV2, 0.35),
        ("T-5", Severity.SEV3, 0.25),
    ]
    sev1, sev2 = severity.fates
    assert (sev1.n, sev1.n_high_enough, sev1.n_lower, sev1.n_unanswered, sev1.n_unflagged) == (4, 1, 2, 1, 2)
    assert (sev2.n, sev2.n_lower, sev2.n_unflagged) == (1, 1, 1)
    assert (severity.flag.n_sev1, severity.flag.n_flagged, severity.flag.n_flagged_sev1) == (4, 2, 2)
    assert severity.flag.recall == 0.5
    assert severity.confusion[0] == (1, 1, 1, 0, 1)


def test_steps_put_silent_sev1_before_the_worst_pair() -> None:
    lower = severity_answer([0.05, 0.2, 0.7, 0.05], Severity.SEV3, flagged=False)
    rows = [*RIGHT, *WRONG, evaluated(12, "Billing", [0.9, 0.1, 0.0], severity=Severity.SEV1, answer=lower)]
    steps = report_of(rows).next_steps
    assert len(steps) == 3
    assert steps[0].title == "Read the 1 Sev1 that raised no alarm: T-12"
    assert steps[1].title == "Settle what tells Login from Billing"
    assert "3 of 3 Login tickets went to Billing" in steps[1].why


def test_losing_to_a_plain_method_is_the_first_thing_to_say() -> None:
    floors = {"category": [Floor("majority", 0.1, 0.1), Floor("tfidf_svm", 0.99, 0.99)]}
    step = report_of([*RIGHT, *WRONG], floors=floors).next_steps[0]
    assert step.title.startswith("Don't promote this release")
    assert "a plain word model (TF-IDF, linear SVM) reaches" in step.why


def test_a_faultless_release_has_nothing_to_do_about_categories() -> None:
    promise = Sev1Promise(0.95, 0.95, 0.3, certified=True, n_positives=80, n_needed=59)
    rows = [evaluated(row, "Billing", [0.98, 0.01, 0.01]) for row in (2, 4, 6)]
    assert report_of(rows, rare=frozenset(), sev1=promise).next_steps == ()


def test_without_labels_or_models_the_parts_are_absent() -> None:
    nothing = report_of([])
    assert (nothing.n, nothing.category, nothing.severity, nothing.next_steps) == (0, None, None, ())
    unlabelled = report_of([evaluated(1, None, [0.9, 0.1, 0.0], severity=None)])
    assert unlabelled.n == 1
    assert unlabelled.category is None
    assert unlabelled.severity is None
    untrained = SeverityAnswer(
        value=None, most_likely=None, confidence=0.0, action=Action.ABSTAIN, sev1_flag=False, sev1_risk=0.0
    )
    row = replace(RIGHT[0], prediction=Prediction(category=UNTRAINED, severity=untrained, targets={}, novel=False))
    assert report_of([row]).category is None
    assert report_of([row]).severity is None


def test_labels_that_the_taxonomy_took_away_are_named_the_most_frequent_first() -> None:
    rules = LabelRules(
        merged={("sign-in",): "Login"}, retired=frozenset({("fax",)}), allowed=frozenset({("login",), ("billing",)})
    )
    source = ["Login", "login", "Fax", "Fax > Old", "Fax", "Sign-in", "Coffee", None]
    report = report_of(RIGHT, category_labels=LabelCleaning.of(rules, source).labels())
    assert report.category is not None
    assert [(each.label, each.fate, each.became, each.n_tickets) for each in report.category.relabelled] == [
        ("Fax", Fate.RETIRED, None, 2),
        ("Coffee", Fate.OUTSIDE, None, 1),
        ("Fax > Old", Fate.RETIRED, None, 1),
        ("Sign-in", Fate.MERGED, "Login", 1),
    ]
    assert MisclassificationReport.from_json(report.to_json()) == report
    older = report.to_json()
    del older["category"]["relabelled"]
    assert MisclassificationReport.from_json(older) == report_of(RIGHT)


def test_json_holds_no_text_and_comes_back_the_same() -> None:
    report = report_of([*RIGHT, *WRONG])
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert MisclassificationReport.from_json(data) == report
    assert report.row_ids == (7, 8, 6, 9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format_version": FORMAT_VERSION + 1}, r"format version 3 and this Precedent reads 2; train again"),
        ({"n": "many"}, r"wrong field n \(.*\); train again"),
    ],
)
def test_a_foreign_report_is_refused_with_the_way_out(change: Mapping[str, Any], message: str) -> None:
    with pytest.raises(SourceUnreadable, match=message):
        MisclassificationReport.from_json(report_of(RIGHT).to_json() | change)


def test_order_of_tickets_changes_nothing_that_is_named() -> None:
    rows = [*RIGHT, *WRONG]
    one, other = report_of(rows), report_of(rows[::-1])
    assert one.category is not None
    assert other.category is not None
    assert one.category.pairs == other.category.pairs
    assert one.category.doubtful == other.category.doubtful
    assert one.category.confusion == other.category.confusion


def test_an_answered_parent_is_judged_as_a_parent_and_its_first_guess_as_a_guess():
    leaves = ("Access > Keys", "Access > SSO", "Billing")
    parent = Parent("Access", 1, (0, 1))
    answer = decide(leaves, np.array([0.45, 0.44, 0.11]), CATEGORY, parents=(parent,))
    row = evaluated(1, "Access > SSO", [0.5, 0.4, 0.1])
    row = replace(row, prediction=replace(row.prediction, category=answer), parent_holds=True)
    assert (row.first_guess, row.confidence, row.is_right) == ("Access > Keys", 0.45, True)
    category = report_of([row]).category
    assert category is not None
    suggested = next(share for share in category.actions if share.action is Action.SUGGEST)
    assert (suggested.n, suggested.accuracy) == (1, 1.0)
    assert (category.scores.accuracy, category.calibration.mean_confidence) == (0.0, 0.45)
    assert category.doubtful.n_sure == 0, "the sum of several labels is no sureness of one"
    assert category.pairs[0].examples[0].confidence == 0.45
    assert not replace(row, parent_holds=False).is_right
