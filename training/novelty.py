"""Learn what tells a ticket of a kind never seen: classes are left out in turn, and their tickets play the new ones.

No history has labelled tickets of kinds that it has never had. Tickets of a class that a model was not shown are the
nearest thing to them (leave-out classes after Scheirer et al., TPAMI 2013).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.feature_space import FeatureRows
from serving.novelty import SIGNALS, Familiarity, Novelty, signals
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
_C = 0.03

Floats = NDArray[np.float64]


def fit_novelty(train: LabelledRows, rows: FeatureRows, model: TargetModel, params: TrainingParams) -> Novelty:
    """Learn how the signals of novelty weigh; the threshold is left open.

    Parameters
    ----------
    train : LabelledRows
        What the model was fitted on, with ``rows`` their features.
    model : TargetModel
        Of the category, whole.
    """
    draft = Novelty(Familiarity.untrained(), centroids(rows.vectors, train.categories, model.classes), threshold=None)
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
        _round(taken, taken_rows, left_out, held_out, model, params)
        for number in range(_N_ROUNDS)
        if _tells(taken, left_out := groups == number, held_out := folds == number)
    ]
    if not found:
        return draft
    inside, outside = (np.vstack(part) for part in zip(*found, strict=True))
    return replace(draft, familiarity=fit_familiarity(inside, outside))


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
        threshold=float(np.quantile(novelty.familiarity.of(found), share)),
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


def _tells(taken: LabelledRows, left_out: NDArray[np.bool_], held_out: NDArray[np.bool_]) -> bool:
    """Whether a round has rows of both kinds to tell apart, and two classes to show: one class may have nearly all."""
    shown = {taken.categories[i] for i in np.flatnonzero(~left_out & ~held_out).tolist()}
    return len(shown) > 1 and bool(left_out.any()) and bool((~left_out & held_out).any())


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


def fit_familiarity(inside: Floats, outside: Floats) -> Familiarity:
    """A regularised logistic regression of familiar against new, on the signals, their squares and their products.

    Parameters
    ----------
    inside, outside : ndarray of float64, shape (n, len(SIGNALS))
        Signals of tickets of kinds that were shown, and of kinds that were not; both count alike.
    """
    values = np.vstack([inside, outside])
    scale = values.std(axis=0)
    by_scale = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 1e-9)
    blank = np.zeros((1 + len(SIGNALS), 1 + len(SIGNALS)))
    draft = Familiarity(values.mean(axis=0), by_scale, blank)
    with_one = np.hstack([np.ones((len(values), 1)), draft.standard(values)])
    first, second = np.triu_indices_from(blank)
    model = LogisticRegression(C=_C, class_weight="balanced", max_iter=2000)
    # Without the product of 1 and 1: the threshold takes the place of an offset.
    model.fit(with_one[:, first[1:]] * with_one[:, second[1:]], np.repeat([True, False], [len(inside), len(outside)]))
    form = blank.copy()
    form[first[1:], second[1:]] = model.coef_[0]
    return replace(draft, form=form)
