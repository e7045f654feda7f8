"""The category's part of the lead's report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from evaluation.classification import classification_figures, confused_pairs, confusion_matrix
from evaluation.report.curves import calibration
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.parts import (
    CategoryReport,
    ConfusionExample,
    DoubtfulLabel,
    DoubtfulLabels,
    Floor,
    Guess,
    PairReport,
    Relabelled,
)
from evaluation.report.shares import action_shares, class_reports, scores, thresholds_in_force, without_near_duplicates
from features.label_cleaning import CleanLabel
from features.taxonomy import Fate
from serving.decision import Thresholds
from serving.schemas import Action

N_PAIRS = 10
N_EXAMPLES = 5
N_OTHERS = 3
VERY_SURE = 0.8


def category_report(
    rows: Sequence[EvaluatedTicket],
    *,
    floors: Sequence[Floor],
    counts: Mapping[str, int],
    thresholds: Thresholds,
    class_thresholds: Mapping[str, Thresholds],
    rare: Collection[str],
    labels: Iterable[CleanLabel],
) -> CategoryReport | None:
    """Score the first guess of each ticket that has a category; None where there is none, or no model.

    Parameters
    ----------
    labels : iterable of CleanLabel
        What became of each label of the history; the others are those of
        :func:`evaluation.report.misclassification.misclassification_report`.
    """
    known = [row for row in rows if row.truth_category is not None and row.first_guess is not None]
    if not known:
        return None
    truth = [str(row.truth_category) for row in known]
    answers = [str(row.first_guess) for row in known]
    correct = np.array([t == a for t, a in zip(truth, answers, strict=True)])
    confidence = np.array([row.confidence for row in known], dtype=np.float64)
    drawn = tuple(sorted({*truth, *answers}, key=lambda label: (label.casefold(), label)))
    abstained = [row.prediction.category.reason or "" for row in known if row.prediction.category.value is None]
    return CategoryReport(
        scores=scores(truth, answers),
        without_near_duplicates=without_near_duplicates(known, truth, answers),
        floors=tuple(floors),
        actions=action_shares(
            [row.prediction.category.action for row in known], np.array([row.is_right for row in known])
        ),
        held_back=dict(Counter(reason.split(":")[0] for reason in abstained).most_common()),
        thresholds=thresholds,
        labels=drawn,
        confusion=tuple(tuple(int(n) for n in line) for line in confusion_matrix(truth, answers, drawn)),
        pairs=_pairs(known, truth, answers),
        calibration=calibration(confidence, correct),
        classes=class_reports(
            classification_figures(truth, answers).classes,
            counts,
            thresholds_in_force(counts, thresholds, class_thresholds, rare),
            rare,
        ),
        unseen=dict(Counter(label for label in truth if label not in counts).most_common()),
        doubtful=_doubtful(known),
        relabelled=_relabelled(labels),
    )


def _relabelled(labels: Iterable[CleanLabel]) -> tuple[Relabelled, ...]:
    changed = [label for label in labels if label.fate is not Fate.KEPT]
    changed.sort(key=lambda label: (-label.n_tickets, label.source))
    return tuple(Relabelled(label.source, label.fate, label.value, label.n_tickets) for label in changed)


def _pairs(rows: Sequence[EvaluatedTicket], truth: Sequence[str], answers: Sequence[str]) -> tuple[PairReport, ...]:
    support = Counter(truth)
    return tuple(
        PairReport(
            truth=pair.truth,
            answer=pair.answer,
            n=len(pair.rows),
            n_truth=support[pair.truth],
            n_automated=sum(rows[i].prediction.category.action is Action.AUTOMATE for i in pair.rows),
            examples=tuple(_example(row) for row in _worst_first([rows[i] for i in pair.rows])[:N_EXAMPLES]),
        )
        for pair in confused_pairs(truth, answers)[:N_PAIRS]
    )


def _worst_first(rows: Sequence[EvaluatedTicket]) -> list[EvaluatedTicket]:
    """Errors that were acted on come first, then the surest."""
    return sorted(
        rows,
        key=lambda row: (
            row.prediction.category.action is not Action.AUTOMATE,
            -row.confidence,
            row.row_id,
        ),
    )


def _example(row: EvaluatedTicket) -> ConfusionExample:
    answer = row.prediction.category
    named = {row.first_guess, row.truth_category}
    return ConfusionExample(
        ticket=row.reference,
        confidence=row.confidence,
        label_confidence=_label_confidence(row),
        action=answer.action,
        reason=answer.reason,
        others=tuple(Guess(a.value, a.confidence) for a in answer.alternatives if a.value not in named)[:N_OTHERS],
    )


def _doubtful(rows: Sequence[EvaluatedTicket]) -> DoubtfulLabels:
    sure = [row for row in rows if row.confidence >= VERY_SURE]
    differ = [row for row in sure if row.first_guess != row.truth_category]
    differ.sort(key=lambda row: (-row.confidence, row.row_id))
    return DoubtfulLabels(
        min_confidence=VERY_SURE,
        n_sure=len(sure),
        n_differ=len(differ),
        n_expected=round(sum(1.0 - row.confidence for row in sure), 2),
        tickets=tuple(
            DoubtfulLabel(
                ticket=row.reference,
                label=str(row.truth_category),
                answer=str(row.first_guess),
                confidence=row.confidence,
                label_confidence=_label_confidence(row),
            )
            for row in differ
        ),
    )


def _label_confidence(row: EvaluatedTicket) -> float:
    return round(float(row.category_probabilities.get(str(row.truth_category), 0.0)), 4)
