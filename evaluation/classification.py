"""Figures of a classifier: accuracy, per-class precision, recall and F1, the pairs it confuses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.intervals import Interval, bootstrap_interval


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """Figures of one class; ratios are 0 where nothing was answered or nothing was there."""

    label: str
    support: int
    answered: int
    hits: int

    @property
    def precision(self) -> float:
        """Share of the answers that were right."""
        return self.hits / self.answered if self.answered else 0.0

    @property
    def recall(self) -> float:
        """Share of the class that was found."""
        return self.hits / self.support if self.support else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        total = self.support + self.answered
        return 2.0 * self.hits / total if total else 0.0


@dataclass(frozen=True, slots=True)
class ClassificationFigures:
    """Figures of answers against truths."""

    n: int
    accuracy: float
    accuracy_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval
    classes: tuple[ClassFigures, ...]


def classification_figures(truth: Sequence[str], answers: Sequence[str]) -> ClassificationFigures:
    """Score answers; macro-F1 is over the classes that occur in the truth.

    Examples
    --------
    >>> figures = classification_figures(["a", "a", "b"], ["a", "b", "b"])
    >>> round(figures.accuracy, 3), round(figures.macro_f1, 3)
    (0.667, 0.667)
    """
    labels = sorted(set(truth) | set(answers))
    number = {label: i for i, label in enumerate(labels)}
    y = np.array([number[label] for label in truth], dtype=np.int64)
    p = np.array([number[label] for label in answers], dtype=np.int64)
    n = len(y)
    return ClassificationFigures(
        n=n,
        accuracy=float((y == p).mean()) if n else float("nan"),
        accuracy_ci95=bootstrap_interval(lambda rows: float((y[rows] == p[rows]).mean()), n),
        macro_f1=_macro_f1(y, p, len(labels)) if n else float("nan"),
        macro_f1_ci95=bootstrap_interval(lambda rows: _macro_f1(y[rows], p[rows], len(labels)), n),
        classes=tuple(
            ClassFigures(
                label=label,
                support=int((y == i).sum()),
                answered=int((p == i).sum()),
                hits=int(((y == i) & (p == i)).sum()),
            )
            for i, label in enumerate(labels)
        ),
    )


def _macro_f1(y: NDArray[np.int64], p: NDArray[np.int64], n_labels: int) -> float:
    support = np.bincount(y, minlength=n_labels)
    answered = np.bincount(p, minlength=n_labels)
    hits = np.bincount(y[y == p], minlength=n_labels)
    f1 = 2.0 * hits / np.maximum(support + answered, 1)
    return float(f1[support > 0].mean())


def macro_f1(truth: Sequence[str], answers: Sequence[str]) -> float:
    """Macro-F1 over the classes that occur in the truth, without its interval."""
    labels = sorted(set(truth) | set(answers))
    number = {label: i for i, label in enumerate(labels)}
    y = np.array([number[label] for label in truth], dtype=np.int64)
    p = np.array([number[label] for label in answers], dtype=np.int64)
    return _macro_f1(y, p, len(labels))


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """A truth and another answer given in its place; ``rows`` are the numbers of those tickets."""

    truth: str
    answer: str
    rows: tuple[int, ...]


def confused_pairs(truth: Sequence[str], answers: Sequence[str]) -> list[ConfusedPair]:
    """Pairs of classes that were confused, the most frequent first."""
    rows: dict[tuple[str, str], list[int]] = {}
    for i, (true, answer) in enumerate(zip(truth, answers, strict=True)):
        if true != answer:
            rows.setdefault((true, answer), []).append(i)
    pairs = [ConfusedPair(true, answer, tuple(numbers)) for (true, answer), numbers in rows.items()]
    return sorted(pairs, key=lambda pair: (-len(pair.rows), pair.truth, pair.answer))


def confusion_matrix(truth: Sequence[str], answers: Sequence[str], labels: Sequence[str]) -> NDArray[np.int64]:
    """Counts, shape (n_labels, n_labels): rows are truths, columns answers."""
    number = {label: i for i, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    for true, answer in zip(truth, answers, strict=True):
        matrix[number[true], number[answer]] += 1
    return matrix
