"""Out of scope: how well the novelty score tells texts of no known class from texts of known ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from evaluation.dataset import LabelledRows
from evaluation.intervals import N_DRAWS, SEED, Interval, mean_interval
from evaluation.neighbours import neighbours_among
from serving.triage import Triage

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scored:
    """Rows of known classes: their familiarity (novelty score, low is new) and whether their answer is right."""

    familiarity: Floats
    correct: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OutsideFigures:
    """Figures out of scope, with their 95 % intervals by the key of the figure.

    A row is accepted as in scope when its familiarity reaches ``threshold``; ``recall`` is of rows outside.
    """

    n_outside: int
    auroc: float
    threshold: float
    in_scope_accuracy: float
    recall: float
    intervals: dict[str, list[float]]

    def to_json(self) -> dict[str, object]:
        """The figures under the keys of the benchmark, without intervals."""
        return {
            "n_outside": self.n_outside,
            "oos_auroc": self.auroc,
            "familiarity_threshold": self.threshold,
            "in_scope_accuracy": self.in_scope_accuracy,
            "oos_recall": self.recall,
        }


def familiarity(triage: Triage, rows: LabelledRows, known: LabelledRows) -> Floats:
    """Novelty scores of rows among those that are known, shape (n,); low is new."""
    if triage.novelty is None or triage.category is None or not len(rows):
        return np.zeros(len(rows))
    found = triage.novelty.signals(
        triage.category, triage.space.transform(rows.examples), neighbours_among(known, rows)
    )
    return triage.novelty.familiarity.of(found)


def auroc(inside: Floats, outside: Floats) -> float:
    """Probability that a row of a known class is more familiar than one of none; ties count half.

    Examples
    --------
    >>> auroc(np.array([0.9, 0.5]), np.array([0.5, 0.1]))
    0.875
    """
    if not len(inside) or not len(outside):
        return float("nan")
    ranks = rankdata(np.concatenate([inside, outside]))[: len(inside)]
    return float((ranks.sum() - len(inside) * (len(inside) + 1) / 2) / (len(inside) * len(outside)))


def best_threshold(inside: Scored, outside: Floats) -> float:
    """Familiarity that maximises in-scope accuracy plus out-of-scope recall; of equals the lowest.

    A row is accepted at and above the threshold; an in-scope row that is rejected counts as wrong.
    """
    edges = np.unique(np.concatenate([inside.familiarity, outside]))
    right = np.sort(inside.familiarity[inside.correct])
    accuracy = (len(right) - np.searchsorted(right, edges, side="left")) / max(len(inside.familiarity), 1)
    recall = np.searchsorted(np.sort(outside), edges, side="left") / max(len(outside), 1)
    return float(edges[int(np.argmax(accuracy + recall))]) if len(edges) else 0.0


def outside_figures(
    test: Scored, outside_test: Floats, validation: Scored, outside_validation: Floats
) -> OutsideFigures:
    """Score test rows at the threshold that is best on validation rows."""
    threshold = best_threshold(validation, outside_validation)
    accepted_right = ((test.familiarity >= threshold) & test.correct).astype(np.float64)
    rejected = (outside_test < threshold).astype(np.float64)
    return OutsideFigures(
        n_outside=len(outside_test),
        auroc=auroc(test.familiarity, outside_test),
        threshold=threshold,
        in_scope_accuracy=float(accepted_right.mean()),
        recall=float(rejected.mean()),
        intervals={
            "oos_auroc": list(_auroc_interval(test.familiarity, outside_test)),
            "in_scope_accuracy": list(mean_interval(accepted_right)),
            "oos_recall": list(mean_interval(rejected)),
        },
    )


def _auroc_interval(inside: Floats, outside: Floats) -> Interval:
    """Both samples are drawn anew, each on its own."""
    generator = np.random.default_rng(SEED)
    draws = [
        auroc(
            inside[generator.integers(0, len(inside), len(inside))],
            outside[generator.integers(0, len(outside), len(outside))],
        )
        for _ in range(N_DRAWS)
    ]
    low, high = np.percentile(draws, [2.5, 97.5])
    return (float(low), float(high))
