"""What is fitted and scored: labelled tickets, ranked candidates with their truth, and what a fit gives back.

A benchmark or a backtest takes a function of these as its argument, so that evaluation never imports training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example
from features.ticket import Severity
from serving.ranking import Ranker
from serving.triage import Triage


@dataclass(frozen=True, slots=True)
class LabelledRows:
    """Examples with their labels; None where a label is unknown.

    Attributes
    ----------
    categories : tuple of str or None, length n
    severities : tuple of Severity or None, length n
    targets : mapping of name to tuple of str or None, each of length n
    """

    examples: tuple[Example, ...]
    categories: tuple[str | None, ...]
    severities: tuple[Severity | None, ...]
    targets: Mapping[str, tuple[str | None, ...]]

    def __len__(self) -> int:
        return len(self.examples)

    def labelled(self) -> list[int]:
        """Numbers of the rows that have a category, a severity or a further target."""
        columns = (self.categories, self.severities, *self.targets.values())
        return [i for i in range(len(self)) if any(column[i] is not None for column in columns)]

    def joined(self, later: LabelledRows) -> LabelledRows:
        """These rows, then others with the same further targets."""
        return LabelledRows(
            examples=self.examples + later.examples,
            categories=self.categories + later.categories,
            severities=self.severities + later.severities,
            targets={name: values + later.targets[name] for name, values in self.targets.items()},
        )

    def take(self, rows: Sequence[int]) -> LabelledRows:
        """The rows of the given numbers, in their order."""
        return LabelledRows(
            examples=tuple(self.examples[i] for i in rows),
            categories=tuple(self.categories[i] for i in rows),
            severities=tuple(self.severities[i] for i in rows),
            targets={name: tuple(values[i] for i in rows) for name, values in self.targets.items()},
        )


@dataclass(frozen=True, slots=True)
class RecallThreshold:
    """A threshold for a recall, and whether the calibration rows were enough to promise it.

    ``n_positives`` calibration rows were positive; ``n_needed`` are the fewest that can certify the promise.
    """

    threshold: float
    certified: bool
    n_positives: int
    n_needed: int


@dataclass(frozen=True, slots=True)
class FittedTriage:
    """The object that will be served, and what its fit has to tell.

    ``class_counts`` gives the training rows of each class, by target; ``language_counts`` those of each language.
    """

    triage: Triage
    sev1: RecallThreshold | None
    class_counts: dict[str, dict[str, int]]
    language_counts: dict[str, int]


@dataclass(frozen=True, slots=True)
class FoldedFit:
    """A fit on all rows, calibrated on what models of the other folds said of each.

    Attributes
    ----------
    fitted : FittedTriage
    probabilities : ndarray of float64, shape (n, n_classes)
        Calibrated, out of fold; columns in the order of the fitted category's classes.
    familiarity : ndarray of float64, shape (n,)
        Novelty scores of signals out of fold, their weights learned on all rows; low is new.
    """

    fitted: FittedTriage
    probabilities: NDArray[np.float64]
    familiarity: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankingGroup:
    """The candidates of one query, with the truth.

    Attributes
    ----------
    created_at : float
        Seconds since the epoch at which the query was created.
    row_ids : ndarray of int64, shape (n_candidates,)
    matrix : ndarray of float64, shape (n_candidates, n_signals)
        Signals as :func:`serving.ranking.signals` computes them.
    is_match : ndarray of bool, shape (n_candidates,)
    n_matches : int
        Known matches in all, found among the candidates or not; 0 for a query without a known link.
    stands_for : float
        Number of tickets of the history that the query stands for: more than 1 in a sample.
    """

    created_at: float
    row_ids: NDArray[np.int64]
    matrix: NDArray[np.float64]
    is_match: NDArray[np.bool_]
    n_matches: int
    stands_for: float = 1.0


FitTriage = Callable[[LabelledRows, LabelledRows], FittedTriage]
"""Fits on the first rows and calibrates on the second."""

ChooseRecallThreshold = Callable[[NDArray[np.float64]], RecallThreshold]
"""Chooses, by the risks of positive calibration rows, the threshold that keeps the recall of the Sev1 flag."""

SeverityWithout = Callable[[LabelledRows, LabelledRows, LabelledRows], Mapping[str, NDArray[np.float64]]]
"""Fits as :data:`FitTriage` does; severity probabilities of the third rows by the kind of input that is left out."""

FitInFolds = Callable[[LabelledRows, NDArray[np.int64]], FoldedFit]
"""Fits on rows and calibrates by the folds whose numbers, shape (n,), are given."""

FitRanker = Callable[[Sequence[RankingGroup]], Ranker]
"""Learns a ranker from groups in order of time."""

FitWeights = Callable[[Sequence[RankingGroup], float], NDArray[np.float64]]
"""Weights of the signals, shape (n_signals,), from groups that have a match, with a regularisation."""

CalibrateRanker = Callable[[NDArray[np.float64], Sequence[RankingGroup]], Ranker]
"""A ranker of given weights, its relevance a probability on the groups."""
