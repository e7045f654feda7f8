"""The severity benchmark: the product's ordinal model on issues or incidents, by time, beside its floors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench, On, Row
from evaluation.benchmarks.readers import ISSUES, read_incidents, read_issues
from evaluation.benchmarks.rolling_reporters import with_rolling_reporters
from evaluation.benchmarks.splits import before_cut, fit_and_calibration
from evaluation.classification import macro_f1
from evaluation.dataset import LabelledRows, RecallThreshold
from evaluation.floors import majority, tfidf_lr_probabilities, tfidf_svm
from evaluation.intervals import bootstrap_interval
from evaluation.neighbours import neighbours_among
from evaluation.severity import (
    N_LEVELS,
    alert_rate_at_recall,
    best_constant,
    evened_levels,
    expected_cost,
    flag_figures,
    mean_absolute_error,
    quadratic_kappa,
)
from features.errors import NotEnoughData
from features.ticket import SEVERITIES
from serving.severity_model import SeverityModel

Levels = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Split:
    """Rows to fit on, to calibrate on, and to test on, in order of time."""

    train: Sequence[Row]
    calibration: Sequence[Row]
    test: Sequence[Row]


def severity_benchmark(bench: Bench, folder: Path, *, on: On, project: str | None = None) -> dict[str, object]:
    """Figures of BENCHMARKS.md, ``severity``.

    Macro-F1, kappa and error stand for the most likely level, the plain most probable one. ``evened`` has macro-F1 and
    kappa of the level that is most probable when base rates are evened out most of the way: that is what to compare
    with a class-balanced model, ``tfidf_svm`` among the floors or a published one. ``without`` has the figures of
    models that lack one kind of input.
    """
    split = _split(bench, folder, on=on, project=project)
    with bench.step("fit"):
        fitted = bench.fitting.triage(labelled(split.train), labelled(split.calibration))
    model, sev1 = fitted.triage.severity, fitted.sev1
    if model is None or sev1 is None:
        raise NotEnoughData(f"The training rows of {folder} have one severity only; give a folder with two or more.")
    with bench.step("predict"):
        seen = labelled([*split.train, *split.calibration])
        rows = labelled(split.test)
        probabilities = model.probabilities(fitted.triage.space.transform(rows.examples), neighbours_among(seen, rows))
    truth = _levels(split.test)
    likely = probabilities.argmax(axis=1).astype(np.int64)
    evened = evened_levels(probabilities, _levels([*split.train, *split.calibration]))
    answered = model.cheapest(probabilities).astype(np.int64)
    costs = bench.fitting.costs
    with bench.step("without"):
        found = bench.fitting.severity_without(labelled(split.train), labelled(split.calibration), rows)
        without = {kind: _without(each, truth, costs) for kind, each in found.items()}
    with bench.step("floors"):
        floors, tfidf_risk = _floors(split, truth, costs)
    return {
        "on": on,
        "n_train": len(split.train),
        "n_calibration": len(split.calibration),
        "n_test": len(split.test),
        "support": {level.value: int((truth == i).sum()) for i, level in enumerate(SEVERITIES)},
        **_likely_figures(truth, likely),
        "expected_cost": expected_cost(truth, answered, costs),
        "evened": {"macro_f1": _macro_f1(truth, evened), "quadratic_kappa": quadratic_kappa(truth, evened)},
        "without": without,
        "sev1": _sev1(bench, model, sev1, truth == 0, probabilities[:, 0], tfidf_risk),
        "ci95": _intervals(truth, likely, answered, costs),
        "floors": floors,
        "seconds": dict(bench.seconds),
    }


def _split(bench: Bench, folder: Path, *, on: On, project: str | None) -> _Split:
    """Test on the newest fifth, or, while developing, on the newest fifth of what is older."""
    cases = read_issues(folder, project).cases if (folder / ISSUES).exists() else read_incidents(folder)
    rows = bench.rows([case for case in cases if case.outcome.severity is not None])
    created = np.array([row.created for row in rows])
    n_seen = len(before_cut(created)) if on == "tune" else len(rows)
    older = before_cut(created[:n_seen])
    if not len(older):
        raise NotEnoughData(f"{folder} has {len(rows)} tickets with a severity; a split by time needs more.")
    # A severity is a last state, known when the ticket was resolved.
    known = [rows[i] for i in older if rows[i].resolved < created[len(older)]]
    fit, calibration = fit_and_calibration(len(known))
    if not len(fit) or not len(calibration):
        raise NotEnoughData(
            f"{folder} has {len(known)} tickets whose severity was known before the cut; fitting and calibrating need "
            "more."
        )
    tests = with_rolling_reporters([rows[i] for i in older], rows[len(older) : n_seen])
    return _Split([known[i] for i in fit], [known[i] for i in calibration], tests)


def labelled(rows: Sequence[Row]) -> LabelledRows:
    """Rows with their severities alone, so that a fit learns nothing else."""
    return LabelledRows(
        examples=tuple(row.example for row in rows),
        categories=(None,) * len(rows),
        severities=tuple(row.raw.outcome.severity for row in rows),
        targets={},
    )


def _levels(rows: Sequence[Row]) -> Levels:
    number = {level: i for i, level in enumerate(SEVERITIES)}
    return np.array([number[level] for row in rows if (level := row.raw.outcome.severity)], dtype=np.int64)


def _macro_f1(truth: Levels, answers: Levels) -> float:
    return macro_f1([str(level) for level in truth], [str(level) for level in answers])


def _likely_figures(truth: Levels, likely: Levels) -> dict[str, object]:
    return {
        "macro_f1": _macro_f1(truth, likely),
        "quadratic_kappa": quadratic_kappa(truth, likely),
        "mean_absolute_error": mean_absolute_error(truth, likely),
    }


def _without(probabilities: NDArray[np.float64], truth: Levels, costs: NDArray[np.float64]) -> dict[str, object]:
    answered = np.argmin(probabilities @ costs, axis=1).astype(np.int64)
    figures = _likely_figures(truth, probabilities.argmax(axis=1).astype(np.int64))
    return figures | {"expected_cost": expected_cost(truth, answered, costs)}


def _intervals(truth: Levels, likely: Levels, answered: Levels, costs: NDArray[np.float64]) -> dict[str, object]:
    n = len(truth)
    return {
        "macro_f1": list(bootstrap_interval(lambda rows: _macro_f1(truth[rows], likely[rows]), n)),
        "quadratic_kappa": list(bootstrap_interval(lambda rows: quadratic_kappa(truth[rows], likely[rows]), n)),
        "mean_absolute_error": list(bootstrap_interval(lambda rows: mean_absolute_error(truth[rows], likely[rows]), n)),
        "expected_cost": list(bootstrap_interval(lambda rows: expected_cost(truth[rows], answered[rows], costs), n)),
    }


def _sev1(
    bench: Bench,
    model: SeverityModel,
    promise: RecallThreshold,
    is_sev1: NDArray[np.bool_],
    risk: NDArray[np.float64],
    tfidf_risk: NDArray[np.float64],
) -> dict[str, object]:
    """What the flag promised on calibration rows, and what it did on later ones."""
    flag = flag_figures(is_sev1, risk >= model.sev1_threshold)
    return {
        "target_recall": bench.fitting.sev1_recall,
        "confidence": bench.fitting.sev1_confidence,
        "n_calibration_sev1": promise.n_positives,
        "n_needed_to_certify": promise.n_needed,
        "certified": promise.certified,
        "n_test_sev1": flag.n_sev1,
        "recall": flag.recall,
        "recall_ci95": list(flag.recall_ci95) if flag.recall_ci95 else None,
        "alert_rate": flag.alert_rate,
        "tfidf_alert_rate_at_equal_recall": (
            alert_rate_at_recall(tfidf_risk, is_sev1, flag.recall) if flag.recall is not None else None
        ),
    }


def _floors(split: _Split, truth: Levels, costs: NDArray[np.float64]) -> tuple[dict[str, object], NDArray[np.float64]]:
    """Figures of the simple models, and the Sev1 risk that the TF-IDF regression gives each test row."""
    seen = [row for rows in (split.train, split.calibration) for row in rows]
    texts, levels = [row.raw_text for row in seen], _levels(seen)
    tests = [row.raw_text for row in split.test]
    probabilities = tfidf_lr_probabilities(texts, levels, tests, N_LEVELS)
    machine = tfidf_svm(texts, [str(level) for level in levels], tests, balanced=True)
    answers: dict[str, Levels] = {
        "majority": np.full(len(truth), int(majority([str(level) for level in levels])), dtype=np.int64),
        "best_constant": np.full(len(truth), best_constant(levels, costs), dtype=np.int64),
        "tfidf_svm": np.array([int(level) for level in machine], dtype=np.int64),
        "tfidf_lr_cost": np.argmin(probabilities @ costs, axis=1).astype(np.int64),
    }
    figures: dict[str, object] = {
        name: _likely_figures(truth, said) | {"expected_cost": expected_cost(truth, said, costs)}
        for name, said in answers.items()
    }
    return figures, probabilities[:, 0]
