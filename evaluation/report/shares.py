"""Parts that the category's and the severity's report have in common."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from evaluation.classification import ClassFigures, classification_figures
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.parts import ActionShare, ClassReport, Scores
from evaluation.severity import exact_interval
from serving.decision import Thresholds
from serving.schemas import Action

_NEVER = Thresholds(suggest=None, automate=None)


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


def thresholds_in_force(
    learned: Collection[str],
    thresholds: Thresholds,
    class_thresholds: Mapping[str, Thresholds],
    rare: Collection[str],
) -> dict[str, Thresholds]:
    """Thresholds that each learned class is answered by: its own or else the target's; a rare one is never automated.

    Examples
    --------
    >>> thresholds_in_force(["a", "b"], Thresholds(0.5, 0.9), {"b": Thresholds(0.3, 0.8)}, {"b"})
    {'a': Thresholds(suggest=0.5, automate=0.9), 'b': Thresholds(suggest=0.3, automate=None)}
    """
    chosen = {label: class_thresholds.get(label, thresholds) for label in learned}
    return {label: replace(own, automate=None) if label in rare else own for label, own in chosen.items()}


def class_reports(
    classes: Sequence[ClassFigures],
    counts: Mapping[str, int],
    thresholds: Mapping[str, Thresholds],
    rare: Collection[str],
) -> tuple[ClassReport, ...]:
    """Figures of each class that training or testing has seen, by name.

    Parameters
    ----------
    classes : sequence of ClassFigures
        Those that occur in the test.
    counts : mapping of str to int
        Training tickets of each class.
    thresholds : mapping of str to Thresholds
        In force for each class; a class without any is never answered.
    rare : collection of str
        Classes with too few training tickets to be automated.
    """
    tested = {figures.label: figures for figures in classes}
    return tuple(
        _class_report(
            tested.get(label, ClassFigures(label, 0, 0, 0)),
            counts.get(label, 0),
            thresholds.get(label, _NEVER),
            label in rare,
        )
        for label in sorted({*tested, *counts}, key=lambda label: (label.casefold(), label))
    )


def _class_report(figures: ClassFigures, n_train: int, thresholds: Thresholds, is_rare: bool) -> ClassReport:
    return ClassReport(
        label=figures.label,
        n_train=n_train,
        n_test=figures.support,
        n_answered=figures.answered,
        precision=figures.precision if figures.answered else None,
        recall=figures.recall if figures.support else None,
        f1=figures.f1 if figures.support else None,
        is_rare=is_rare,
        thresholds=thresholds,
    )
