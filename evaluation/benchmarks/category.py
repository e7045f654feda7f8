"""The category benchmark: the product's category model on labelled texts or issues, beside its floors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench, On
from evaluation.benchmarks.category_data import CategoryData, category_data
from evaluation.benchmarks.outside import OutsideFigures, Scored, familiarity, outside_figures
from evaluation.calibration import automation, expected_calibration_error, null_calibration_error
from evaluation.classification import classification_figures, macro_f1
from evaluation.dataset import FittedTriage, LabelledRows
from evaluation.floors import frozen_embeddings, tfidf_svm
from evaluation.intervals import bootstrap_interval, mean_interval
from evaluation.near_duplicates import has_near_duplicate
from evaluation.neighbours import neighbours_among
from features.errors import NotEnoughData
from serving.target_model import TargetModel
from serving.triage import Triage

PRECISIONS = (0.90, 0.95)


@dataclass(frozen=True, slots=True)
class Answers:
    """Most probable classes of rows, with their confidence and whether they are right.

    Attributes
    ----------
    labels : tuple of str, length n
    confidence : ndarray of float64, shape (n,)
    correct : ndarray of bool, shape (n,)
    """

    labels: tuple[str, ...]
    confidence: NDArray[np.float64]
    correct: NDArray[np.bool_]

    @classmethod
    def of(cls, classes: Sequence[str], probabilities: NDArray[np.float64], truth: Sequence[str | None]) -> Answers:
        """Answer rows of probabilities, shape (n, n_classes)."""
        best = probabilities.argmax(axis=1) if len(probabilities) else np.empty(0, dtype=np.int64)
        labels = tuple(classes[int(i)] for i in best)
        correct = np.array([a == b for a, b in zip(labels, truth, strict=True)], dtype=np.bool_)
        return cls(labels, probabilities.max(axis=1) if len(probabilities) else np.empty(0), correct)


@dataclass(frozen=True, slots=True)
class _Calibrated:
    """A fitted model, with its answers on calibration rows and their familiarity (novelty scores, low is new)."""

    fitted: FittedTriage
    model: TargetModel
    answers: Answers
    familiarity: NDArray[np.float64]


def category_benchmark(
    bench: Bench, folder: Path, *, on: On, label: str = "project", project: str | None = None
) -> dict[str, object]:
    """Figures of BENCHMARKS.md, ``category``.

    Parameters
    ----------
    label : str
        For issues: ``project``, or ``component`` with a ``project``.
    """
    data = category_data(bench, folder, on=on, label=label, project=project)
    tuned = None
    if bench.tune is not None:
        with bench.step("tune the encoder"):
            tuned = bench.tune(data.train)
            data = data.embedded(tuned.vectors) if tuned.vectors else data
    fitted = _fit(bench, data)
    truth = [str(value) for value in data.test.categories]
    with bench.step("predict"):
        probabilities = _probabilities(fitted.fitted.triage, fitted.model, data.test, data.known)
    answers = Answers.of(fitted.model.classes, probabilities, truth)
    figures = classification_figures(truth, answers.labels)
    with bench.step("near-duplicates"):
        fresh = ~has_near_duplicate(data.known_texts, data.test_texts)
    outside = (
        _outside(bench, data, fitted, answers) if len(data.outside_test) and len(data.outside_validation) else None
    )
    intervals = _intervals(answers, fresh, figures.accuracy_ci95, figures.macro_f1_ci95)
    return {
        "on": on,
        "n_train": len(data.train),
        "n_calibration": len(data.calibration) if data.folds is None else len(data.train),
        "n_test": len(data.test),
        "n_classes": len(fitted.model.classes),
        "accuracy": figures.accuracy,
        "macro_f1": figures.macro_f1,
        "ece": expected_calibration_error(answers.confidence, answers.correct),
        "ece_null_p95": null_calibration_error(answers.confidence),
        "automate": _automate(bench, fitted.answers, answers),
        "automate_per_class": _automate_per_class(bench, fitted.answers, answers),
        "unseen_class_rows": sum(value not in fitted.model.classes for value in truth),
        "n_no_near_duplicate": int(fresh.sum()),
        "test_no_near_duplicate": float(answers.correct[fresh].mean()) if fresh.any() else None,
        **(outside.to_json() if outside else {}),
        "ci95": intervals | (outside.intervals if outside else {}),
        "floors": _floors(bench, data, truth),
        **({"encoder_tuning": tuned.figures} if tuned else {}),
        "seconds": dict(bench.seconds),
    }


def _fit(bench: Bench, data: CategoryData) -> _Calibrated:
    with bench.step("fit"):
        if data.folds is not None:
            folded = bench.fitting.triage_in_folds(data.train, data.folds)
            model = _category(folded.fitted)
            answers = Answers.of(model.classes, folded.probabilities, data.train.categories)
            return _Calibrated(folded.fitted, model, answers, folded.familiarity)
        fitted = bench.fitting.triage(data.train, data.calibration)
    model = _category(fitted)
    probabilities = _probabilities(fitted.triage, model, data.calibration, data.train)
    answers = Answers.of(model.classes, probabilities, data.calibration.categories)
    return _Calibrated(fitted, model, answers, np.empty(0))


def _probabilities(triage: Triage, model: TargetModel, rows: LabelledRows, known: LabelledRows) -> NDArray[np.float64]:
    return model.probabilities(triage.space.transform(rows.examples), neighbours_among(known, rows))


def _category(fitted: FittedTriage) -> TargetModel:
    if fitted.triage.category is None:
        raise NotEnoughData("The training rows have no two categories to tell apart; give a folder that has.")
    return fitted.triage.category


def _automate(bench: Bench, calibration: Answers, test: Answers) -> dict[str, object]:
    """Coverage and accuracy at one threshold for each precision."""
    out: dict[str, object] = {}
    for precision in PRECISIONS:
        threshold = bench.fitting.threshold(calibration.confidence, calibration.correct, precision)
        taken = automation(test.confidence, test.correct, threshold)
        out[f"{precision:.2f}"] = {
            "coverage": taken.coverage,
            "accuracy": taken.accuracy,
            "threshold": threshold,
            "ci95": _automation_interval(test, threshold),
        }
    return out


def _automation_interval(test: Answers, threshold: float | None) -> dict[str, object]:
    if threshold is None:
        return {"coverage": [0.0, 0.0], "accuracy": None}
    taken = test.confidence >= threshold
    return {
        "coverage": list(mean_interval(taken.astype(np.float64))),
        "accuracy": list(mean_interval(test.correct[taken].astype(np.float64))) if taken.any() else None,
    }


def _automate_per_class(bench: Bench, calibration: Answers, test: Answers) -> dict[str, object]:
    """Coverage and accuracy with a threshold of its own for each answered class."""
    answered, said = np.array(calibration.labels), np.array(test.labels)
    out: dict[str, object] = {}
    for precision in PRECISIONS:
        taken = np.zeros(len(said), dtype=np.bool_)
        for value in np.unique(said):
            rows = answered == value
            threshold = bench.fitting.threshold(calibration.confidence[rows], calibration.correct[rows], precision)
            if threshold is not None:
                taken |= (said == value) & (test.confidence >= threshold)
        out[f"{precision:.2f}"] = {
            "coverage": float(taken.mean()) if len(taken) else 0.0,
            "accuracy": float(test.correct[taken].mean()) if taken.any() else None,
        }
    return out


def _intervals(
    answers: Answers, fresh: NDArray[np.bool_], accuracy: tuple[float, float], macro: tuple[float, float]
) -> dict[str, object]:
    confidence, correct = answers.confidence, answers.correct
    ece = bootstrap_interval(lambda rows: expected_calibration_error(confidence[rows], correct[rows]), len(correct))
    return {
        "accuracy": list(accuracy),
        "macro_f1": list(macro),
        "ece": list(ece),
        "test_no_near_duplicate": list(mean_interval(correct[fresh].astype(np.float64))),
    }


def _floors(bench: Bench, data: CategoryData, truth: Sequence[str]) -> dict[str, object]:
    labels = [str(value) for value in data.train.categories]
    with bench.step("floors"):
        by_words = tfidf_svm(data.train_texts, labels, data.test_texts)
        by_vectors = frozen_embeddings(
            bench.vectors.embed(data.train_texts), labels, bench.vectors.embed(data.test_texts)
        )
    answers = {"tfidf_svm": by_words, "frozen_embeddings": by_vectors}
    return {
        name: {
            "accuracy": float(np.mean([a == b for a, b in zip(said, truth, strict=True)])),
            "macro_f1": macro_f1(truth, said),
        }
        for name, said in answers.items()
    }


def _outside(bench: Bench, data: CategoryData, calibrated: _Calibrated, test: Answers) -> OutsideFigures:
    """Figures on texts of no known class, by the novelty score of the release."""
    triage, model = calibrated.fitted.triage, calibrated.model

    def familiar(rows: LabelledRows) -> NDArray[np.float64]:
        return familiarity(triage, rows, data.known)

    with bench.step("out of scope"):
        inside = Scored(familiar(data.test), test.correct)
        validation = Scored(calibrated.familiarity, calibrated.answers.correct)
        if len(data.validation):
            probabilities = _probabilities(triage, model, data.validation, data.train)
            answers = Answers.of(model.classes, probabilities, data.validation.categories)
            validation = Scored(familiar(data.validation), answers.correct)
        return outside_figures(inside, familiar(data.outside_test), validation, familiar(data.outside_validation))
