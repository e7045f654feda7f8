"""Score the predicting part of a release on tickets that came after those it learned from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.ticket import SEVERITIES
from serving.triage import Prediction, Triage


@dataclass(frozen=True, slots=True)
class Backtest:
    """Predictions of the rows of a test set.

    Attributes
    ----------
    predictions : tuple of Prediction, length n
    category_probabilities : ndarray of float64, shape (n, n_categories), or None
    severity_probabilities : ndarray of float64, shape (n, 4), or None
    """

    rows: LabelledRows
    predictions: tuple[Prediction, ...]
    category_probabilities: NDArray[np.float64] | None
    severity_probabilities: NDArray[np.float64] | None


def backtest(triage: Triage, rows: LabelledRows, known: LabelledRows) -> Backtest:
    """Predict test rows as the service would have.

    Parameters
    ----------
    triage : Triage
        The served object.
    rows : LabelledRows
        Test rows.
    known : LabelledRows
        The tickets that were there before: the neighbours of the test rows are among them.
    """
    if not len(rows):
        return Backtest(rows, (), None, None)
    neighbours = neighbours_among(known, rows)
    predictions = triage.predict(rows.examples, neighbours)
    features = triage.space.transform(rows.examples)
    return Backtest(
        rows=rows,
        predictions=tuple(predictions),
        category_probabilities=triage.category.probabilities(features, neighbours) if triage.category else None,
        severity_probabilities=triage.severity.probabilities(features, neighbours) if triage.severity else None,
    )


def most_likely_categories(triage: Triage, result: Backtest) -> list[str | None]:
    """The most probable category of each row, abstaining or not; None where no category was trained."""
    if triage.category is None or result.category_probabilities is None:
        return [None] * len(result.rows)
    return [triage.category.classes[int(i)] for i in result.category_probabilities.argmax(axis=1)]


def most_likely_severities(result: Backtest) -> list[str | None]:
    """The most probable severity of each row, abstaining or not; None where no severity was trained."""
    if result.severity_probabilities is None:
        return [None] * len(result.rows)
    return [str(SEVERITIES[int(i)]) for i in result.severity_probabilities.argmax(axis=1)]
