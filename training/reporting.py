"""The report of a training run: scored against the floors on the same tickets, kept as figures and ids."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from evaluation.backtest import Backtest
from evaluation.classification import classification_figures
from evaluation.dataset import FittedTriage, LabelledRows
from evaluation.floors import majority, tfidf_svm
from evaluation.near_duplicates import has_near_duplicate
from evaluation.report.contents import DataWindow, MisclassificationReport, Period
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.misclassification import misclassification_report
from evaluation.report.page import render
from evaluation.report.parts import Floor, Scores
from evaluation.report.severity_parts import Sev1Promise, SeverityReport
from features.files import replace_file
from features.settings import Settings
from features.ticket import SEVERITIES, Severity
from training.data import TrainingData
from training.params import TrainingParams
from training.parents import parent_holds
from training.split import Split

REPORT_JSON = "misclassification.json"
REPORT_PAGE = "misclassification.html"
_MAX_METRIC_NAME = 100  # MLflow takes 250 characters; a target and a value of it stand in one name


def build_report(
    data: TrainingData,
    split: Split,
    fitted: FittedTriage,
    tested: Backtest,
    params: TrainingParams,
    *,
    release_id: str,
) -> MisclassificationReport:
    """Report on the test tickets of a training run.

    Parameters
    ----------
    tested : Backtest
        Predictions of the split's test rows, in their order.
    """
    train, test = data.rows.take(split.train), tested.rows
    earlier = data.rows.take([*split.train, *split.calibration])
    near = has_near_duplicate(_texts(earlier), _texts(test))
    triage = fitted.triage
    cheapest = _cheapest(fitted, tested)
    thresholds = {
        name: model.thresholds
        for name, model in (("category", triage.category), ("severity", triage.severity))
        if model is not None
    }
    return misclassification_report(
        [
            EvaluatedTicket(
                row_id=data.cases[number].row_id,
                ticket_id=data.cases[number].case.id,
                created_at=test.examples[i].ticket.created_at,
                truth_category=test.categories[i],
                truth_severity=test.severities[i],
                prediction=tested.predictions[i],
                cheapest_severity=cheapest[i],
                category_probabilities=_probabilities(fitted, tested, i),
                is_near_duplicate=bool(near[i]),
                parent_holds=parent_holds(tested, i, data.labels.taxonomy),
            )
            for i, number in enumerate(split.test)
        ],
        release_id=release_id,
        data_window=DataWindow(*(_period(data.rows, part) for part in (split.train, split.calibration, split.test))),
        floors={"category": _floors(train, test, "category"), "severity": _floors(train, test, "severity")},
        class_counts=fitted.class_counts,
        thresholds=thresholds,
        class_thresholds=triage.category.class_thresholds if triage.category else {},
        costs=triage.severity.costs if triage.severity else None,
        rare=triage.category.rare if triage.category else (),
        sev1=_promise(fitted, params),
        category_labels=data.labels.category.labels(),
    )


def _texts(rows: LabelledRows) -> list[str]:
    return [example.text.text for example in rows.examples]


def _period(rows: LabelledRows, numbers: Sequence[int]) -> Period:
    return Period.of(rows.examples[i].ticket.created_at for i in numbers)


def _probabilities(fitted: FittedTriage, tested: Backtest, row: int) -> dict[str, float]:
    category = fitted.triage.category
    if category is None or tested.category_probabilities is None:
        return {}
    return dict(zip(category.classes, tested.category_probabilities[row].tolist(), strict=True))


def _cheapest(fitted: FittedTriage, tested: Backtest) -> list[Severity | None]:
    severity = fitted.triage.severity
    if severity is None or tested.severity_probabilities is None:
        return [None] * len(tested.rows)
    return [SEVERITIES[level] for level in severity.cheapest(tested.severity_probabilities)]


def _floors(train: LabelledRows, test: LabelledRows, target: str) -> list[Floor]:
    """Plain methods fitted on the same training rows, scored on the same test rows."""
    train_texts, train_labels = _labelled(train, target)
    test_texts, truth = _labelled(test, target)
    if not train_labels or not truth:
        return []
    answers = {
        "majority": [majority(train_labels)] * len(truth),
        "tfidf_svm": tfidf_svm(train_texts, train_labels, test_texts, balanced=target == "severity"),
    }
    figures = {name: classification_figures(truth, given) for name, given in answers.items()}
    return [Floor(name, found.accuracy, found.macro_f1) for name, found in figures.items()]


def _labelled(rows: LabelledRows, target: str) -> tuple[list[str], list[str]]:
    labels = rows.categories if target == "category" else rows.severities
    pairs = [(text, str(label)) for text, label in zip(_texts(rows), labels, strict=True) if label is not None]
    return [text for text, _ in pairs], [label for _, label in pairs]


def _promise(fitted: FittedTriage, params: TrainingParams) -> Sev1Promise | None:
    if fitted.sev1 is None:
        return None
    return Sev1Promise(
        recall=params.sev1_recall,
        confidence=params.sev1_confidence,
        threshold=fitted.sev1.threshold,
        certified=fitted.sev1.certified,
        n_positives=fitted.sev1.n_positives,
        n_needed=fitted.sev1.n_needed,
    )


def write_report(settings: Settings, report: MisclassificationReport) -> Path:
    """Write the report as figures and ids, JSON and page, without any text of a ticket; gives its folder."""
    folder = settings.reports_dir / report.release_id
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / REPORT_JSON, orjson.dumps(report.to_json(), option=orjson.OPT_INDENT_2))
    replace_file(folder / REPORT_PAGE, render(report).encode())
    return folder


def metrics(report: MisclassificationReport) -> dict[str, float]:
    """The report's figures by name, with those of each class, for the record of a run."""
    found = dict(_headline_metrics(report))
    for target, part in (("category", report.category), ("severity", report.severity)):
        for figures in part.classes if part else ():
            for name in ("precision", "recall", "f1"):
                value = getattr(figures, name)
                if value is not None:
                    found[f"{target}_{name}/{_metric_name(figures.label)}"] = value
            found[f"{target}_test_tickets/{_metric_name(figures.label)}"] = float(figures.n_test)
    return found


def target_metrics(tested: Backtest) -> dict[str, float]:
    """Accuracy, macro-F1 and the figures of each class of every further target, of the most likely value."""
    found: dict[str, float] = {}
    for target, truth in tested.rows.targets.items():
        pairs = [
            (label, guess.value)
            for label, prediction in zip(truth, tested.predictions, strict=True)
            if label is not None
            and (answer := prediction.targets.get(target)) is not None
            and (guess := answer.first_guess) is not None
        ]
        if not pairs:
            continue
        figures = classification_figures([label for label, _ in pairs], [value for _, value in pairs])
        prefix = f"target_{_metric_name(target)}"
        found |= {
            f"{prefix}_test_tickets": float(figures.n),
            f"{prefix}_accuracy": figures.accuracy,
            f"{prefix}_macro_f1": figures.macro_f1,
        }
        for one in figures.classes:
            name = _metric_name(one.label)
            found |= {f"{prefix}_recall/{name}": one.recall, f"{prefix}_precision/{name}": one.precision}
            found |= {f"{prefix}_f1/{name}": one.f1, f"{prefix}_tickets/{name}": float(one.support)}
    return found


def _headline_metrics(report: MisclassificationReport) -> Iterator[tuple[str, float]]:
    yield "test_tickets", float(report.n)
    yield "test_near_duplicates", float(report.n_near_duplicates)
    for target, part in (("category", report.category), ("severity", report.severity)):
        if part is None:
            continue
        yield f"{target}_accuracy", part.scores.accuracy
        yield f"{target}_macro_f1", part.scores.macro_f1
        if part.without_near_duplicates is not None:
            yield f"{target}_accuracy_no_near_duplicate", part.without_near_duplicates.accuracy
            yield f"{target}_macro_f1_no_near_duplicate", part.without_near_duplicates.macro_f1
        for floor in part.floors:
            yield f"{target}_{floor.name}_accuracy", floor.accuracy
            yield f"{target}_{floor.name}_macro_f1", floor.macro_f1
        for action in part.actions:
            yield f"{target}_{action.action}_share", action.share
        yield f"{target}_ece", part.calibration.ece
        yield f"{target}_ece_null_p95", part.calibration.ece_null_p95
    if report.severity is not None:
        yield from _severity_metrics(report.severity)


def _severity_metrics(severity: SeverityReport) -> Iterator[tuple[str, float]]:
    if severity.quadratic_kappa is not None:
        yield "severity_quadratic_kappa", severity.quadratic_kappa
    yield "severity_mean_absolute_error", severity.mean_absolute_error
    yield "severity_expected_cost", severity.cost.release
    yield "severity_best_constant_expected_cost", severity.cost.best_constant.cost
    yield "severity_majority_expected_cost", severity.cost.majority.cost
    yield "sev1_risk_ece", severity.sev1_risk.ece
    yield "sev1_risk_ece_null_p95", severity.sev1_risk.ece_null_p95
    if severity.flag.recall is not None:
        yield "sev1_recall", severity.flag.recall
        yield "sev1_alert_rate", severity.flag.alert_rate


def _metric_name(label: str) -> str:
    """A label as MLflow takes it in the name of a metric: no dot, which could make a path of it, and not too long."""
    name = re.sub(r"[^\w\- ]", "_", label)[:_MAX_METRIC_NAME]
    if name and name == label:
        return name
    # Labels that differ only in what was replaced or cut off keep metrics of their own.
    return f"{name}_{hashlib.sha256(label.encode()).hexdigest()[:6]}"


def headlines(report: MisclassificationReport) -> list[str]:
    """The figures that a person looks at first, a line each, beside the floors."""
    lines = []
    for name, part in (("Category", report.category), ("Severity", report.severity)):
        if part is None:
            continue
        floors = ", ".join(f"{floor.name} {floor.accuracy:.3f} / {floor.macro_f1:.3f}" for floor in part.floors)
        lines.append(f"{name}: {_line(part.scores)}; floors {floors}")
    return lines


def _line(scores: Scores) -> str:
    return (
        f"accuracy {scores.accuracy:.3f} ({scores.accuracy_ci95[0]:.3f} to {scores.accuracy_ci95[1]:.3f}), macro-F1 "
        f"{scores.macro_f1:.3f} ({scores.macro_f1_ci95[0]:.3f} to {scores.macro_f1_ci95[1]:.3f}), n = {scores.n}"
    )
