"""The lead's report: where a release is wrong, on which tickets, and what to do about it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.report.category_part import category_report
from evaluation.report.contents import DataWindow, MisclassificationReport
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.next_steps import next_steps
from evaluation.report.parts import Floor
from evaluation.report.severity_part import severity_report
from evaluation.report.severity_parts import Sev1Promise
from features.label_cleaning import CleanLabel
from serving.decision import Thresholds

CATEGORY = "category"
SEVERITY = "severity"
_NONE = Thresholds(suggest=None, automate=None)


def misclassification_report(
    rows: Sequence[EvaluatedTicket],
    *,
    release_id: str,
    data_window: DataWindow,
    floors: Mapping[str, Sequence[Floor]],
    class_counts: Mapping[str, Mapping[str, int]],
    thresholds: Mapping[str, Thresholds],
    class_thresholds: Mapping[str, Thresholds],
    costs: NDArray[np.float64] | None,
    rare: Collection[str],
    sev1: Sev1Promise | None,
    category_labels: Iterable[CleanLabel],
) -> MisclassificationReport:
    """Report on a release's predictions for its test tickets.

    Parameters
    ----------
    rows : sequence of EvaluatedTicket
        Every test ticket, labelled or not.
    floors : mapping of str to sequence of Floor
        Plain methods on the same test tickets, under ``category`` and ``severity``.
    class_counts : mapping of str to mapping of str to int
        Training tickets of each class, under ``category`` and ``severity``.
    thresholds : mapping of str to Thresholds
        Under ``category`` and ``severity``.
    class_thresholds : mapping of str to Thresholds
        Of the categories that have their own.
    costs : ndarray of float64, shape (4, 4), or None
        ``costs[truth][answer]`` that the severity model minimises; None without one.
    rare : collection of str
        Categories with too few training tickets to be automated.
    sev1 : Sev1Promise or None
        What the Sev1 threshold was chosen for; None without a severity model.
    category_labels : iterable of CleanLabel
        What became of each category of the history.
    """
    category = category_report(
        rows,
        floors=floors.get(CATEGORY, ()),
        counts=class_counts.get(CATEGORY, {}),
        thresholds=thresholds.get(CATEGORY, _NONE),
        class_thresholds=class_thresholds,
        rare=rare,
        labels=category_labels,
    )
    severity = severity_report(
        rows,
        floors=floors.get(SEVERITY, ()),
        counts=class_counts.get(SEVERITY, {}),
        thresholds=thresholds.get(SEVERITY, _NONE),
        costs=costs,
        promise=sev1,
    )
    return MisclassificationReport(
        release_id=release_id,
        data_window=data_window,
        n=len(rows),
        n_near_duplicates=sum(row.is_near_duplicate for row in rows),
        category=category,
        severity=severity,
        next_steps=next_steps(category, severity),
    )
