"""The linear machines whose scores a target's model weighs: over all features, and over n-grams told apart by class."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC

from features.feature_space import FeatureRows
from serving.heads import LinearHead
from training.matrices import csr, head_of, matrix
from training.params import TrainingParams

_SMOOTHING = 0.1


@dataclass(frozen=True, slots=True)
class Members:
    """Two machines over the same classes.

    ``wide`` is a linear support vector machine over every feature. ``counted`` is one over the n-grams alone, each
    multiplied by the logarithm of how much more of it the class has than the others (NB-SVM: Wang and Manning, ACL
    2012); None where the rows have no n-grams in common.
    """

    classes: tuple[str, ...]
    wide: LinearHead
    counted: LinearHead | None

    @property
    def heads(self) -> list[LinearHead]:
        """The machines, ``wide`` first."""
        return [self.wide] if self.counted is None else [self.wide, self.counted]

    def scores(self, rows: FeatureRows) -> NDArray[np.float64]:
        """Score of each machine, shape (n_machines, n, n_classes)."""
        return np.stack([head.scores(rows).astype(np.float64) for head in self.heads])

    def pooled(self, weights: Sequence[float]) -> LinearHead:
        """One head whose scores are the weighted sum of the machines'."""
        pairs = list(zip(self.heads, weights, strict=True))
        return LinearHead(
            sparse_weights=sum_of([head.sparse_weights * np.float32(w) for head, w in pairs]),
            dense_weights=sum_of([head.dense_weights * np.float32(w) for head, w in pairs]),
            intercept=sum_of([head.intercept * np.float32(w) for head, w in pairs]),
        )


def sum_of(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Sum of arrays of one shape."""
    return np.asarray(sum(arrays[1:], start=arrays[0]), dtype=np.float32)


def fit_members(rows: FeatureRows, numbers: NDArray[np.intp], labels: Sequence[str], params: TrainingParams) -> Members:
    """Fit both machines on the rows of the given numbers, whose labels (at least two distinct) are given."""
    classes, wide = fit_wide(rows, numbers, labels, params)
    return Members(classes, wide, fit_counted(rows, numbers, labels, params) if params.machines == "both" else None)


def fit_wide(
    rows: FeatureRows, numbers: NDArray[np.intp], labels: Sequence[str], params: TrainingParams
) -> tuple[tuple[str, ...], LinearHead]:
    """Fit the machine over every feature; gives its classes and its head."""
    machine = LinearSVC(C=params.svm_c, random_state=params.seed)
    _fit(machine, matrix(rows, numbers), labels)
    return tuple(str(value) for value in machine.classes_), head_of(machine.coef_, machine.intercept_, rows)


def fit_counted(
    rows: FeatureRows, numbers: NDArray[np.intp], labels: Sequence[str], params: TrainingParams
) -> LinearHead | None:
    """Fit the machine over n-grams told apart by class, its classes in order of their names."""
    counts: sparse.csr_matrix = csr(rows.sparse)[numbers]
    if not counts.nnz:
        return None
    names, classes = np.array(labels, dtype=str), sorted(set(labels))
    total = _sums(counts)
    weights = np.empty((len(classes), counts.shape[1]))
    intercepts = np.empty(len(classes))
    for k, name in enumerate(classes):
        is_class = names == name
        inside = _sums(counts[is_class]) + _SMOOTHING
        outside = total - inside + 2 * _SMOOTHING
        ratio = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
        machine = LinearSVC(C=params.svm_c, random_state=params.seed)
        _fit(machine, counts @ sparse.diags_array(ratio), is_class)
        weights[k], intercepts[k] = machine.coef_[0] * ratio, machine.intercept_[0]
    dense = np.zeros((len(classes), rows.dense.shape[1]))
    return head_of(np.hstack([weights, dense]), intercepts, rows)


def _sums(counts: sparse.csr_matrix) -> NDArray[np.float64]:
    return np.asarray(counts.sum(axis=0), dtype=np.float64).ravel()


def _fit(machine: LinearSVC, rows: sparse.csr_matrix, labels: Sequence[str] | NDArray[np.bool_]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a weight in the fourth digit changes no answer
        warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)  # rare classes are reported
        machine.fit(rows, labels)
