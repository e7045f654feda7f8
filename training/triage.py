"""Fit everything that predicts: the feature space, category and further targets, severity, novelty."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from evaluation.dataset import FittedTriage, LabelledRows, RecallThreshold
from evaluation.neighbours import neighbours_among
from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
from features.structured import StructuredColumns
from serving.severity_model import SeverityModel
from serving.target_model import TargetModel
from serving.triage import CATEGORY, Triage
from training.languages import count_languages, trained_languages
from training.novelty import fit_novelty, with_thresholds
from training.params import TrainingParams
from training.severity import fit_severity
from training.target import fit_target


def fit_triage(train: LabelledRows, calibration: LabelledRows, params: TrainingParams) -> FittedTriage:
    """Fit every target that has labels, and calibrate on later rows.

    Parameters
    ----------
    train, calibration : LabelledRows
        Calibration rows come after the training rows where tickets are dated.

    Raises
    ------
    NotEnoughData
        If there are no two categories to tell apart, unless there are severities and no categories at all.
    """
    space = fit_space(train.examples, params)
    rows, later = space.transform(train.examples), space.transform(calibration.examples)
    neighbours = neighbours_among(train, calibration)
    category: TargetModel | None = None
    severity: SeverityModel | None = None
    sev1: RecallThreshold | None = None
    has_severities = len({level for level in train.severities if level is not None}) > 1
    # A history of severities alone has something to learn; one without either is told what it lacks.
    if not has_severities or any(label is not None for label in train.categories):
        category = fit_target(CATEGORY, rows, train.categories, later, calibration.categories, neighbours, params)
    targets = {
        name: fit_target(name, rows, values, later, calibration.targets[name], neighbours, params)
        for name, values in train.targets.items()
        if len({value for value in values if value is not None}) > 1
    }
    if has_severities:
        severity, sev1 = fit_severity(space, train, calibration, params)
    novelty = None
    if category is not None:
        draft = fit_novelty(train, rows, category, params)
        novelty = with_thresholds(draft, draft.signals(category, later, neighbours), params)
    languages = count_languages(train.examples)
    return FittedTriage(
        triage=Triage(
            space=space,
            category=category,
            severity=severity,
            targets=targets,
            novelty=novelty,
            languages=trained_languages(languages, params),
        ),
        sev1=sev1,
        class_counts=class_counts(train),
        language_counts=languages,
    )


def fit_space(examples: Sequence[Example], params: TrainingParams) -> FeatureSpace:
    """Learn the vocabulary and the structured columns of the training tickets."""
    return FeatureSpace(
        vectorizer=NgramVectorizer.fit(
            [example.text for example in examples],
            [example.ticket.customer for example in examples],
            min_df=params.min_df,
            max_terms=params.max_terms,
        ),
        structured=StructuredColumns.fit([example.ticket for example in examples]),
        dense_weight=params.dense_weight,
        structured_weight=params.structured_weight,
    )


def class_counts(train: LabelledRows) -> dict[str, dict[str, int]]:
    """Training rows of each class, by target."""
    columns = {CATEGORY: train.categories, "severity": [_name(level) for level in train.severities], **train.targets}
    return {name: dict(Counter(label for label in labels if label is not None)) for name, labels in columns.items()}


def _name(level: object | None) -> str | None:
    return None if level is None else str(level)
