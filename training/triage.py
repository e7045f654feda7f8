"""Fit the category, severity and further targets: linear models over n-grams and embeddings, then calibrate."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.svm import LinearSVC

from evaluation.dataset import FittedTriage, LabelledRows, RecallThreshold
from evaluation.neighbours import nearest_cosines
from features.errors import NotEnoughData
from features.feature_space import Example, FeatureRows, FeatureSpace
from features.ngrams import NgramVectorizer, SparseRows
from features.structured import StructuredColumns
from features.ticket import SEVERITIES, Severity
from serving.decision import Thresholds
from serving.heads import LinearHead, softmax
from serving.triage import Novelty, SeverityModel, TargetModel, Triage
from training.calibration import MIN_CALIBRATION, choose_thresholds, fit_platt, fit_temperature
from training.languages import count_languages, trained_languages
from training.params import TrainingParams
from training.thresholds import threshold_for_recall

_UNSEEN = -1
_NEVER = 2.0  # no probability reaches it
_N_CUMULATIVE = len(SEVERITIES) - 1


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
    train_rows, calibration_rows = space.transform(train.examples), space.transform(calibration.examples)
    category, severity, sev1 = None, None, None
    has_severities = len({level for level in train.severities if level is not None}) > 1
    # A history of severities alone has something to learn; one without either is told what it lacks.
    if not has_severities or any(label is not None for label in train.categories):
        category = _fit_target(
            "category", train_rows, train.categories, calibration_rows, calibration.categories, params
        )
    targets = {
        name: _fit_target(name, train_rows, values, calibration_rows, calibration.targets[name], params)
        for name, values in train.targets.items()
        if len({value for value in values if value is not None}) > 1
    }
    if has_severities:
        severity, sev1 = _fit_severity(train_rows, train.severities, calibration_rows, calibration.severities, params)
    novelty = fit_novelty(train.examples, calibration.examples, category, calibration_rows, params)
    counts = {"category": Counter(label for label in train.categories if label is not None)}
    counts["severity"] = Counter(str(level) for level in train.severities if level is not None)
    counts |= {name: Counter(v for v in values if v is not None) for name, values in train.targets.items()}
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
        language_counts=languages,
        class_counts={name: dict(counter) for name, counter in counts.items()},
    )


def fit_space(examples: Sequence[Example], params: TrainingParams) -> FeatureSpace:
    """Learn the vocabulary and the structured columns of the training tickets."""
    return FeatureSpace(
        vectorizer=NgramVectorizer.fit(
            [example.text.text for example in examples],
            [example.ticket.customer for example in examples],
            min_df=params.min_df,
            max_terms=params.max_terms,
        ),
        structured=StructuredColumns.fit([example.ticket for example in examples]),
        dense_weight=params.dense_weight,
        structured_weight=params.structured_weight,
    )


def _fit_target(
    name: str,
    train: FeatureRows,
    labels: Sequence[str | None],
    calibration: FeatureRows,
    calibration_labels: Sequence[str | None],
    params: TrainingParams,
) -> TargetModel:
    known = np.flatnonzero([label is not None for label in labels])
    y = [label for label in labels if label is not None]
    counts = Counter(y)
    if len(counts) < 2:
        raise NotEnoughData(
            f"The {len(known)} training tickets with a {name} have {len(counts)} distinct value(s) "
            f"({', '.join(sorted(counts)) or 'none'}); a model needs at least 2: import more history or another label."
        )
    machine = LinearSVC(C=params.svm_c, random_state=params.seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weight in the fourth digit changes no answer
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # rare classes are reported
        machine.fit(_matrix(train, known), y)
    head = _head(machine.coef_, machine.intercept_, train)
    classes = tuple(str(value) for value in machine.classes_)
    number = {label: i for i, label in enumerate(classes)}
    rows = np.flatnonzero([label is not None for label in calibration_labels])
    # A class that training has not seen has no number: whatever is answered for it is wrong.
    truth = np.array([number.get(label, _UNSEEN) for label in calibration_labels if label is not None], dtype=np.int64)
    scores = head.scores(take_rows(calibration, rows))
    temperature = fit_temperature(scores[truth != _UNSEEN], truth[truth != _UNSEEN])
    return TargetModel(
        classes=classes,
        head=head,
        temperature=temperature,
        thresholds=choose_thresholds(softmax(scores, temperature), truth, params),
        rare=frozenset(value for value, count in counts.items() if count < params.rare_below),
    )


def _fit_severity(
    train: FeatureRows,
    labels: Sequence[Severity | None],
    calibration: FeatureRows,
    calibration_labels: Sequence[Severity | None],
    params: TrainingParams,
) -> tuple[SeverityModel, RecallThreshold]:
    level_of = {level: number for number, level in enumerate(SEVERITIES)}
    known = np.flatnonzero([label is not None for label in labels])
    y = np.array([level_of[label] for label in labels if label is not None], dtype=np.int64)
    rows = np.flatnonzero([label is not None for label in calibration_labels])
    truth = np.array([level_of[label] for label in calibration_labels if label is not None], dtype=np.int64)
    head = _fit_cumulative(_matrix(train, known), y, train, params)
    calibration_rows = take_rows(calibration, rows)
    scores = head.scores(calibration_rows)
    platt = np.array([fit_platt(scores[:, k], truth <= k) for k in range(_N_CUMULATIVE)])
    draft = SeverityModel(head, platt, np.array(params.costs), Thresholds(0.5, None), sev1_threshold=_NEVER)
    probabilities = draft.probabilities(calibration_rows)
    promise = threshold_for_recall(
        probabilities[truth == 0, 0], recall=params.sev1_recall, confidence=params.sev1_confidence
    )
    thresholds = choose_thresholds(probabilities, truth, params)
    sev1 = promise if promise.certified else replace(promise, threshold=flag_threshold_by_cost(draft.costs))
    return replace(draft, thresholds=thresholds, sev1_threshold=sev1.threshold), sev1


def flag_threshold_by_cost(costs: NDArray[np.float64]) -> float:
    """Risk from which a Sev1 flag costs less than none, where too few Sev1 tickets are known to promise a recall.

    It is the break-even of answering sev1 or sev2: a miss costs ``costs[0, 1]``, a false alarm ``costs[1, 0]``.

    Examples
    --------
    >>> flag_threshold_by_cost(np.array([[0.0, 4.0], [1.0, 0.0]]))
    0.2
    """
    miss, alarm = float(costs[0, 1]), float(costs[1, 0])
    return alarm / (alarm + miss) if alarm + miss > 0 else 0.5


def _fit_cumulative(
    matrix: sparse.csr_matrix, y: NDArray[np.int64], rows: FeatureRows, params: TrainingParams
) -> LinearHead:
    """Three regressions, P(severity <= sev1), (<= sev2), (<= sev3)."""
    n_columns = matrix.shape[1]
    weights, intercepts = np.zeros((_N_CUMULATIVE, n_columns)), np.zeros(_N_CUMULATIVE)
    for k in range(_N_CUMULATIVE):
        positive = y <= k
        if positive.all() or not positive.any():
            # A level never seen: its share with half a ticket added, whatever the text says.
            share = (positive.sum() + 0.5) / (len(y) + 1.0)
            intercepts[k] = np.log(share / (1.0 - share))
            continue
        model = LogisticRegression(C=params.severity_c, class_weight="balanced", max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(matrix, positive)
        weights[k], intercepts[k] = model.coef_[0], model.intercept_[0]
    return _head(weights, intercepts, rows)


def fit_novelty(
    train: Sequence[Example],
    calibration: Sequence[Example],
    category: TargetModel | None,
    calibration_rows: FeatureRows,
    params: TrainingParams,
) -> Novelty:
    """Set the familiarity below which a ticket is called novel, as a low quantile of calibration tickets."""
    if category is None or len(calibration) < MIN_CALIBRATION:
        return Novelty(weight=params.novelty_weight, threshold=None)
    draft = Novelty(weight=params.novelty_weight, threshold=0.0)
    nearest = nearest_cosines([e.vector for e in train], [e.vector for e in calibration], k=Novelty.N_NEAREST)
    confidence = category.probabilities(calibration_rows).max(axis=1)
    scores = [draft.score(float(c), row.tolist()) for c, row in zip(confidence, nearest, strict=True)]
    return Novelty(weight=params.novelty_weight, threshold=float(np.quantile(scores, params.novelty_quantile)))


def take_rows(rows: FeatureRows, numbers: NDArray[np.intp]) -> FeatureRows:
    """The feature rows of the given numbers."""
    matrix = _csr(rows.sparse)[numbers]
    return FeatureRows(
        SparseRows(
            indptr=matrix.indptr.astype(np.int64),
            indices=matrix.indices.astype(np.int32),
            data=matrix.data.astype(np.float32),
            n_columns=rows.sparse.n_columns,
        ),
        rows.dense[numbers],
    )


def _csr(rows: SparseRows) -> sparse.csr_matrix:
    return sparse.csr_matrix((rows.data, rows.indices, rows.indptr), shape=(len(rows), rows.n_columns))


def _matrix(rows: FeatureRows, numbers: NDArray[np.intp]) -> sparse.csr_matrix:
    return sparse.hstack(
        [_csr(rows.sparse)[numbers], sparse.csr_matrix(rows.dense[numbers])], format="csr", dtype=np.float64
    )


def _head(coefficients: NDArray[np.float64], intercepts: NDArray[np.float64], rows: FeatureRows) -> LinearHead:
    """Weights of scikit-learn, shape (n_outputs, n_columns), as a head; one binary output becomes two classes."""
    if len(coefficients) == 1:
        coefficients, intercepts = np.vstack([-coefficients, coefficients]), np.hstack([-intercepts, intercepts])
    n_sparse = rows.sparse.n_columns
    return LinearHead(
        sparse_weights=np.ascontiguousarray(coefficients[:, :n_sparse].T, dtype=np.float32),
        dense_weights=np.ascontiguousarray(coefficients[:, n_sparse:].T, dtype=np.float32),
        intercept=np.asarray(intercepts, dtype=np.float32),
    )
