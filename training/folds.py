"""Fit on every row and calibrate out of fold, where rows are too few, or undated, to set some aside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import FittedTriage, FoldedFit, LabelledRows
from evaluation.neighbours import nearest_rows
from features.errors import NotEnoughData
from serving.heads import softmax
from serving.neighbours import N_NEIGHBOURS, Neighbours
from serving.novelty import signals
from serving.triage import CATEGORY, Triage
from training.languages import count_languages, trained_languages
from training.novelty import centroids, fit_novelty, with_thresholds
from training.params import TrainingParams
from training.target import calibrated_target, class_numbers, fit_target_members
from training.triage import class_counts, fit_space


def fit_triage_in_folds(rows: LabelledRows, folds: NDArray[np.int64], params: TrainingParams) -> FoldedFit:
    """Fit the category on all rows, calibrated on what a model of the other folds said of each row.

    Parameters
    ----------
    rows : LabelledRows
        Every row has a category.
    folds : ndarray of int64, shape (n,)
        Number of the fold of each row; near-duplicates belong in one fold, or confidences come out too high.

    Raises
    ------
    NotEnoughData
        If there are no two categories to tell apart, or no two folds.
    """
    if len(np.unique(folds)) < 2:
        raise NotEnoughData(
            f"The {len(rows)} training rows are near-duplicates of one another; calibrating by folds needs other ones."
        )
    space = fit_space(rows.examples, params)
    features = space.transform(rows.examples)
    members = fit_target_members(CATEGORY, features, rows.categories, params)
    scores = np.stack(
        [_held_out(rows, folds, fold, members.classes, len(members.heads), params) for fold in np.unique(folds)]
    ).sum(axis=0)
    neighbours = neighbours_in_other_folds(rows, folds)
    truth = class_numbers(rows.categories, members.classes)
    model, pooled = calibrated_target(CATEGORY, members, rows.categories, scores, neighbours, truth, params)
    draft = fit_novelty(rows, features, model, params)
    cosines = centroid_cosines_in_other_folds(features.vectors, rows.categories, folds, model.classes)
    found = signals(pooled, cosines, neighbours, model)
    novelty = with_thresholds(draft, found, params)
    languages = count_languages(rows.examples)
    triage = Triage(
        space=space,
        category=model,
        severity=None,
        targets={},
        novelty=novelty,
        languages=trained_languages(languages, params),
    )
    return FoldedFit(
        FittedTriage(triage, sev1=None, class_counts=class_counts(rows), language_counts=languages),
        softmax(pooled),
        draft.familiarity.of(found),
    )


def _held_out(
    rows: LabelledRows,
    folds: NDArray[np.int64],
    fold: int,
    classes: tuple[str, ...],
    n_machines: int,
    params: TrainingParams,
) -> NDArray[np.float64]:
    """Scores of a fold's rows by machines of the other folds, shape (n_machines, n, n_classes); zeros elsewhere.

    A class that the other folds lack scores as the row's least.
    """
    inside, rest = np.flatnonzero(folds == fold).tolist(), np.flatnonzero(folds != fold).tolist()
    others = rows.take(rest)
    space = fit_space(others.examples, params)
    members = fit_target_members(CATEGORY, space.transform(others.examples), others.categories, params)
    found = members.scores(space.transform(rows.take(inside).examples))
    if len(found) < n_machines:
        found = np.repeat(found, n_machines, axis=0)
    part = np.repeat(found.min(axis=2, keepdims=True), len(classes), axis=2)
    part[:, :, [classes.index(label) for label in members.classes]] = found[:n_machines]
    scores = np.zeros((n_machines, len(rows), len(classes)))
    scores[:, inside] = part[:n_machines]
    return scores


def centroid_cosines_in_other_folds(
    vectors: NDArray[np.float32], labels: Sequence[str | None], folds: NDArray[np.int64], classes: Sequence[str]
) -> NDArray[np.float64]:
    """Cosine of each row to the mean direction of each class among the other folds' rows, shape (n, n_classes)."""
    cosines = np.empty((len(vectors), len(classes)))
    for fold in np.unique(folds):
        inside, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        others = centroids(vectors[rest], [labels[i] for i in rest.tolist()], classes)
        cosines[inside] = vectors[inside].astype(np.float64) @ others.T
    return cosines


def neighbours_in_other_folds(rows: LabelledRows, folds: NDArray[np.int64]) -> Neighbours:
    """The nearest rows of each row among those of the other folds."""
    vectors = [example.vector for example in rows.examples]
    k = min(N_NEIGHBOURS, *(int((folds != fold).sum()) for fold in np.unique(folds)))
    cosines = np.empty((len(rows), k), dtype=np.float32)
    numbers = np.empty((len(rows), k), dtype=np.int64)
    for fold in np.unique(folds):
        inside, rest = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        found, places = nearest_rows([vectors[i] for i in rest], [vectors[i] for i in inside], k=k)
        cosines[inside], numbers[inside] = found, rest[places]
    return Neighbours(cosines, numbers, {CATEGORY: rows.categories, **rows.targets})
