"""Parts that the category's and the severity's report have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.classification import ClassFigures, classification_figures
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.parts import ActionShare, ClassReport, Scores
from evaluation.severity import exact_interval
from serving.schemas import Action


def scores(truth: Sequence[str], answers: Sequence[str]) -> Scores:
    """Headline figures of answers against truths; there is at least one."""
    figures = classification_figures(truth, answers)
    return Scores(
        n=figures.n,
        accuracy=figures.accuracy,
        accuracy_ci95=figures.accuracy_ci95,
        macro_f1=figures.macro_f1,
        macro_f1_ci95=figures.macro_f1_ci95,
    )


def without_near_duplicates(
    rows: Sequence[EvaluatedTicket], truth: Sequence[str], answers: Sequence[str]
) -> Scores | None:
    """Headline figures on tickets unlike any earlier one; None where that is all of them, or none."""
    fresh = [i for i, row in enumerate(rows) if not row.is_near_duplicate]
    if not fresh or len(fresh) == len(rows):
        return None
    return scores([truth[i] for i in fresh], [answers[i] for i in fresh])


def action_shares(actions: Sequence[Action], correct: NDArray[np.bool_]) -> tuple[ActionShare, ...]:
    """Share and accuracy of each action; ``correct`` has shape (n,), n > 0."""
    shares = []
    for action in Action:
        taken = np.array([a is action for a in actions])
        n, hits = int(taken.sum()), int((taken & correct).sum())
        shares.append(
            ActionShare(
                action=action,
                n=n,
                share=n / len(actions),
                accuracy=hits / n if n else None,
                accuracy_ci95=exact_interval(hits, n) if n else None,
            )
        )
    return tuple(shares)


def class_reports(
    classes: Sequence[ClassFigures], counts: Mapping[str, int], rare: Collection[str]
) -> tuple[ClassReport, ...]:
    """Figures of each class that training or testing has seen, by name.

    Parameters
    ----------
    classes : sequence of ClassFigures
        Those that occur in the test.
    counts : mapping of str to int
        Training tickets of each class.
    rare : collection of str
        Classes with too few training tickets to be automated.
    """
    tested = {figures.label: figures for figures in classes}
    return tuple(
        _class_report(tested.get(label, ClassFigures(label, 0, 0, 0)), counts.get(label, 0), label in rare)
        for label in sorted({*tested, *counts}, key=lambda label: (label.casefold(), label))
    )


def _class_report(figures: ClassFigures, n_train: int, is_rare: bool) -> ClassReport:
    return ClassReport(
        label=figures.label,
        n_train=n_train,
        n_test=figures.support,
        n_answered=figures.answered,
        precision=figures.precision if figures.answered else None,
        recall=figures.recall if figures.support else None,
        f1=figures.f1 if figures.support else None,
        is_rare=is_rare,
    )
