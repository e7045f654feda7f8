"""Learn what tells a ticket of a kind never seen: classes are left out in turn, and their tickets play the new ones.

No history has labelled tickets of kinds that it has never had. Tickets of a class that a model was not shown are the
nearest thing to them (leave-out classes after Scheirer et al., TPAMI 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.feature_space import FeatureRows
from serving.heads import sigmoid
from serving.novelty import SIGNALS, UNTRAINED, Novelty, signals
from serving.target_model import TargetModel
from training.calibration import MIN_CALIBRATION
from training.matrices import take_rows
from training.members import fit_wide
from training.params import TrainingParams

_MAX_ROWS = 6_000
_MIN_ROWS = 200
_MIN_CLASSES = 4
_N_ROUNDS = 5
_MIN_IN_CENTROID = 3
_C = 0.3

Floats = NDArray[np.float64]


def fit_novelty(train: LabelledRows, rows: FeatureRows, model: TargetModel, params: TrainingParams) -> Novelty:
    """Learn the weights of the signals of novelty; the threshold is left open.

    Parameters
    ----------
    train : LabelledRows
        What the model was fitted on, with ``rows`` their features.
    model : TargetModel
        Of the category, whole.
    """
    draft = Novelty(UNTRAINED, centroids(rows.vectors, train.categories, model.classes), threshold=None)
    known = np.flatnonzero([label is not None for label in train.categories])
    if len(known) < _MIN_ROWS or len(model.classes) < _MIN_CLASSES:
        return draft
    generator = np.random.default_rng(params.seed)
    chosen = np.sort(generator.permutation(known)[:_MAX_ROWS])
    taken, taken_rows = train.take(chosen.tolist()), take_rows(rows, chosen)
    group = _numbered(generator, model.classes)
    groups = np.array([group[str(label)] for label in taken.categories])
    folds = generator.permutation(len(chosen)) % _N_ROUNDS
    found = [
        _round(taken, taken_rows, groups == number, folds == number, model, params)
        for number in range(_N_ROUNDS)
        if (groups == number).any()
    ]
    inside, outside = (np.vstack(part) for part in zip(*found, strict=True))
    return Novelty(_weights(inside, outside), draft.centroids, threshold=None)


def with_thresholds(novelty: Novelty, found: Floats, params: TrainingParams) -> Novelty:
    """Set what is called novel by the signals of calibration rows, shape (n, len(SIGNALS)); nothing for too few rows.

    Half of the share that may be called novel goes to low familiarity, half to lying far from every case: what is left
    out of the classes to learn from is never as far off as what belongs to no support desk at all.
    """
    if len(found) < MIN_CALIBRATION:
        return novelty
    share = params.novelty_quantile / 2
    return replace(
        novelty,
        threshold=float(np.quantile(novelty.familiarity(found), share)),
        farthest=float(np.quantile(found[:, SIGNALS.index("five_nearest")], share)),
    )


def centroids(
    vectors: NDArray[np.float32], labels: Sequence[str | None], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Mean direction of each class, shape (n_classes, dimension); zeros for classes of fewer than three tickets."""
    out = np.zeros((len(classes), vectors.shape[1]), dtype=np.float32)
    number = {name: k for k, name in enumerate(classes)}
    numbers = np.array([-1 if label is None else number.get(label, -1) for label in labels])
    for k in range(len(classes)):
        rows = np.flatnonzero(numbers == k)
        if len(rows) >= _MIN_IN_CENTROID:
            mean = vectors[rows].mean(axis=0)
            out[k] = mean / max(float(np.linalg.norm(mean)), 1e-9)
    return out


def _numbered(generator: np.random.Generator, classes: Sequence[str]) -> dict[str, int]:
    """Put each class in one of the rounds that leave it out."""
    return {classes[k]: place % _N_ROUNDS for place, k in enumerate(generator.permutation(len(classes)).tolist())}


def _round(
    taken: LabelledRows,
    rows: FeatureRows,
    left_out: NDArray[np.bool_],
    held_out: NDArray[np.bool_],
    model: TargetModel,
    params: TrainingParams,
) -> tuple[Floats, Floats]:
    """Signals of held-out rows of the classes that a model was shown, and of rows of the classes that it was not."""
    shown = np.flatnonzero(~left_out & ~held_out)
    labels = [str(taken.categories[i]) for i in shown.tolist()]
    classes, head = fit_wide(rows, shown, labels, params)
    # The wide machine stands for both: its scores are brought to the spread of the whole model's.
    spread = _spread(model.head.scores(rows)) / max(_spread(head.scores(rows)), 1e-9)
    known = taken.take(shown.tolist())
    kinds = centroids(rows.vectors[shown], known.categories, classes)

    def of(numbers: NDArray[np.intp]) -> Floats:
        part = take_rows(rows, numbers)
        neighbours = neighbours_among(known, taken.take(numbers.tolist()))
        small = TargetModel(model.name, classes, head, model.vote, model.thresholds)
        scores = head.scores(part) * spread + model.vote.scores(
            neighbours.cosines, small.codes(neighbours), len(classes)
        )
        cosines = part.vectors.astype(np.float64) @ kinds.T
        return signals(scores, cosines, neighbours, small)

    return of(np.flatnonzero(~left_out & held_out)), of(np.flatnonzero(left_out))


def _spread(scores: NDArray[np.float32]) -> float:
    return float(scores.std())


def _weights(inside: Floats, outside: Floats) -> Floats:
    """Weights of a balanced logistic regression of familiar against new.

    Every signal may only speak for familiarity, but the log-sum-exp, which is read against the largest score; the
    probability itself gives way to its log-odds. So a few odd classes cannot teach that being far is being known.
    """
    values = np.vstack([inside, outside])
    scale = values.std(axis=0)
    by_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-9)
    by_scale[SIGNALS.index("confidence")] = 0.0
    standard = (values - values.mean(axis=0)) * by_scale
    is_inside = np.repeat([True, False], [len(inside), len(outside)])
    share = np.where(is_inside, 0.5 / len(inside), 0.5 / len(outside)) * len(values)

    def loss(parameters: Floats) -> tuple[float, Floats]:
        weights, offset = parameters[:-1], parameters[-1]
        probabilities = sigmoid(standard @ weights + offset)
        given = np.where(is_inside, probabilities, 1.0 - probabilities)
        wrong = share * (probabilities - is_inside)
        value = -(share * np.log(np.maximum(given, 1e-12))).sum() + 0.5 / _C * (weights**2).sum()
        return float(value), np.append(standard.T @ wrong + weights / _C, wrong.sum())

    bounds = [(None if name == "energy" else 0.0, None) for name in SIGNALS]
    found = minimize(loss, np.zeros(len(SIGNALS) + 1), jac=True, method="L-BFGS-B", bounds=[*bounds, (None, None)])
    return np.asarray(found.x[:-1] * by_scale, dtype=np.float64)
