"""Fit on every row and calibrate out of fold, where rows are too few, or undated, to set some aside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import FoldedFit, LabelledRows
from evaluation.neighbours import nearest_cosines
from features.errors import NotEnoughData
from serving.heads import softmax
from serving.triage import Novelty, TargetModel, Triage
from training.calibration import choose_thresholds, fit_temperature
from training.params import TrainingParams
from training.triage import fit_triage

_UNSEEN = -1


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
    # One row is too few to calibrate on, so the model comes with a temperature of 1, set below.
    fitted = fit_triage(rows, rows.take([0]), params)
    model = _category(fitted.triage)
    scores = np.empty((len(rows), len(model.classes)), dtype=np.float32)
    nearest = np.empty((len(rows), Novelty.N_NEAREST), dtype=np.float32)
    for fold in np.unique(folds):
        held_out, rest = np.flatnonzero(folds == fold).tolist(), np.flatnonzero(folds != fold).tolist()
        scores[held_out] = _scores(rows.take(rest), rows.take(held_out), model.classes, params)
        vectors = [example.vector for example in rows.examples]
        nearest[held_out] = nearest_cosines(
            [vectors[i] for i in rest], [vectors[i] for i in held_out], k=Novelty.N_NEAREST
        )
    number = {label: i for i, label in enumerate(model.classes)}
    truth = np.array([number.get(str(label), _UNSEEN) for label in rows.categories], dtype=np.int64)
    temperature = fit_temperature(scores, truth)
    probabilities = softmax(scores, temperature)
    category = replace(model, temperature=temperature, thresholds=choose_thresholds(probabilities, truth, params))
    familiarity, novelty = _novelty(probabilities.max(axis=1), nearest, params)
    triage = replace(fitted.triage, category=category, novelty=novelty)
    return FoldedFit(replace(fitted, triage=triage), probabilities, familiarity)


def _scores(
    train: LabelledRows, held_out: LabelledRows, classes: tuple[str, ...], params: TrainingParams
) -> NDArray[np.float32]:
    """Scores of held-out rows in the order of ``classes``; one that the fold lacks scores as the row's least."""
    triage = fit_triage(train, held_out, params).triage
    model = _category(triage)
    found = model.head.scores(triage.space.transform(held_out.examples))
    scores = np.repeat(found.min(axis=1, keepdims=True), len(classes), axis=1)
    scores[:, [classes.index(label) for label in model.classes]] = found
    return scores


def _category(triage: Triage) -> TargetModel:
    if triage.category is None:
        raise NotEnoughData("The training rows have no two categories to tell apart; give more rows.")
    return triage.category


def _novelty(
    confidence: NDArray[np.float64], nearest: NDArray[np.float32], params: TrainingParams
) -> tuple[NDArray[np.float64], Novelty]:
    draft = Novelty(weight=params.novelty_weight, threshold=None)
    scores = np.array([draft.score(float(c), row.tolist()) for c, row in zip(confidence, nearest, strict=True)])
    return scores, replace(draft, threshold=float(np.quantile(scores, params.novelty_quantile)))
