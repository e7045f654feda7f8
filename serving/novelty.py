"""When a ticket is unlike all history: signals of the category model and the nearest cases, weighed into one figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import FeatureRows
from features.release import Release
from serving.heads import softmax
from serving.neighbours import Neighbours
from serving.target_model import TargetModel

SIGNALS = ("confidence", "log_odds", "largest_score", "five_nearest", "centroid", "agreement")
_N_FEW, _N_AGREEING = 5, 10
_EPSILON = 1e-6
_MOST = 3.0
# Kinds that were left out to learn from lie near the known ones. What lies farther than they do is not asked of the
# form: from so many deviations below the mean on, each costs a fixed amount. (Chosen on the validation rows of
# banking77_oos and on IT tickets among banking questions.)
_FAR, _FALL = 2.0, 2.0
_COSINES = (SIGNALS.index("five_nearest"), SIGNALS.index("centroid"))

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Familiarity:
    """One figure of all signals: a quadratic form, so that it can say "sure, and yet far from every case".

    Far from every case by more than anything it was learned on, a ticket is the less familiar the farther it lies.

    Attributes
    ----------
    mean, by_scale : ndarray of float64, shape (len(SIGNALS),)
        Mean of each signal, and one over its standard deviation; 0 for a signal that never varied.
    form : ndarray of float64, shape (1 + len(SIGNALS), 1 + len(SIGNALS))
        Upper triangle: of a constant 1 and the signals in standard deviations.
    """

    mean: Floats
    by_scale: Floats
    form: Floats

    def standard(self, found: Floats) -> Floats:
        """Signals in standard deviations, held within three: nothing is known of what lies beyond."""
        return np.clip(self._deviations(found), -_MOST, _MOST)

    def of(self, found: Floats) -> Floats:
        """High for what is known, low for what is new, shape (n,); of signals of shape (n, len(SIGNALS))."""
        with_one = np.hstack([np.ones((len(found), 1)), self.standard(found)])
        near = np.einsum("ni,ij,nj->n", with_one, self.form, with_one)
        beyond = np.maximum(-_FAR - self._deviations(found)[:, _COSINES], 0.0)
        return np.asarray(near - _FALL * beyond.sum(axis=1), dtype=np.float64)

    def _deviations(self, found: Floats) -> Floats:
        return np.asarray((found - self.mean) * self.by_scale, dtype=np.float64)

    @classmethod
    def untrained(cls) -> Familiarity:
        """Without classes enough to learn from: top probability plus twice the mean cosine of the five nearest."""
        n = len(SIGNALS)
        form = np.zeros((1 + n, 1 + n))
        form[0, 1 + SIGNALS.index("confidence")] = 1.0
        form[0, 1 + SIGNALS.index("five_nearest")] = 2.0
        return cls(np.zeros(n), np.ones(n), form)


@dataclass(frozen=True, slots=True)
class Novelty:
    """How familiar a ticket must be for not being called novel.

    Attributes
    ----------
    familiarity : Familiarity
    centroids : ndarray of float32, shape (n_classes, dimension)
        Mean direction of the training tickets of each class; zeros for a class of too few to say nothing of one.
    threshold : float or None
        A release without enough rows to set it calls nothing new.
    farthest : float
        Mean cosine of the five nearest cases below which a ticket is new whatever else speaks for it.
    """

    familiarity: Familiarity
    centroids: NDArray[np.float32]
    threshold: float | None
    farthest: float = -1.0

    def is_novel(self, found: Floats) -> NDArray[np.bool_]:
        """Which rows of signals, shape (n, len(SIGNALS)), are of a kind never seen; shape (n,)."""
        if self.threshold is None:
            return np.zeros(len(found), dtype=np.bool_)
        far = found[:, SIGNALS.index("five_nearest")] < self.farthest
        return np.asarray((self.familiarity.of(found) < self.threshold) | far)

    def signals(self, model: TargetModel, rows: FeatureRows, neighbours: Neighbours) -> Floats:
        """Signals of familiarity, shape (n, len(SIGNALS))."""
        scores = model.scores(rows, neighbours)
        return signals(scores, self.centroid_cosines(rows), neighbours, model)

    def centroid_cosines(self, rows: FeatureRows) -> Floats:
        """Cosine of each row to each class's centroid, shape (n, n_classes)."""
        found = [self.centroids @ vector for vector in rows.vectors]
        return np.stack(found).astype(np.float64) if found else np.empty((0, len(self.centroids)))

    def to_json(self) -> dict[str, float | None]:
        """What :meth:`from_release` reads beside the arrays."""
        return {"threshold": self.threshold, "farthest": self.farthest}

    def to_arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The arrays that :meth:`from_release` reads."""
        weighed = self.familiarity
        return {
            "mean": weighed.mean,
            "by_scale": weighed.by_scale,
            "form": weighed.form,
            "centroids": self.centroids,
        }

    @classmethod
    def from_release(cls, release: Release) -> Novelty:
        """Read the novelty part of a release."""
        arrays = release.arrays("novelty")
        return cls(
            familiarity=Familiarity(
                **{name: arrays[name].astype(np.float64) for name in Familiarity.__dataclass_fields__}
            ),
            centroids=arrays["centroids"].astype(np.float32),
            **release.json("novelty"),
        )


def signals(scores: Floats, centroid_cosines: Floats, neighbours: Neighbours, model: TargetModel) -> Floats:
    """Signals of familiarity from the scores of a model.

    Parameters
    ----------
    scores, centroid_cosines : ndarray of float64, shape (n, n_classes)

    Returns
    -------
    ndarray of float64, shape (n, len(SIGNALS))
        Columns in the order of ``SIGNALS``: top probability and its log-odds, largest score, mean cosine of the five
        nearest cases, cosine to the nearest centroid, and the share of the ten nearest cases that have the answered
        class.
    """
    probabilities = softmax(scores)
    confidence = probabilities.max(axis=1)
    cosines = neighbours.cosines.astype(np.float64)
    codes = model.codes(neighbours)[:, :_N_AGREEING]
    agreeing = codes == probabilities.argmax(axis=1)[:, None]
    return np.column_stack(
        [
            confidence,
            np.log((confidence + _EPSILON) / (1.0 - confidence + _EPSILON)),
            scores.max(axis=1),
            _mean(cosines[:, :_N_FEW]),
            centroid_cosines.max(axis=1),
            _mean(agreeing.astype(np.float64)),
        ]
    )


def _mean(values: Floats) -> Floats:
    return np.asarray(values.mean(axis=1) if values.shape[1] else np.zeros(len(values)), dtype=np.float64)
