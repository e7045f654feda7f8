"""Fit a categorical target: machines on the training rows, their weights and thresholds on the calibration rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from features.errors import NotEnoughData
from features.feature_space import FeatureRows
from serving.heads import softmax
from serving.neighbours import Neighbours
from serving.target_model import TargetModel
from training.calibration import MIN_CALIBRATION, choose_class_thresholds, choose_thresholds
from training.matrices import take_rows
from training.members import Members, fit_members
from training.params import TrainingParams
from training.pooling import Pool, fit_pool, usual_pool

UNSEEN = -1

Floats = NDArray[np.float64]


def fit_target_members(name: str, rows: FeatureRows, labels: Sequence[str | None], params: TrainingParams) -> Members:
    """Fit the machines of a target on the rows that have a label.

    Raises
    ------
    NotEnoughData
        If there are no two labels to tell apart.
    """
    known = np.flatnonzero([label is not None for label in labels])
    y = [label for label in labels if label is not None]
    if len(set(y)) < 2:
        raise NotEnoughData(
            f"The {len(known)} training tickets with a {name} have {len(set(y))} distinct value(s) "
            f"({', '.join(sorted(set(y))) or 'none'}); a model needs at least 2: import more history or another label."
        )
    return fit_members(rows, known, y, params)


def fit_target(
    name: str,
    train: FeatureRows,
    labels: Sequence[str | None],
    calibration: FeatureRows,
    calibration_labels: Sequence[str | None],
    neighbours: Neighbours,
    params: TrainingParams,
) -> TargetModel:
    """Fit a target, and calibrate it on later rows.

    Parameters
    ----------
    neighbours : Neighbours
        Of the calibration rows among the training rows.

    Raises
    ------
    NotEnoughData
        If there are no two labels to tell apart.
    """
    members = fit_target_members(name, train, labels, params)
    rows = np.flatnonzero([label is not None for label in calibration_labels])
    truth = class_numbers(calibration_labels, members.classes)[rows]
    scores = members.scores(take_rows(calibration, rows))
    return calibrated_target(name, members, labels, scores, taken(neighbours, rows), truth, params)[0]


def calibrated_target(
    name: str,
    members: Members,
    labels: Sequence[str | None],
    scores: Floats,
    neighbours: Neighbours,
    truth: NDArray[np.int64],
    params: TrainingParams,
) -> tuple[TargetModel, Floats]:
    """The model of machines, pooled and with thresholds that hold on calibration rows, and its scores of these.

    Parameters
    ----------
    labels : sequence of str or None
        Of the training rows.
    scores : ndarray of float64, shape (n_machines, n, n_classes)
        Of the calibration rows, which the machines that gave them have not seen.
    truth : ndarray of int64, shape (n,)
        Their classes; -1 for a class that the members do not know.
    """
    codes = neighbour_codes(neighbours, name, members.classes, uses_vote=params.uses_vote)
    pool: Pool = usual_pool(len(members.heads))
    if (truth != UNSEEN).sum() >= MIN_CALIBRATION:
        pool = fit_pool(scores, neighbours.cosines, codes, truth)
    if not params.uses_vote:
        pool = replace(pool, vote=replace(pool.vote, weight=0.0))
    pooled = pool.scores(scores, neighbours.cosines, codes)
    probabilities = softmax(pooled) if len(pooled) else pooled
    counts = Counter(label for label in labels if label is not None)
    model = TargetModel(
        name=name,
        classes=members.classes,
        head=members.pooled(pool.weights),
        vote=pool.vote,
        thresholds=choose_thresholds(probabilities, truth, params),
        class_thresholds=choose_class_thresholds(members.classes, probabilities, truth, params),
        rare=frozenset(value for value, count in counts.items() if count < params.rare_below),
        sure_from=params.suggest_precision,
    )
    return model, pooled


def neighbour_codes(neighbours: Neighbours, name: str, classes: Sequence[str], *, uses_vote: bool) -> NDArray[np.int64]:
    """Classes of neighbours, shape (n, k); where they have no vote, all are of none."""
    codes = neighbours.codes(name, classes)
    return codes if uses_vote else np.full_like(codes, UNSEEN)


def class_numbers(labels: Sequence[str | None], classes: Sequence[str]) -> NDArray[np.int64]:
    """Number of the class of each label; ``UNSEEN`` for one that is none of them: whatever is answered is wrong."""
    number = {label: i for i, label in enumerate(classes)}
    return np.array([UNSEEN if label is None else number.get(label, UNSEEN) for label in labels], dtype=np.int64)


def taken(neighbours: Neighbours, rows: NDArray[np.intp]) -> Neighbours:
    """The neighbours of some of the rows."""
    return Neighbours(neighbours.cosines[rows], neighbours.numbers[rows], neighbours.labels)
