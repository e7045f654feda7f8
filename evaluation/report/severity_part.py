"""The severity's part of the lead's report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from evaluation.classification import classification_figures
from evaluation.intervals import bootstrap_interval
from evaluation.report.curves import calibration
from evaluation.report.evaluated import EvaluatedTicket
from evaluation.report.parts import Floor
from evaluation.report.severity_parts import (
    ConstantCost,
    CostReport,
    LevelFate,
    MissedTicket,
    Sev1Flag,
    Sev1Promise,
    SeverityReport,
)
from evaluation.report.shares import action_shares, class_reports, scores, without_near_duplicates
from evaluation.severity import best_constant, expected_cost, flag_figures, mean_absolute_error, quadratic_kappa
from features.ticket import SEVERITIES, Severity
from serving.decision import Thresholds

GRAVE = (Severity.SEV1, Severity.SEV2)
_LEVEL = {level: number for number, level in enumerate(SEVERITIES)}


def severity_report(
    rows: Sequence[EvaluatedTicket],
    *,
    floors: Sequence[Floor],
    counts: Mapping[str, int],
    thresholds: Thresholds,
    costs: NDArray[np.float64] | None,
    promise: Sev1Promise | None,
) -> SeverityReport | None:
    """Score the severity of each ticket that has one; None where there is none, or no model."""
    known = [row for row in rows if row.truth_severity is not None and row.prediction.severity.most_likely is not None]
    if not known or costs is None:
        return None
    truth = [str(row.truth_severity) for row in known]
    likely = [str(row.prediction.severity.most_likely) for row in known]
    levels, answers = _levels(truth), _levels(likely)
    kappa = quadratic_kappa(levels, answers)
    return SeverityReport(
        scores=scores(truth, likely),
        without_near_duplicates=without_near_duplicates(known, truth, likely),
        floors=tuple(floors),
        quadratic_kappa=None if np.isnan(kappa) else kappa,
        mean_absolute_error=mean_absolute_error(levels, answers),
        cost=_cost(known, counts, costs),
        calibration=calibration(np.array([row.prediction.severity.confidence for row in known]), levels == answers),
        sev1_risk=calibration(np.array([row.prediction.severity.sev1_risk for row in known]), levels == 0),
        actions=action_shares([row.prediction.severity.action for row in known], levels == _levels(_shown(known))),
        thresholds=thresholds,
        confusion=_confusion(known),
        classes=class_reports(
            classification_figures(truth, likely).classes, counts, dict.fromkeys(counts, thresholds), frozenset()
        ),
        fates=tuple(_fate(level, [row for row in known if row.truth_severity is level]) for level in GRAVE),
        missed=_missed(known),
        flag=_flag(known, promise),
    )


def _cost(rows: Sequence[EvaluatedTicket], counts: Mapping[str, int], costs: NDArray[np.float64]) -> CostReport:
    """Costs of the cheapest level of each row, beside those of constants that the training tickets suggest."""
    truth = _levels([_truth(row) for row in rows])
    cheapest = _levels([str(row.cheapest_severity) for row in rows])
    learned = np.repeat(np.arange(len(SEVERITIES)), [counts.get(level, 0) for level in SEVERITIES])

    def always(level: int) -> ConstantCost:
        return ConstantCost(SEVERITIES[level], expected_cost(truth, np.full_like(truth, level), costs))

    return CostReport(
        table=tuple(tuple(float(cost) for cost in line) for line in costs),
        release=expected_cost(truth, cheapest, costs),
        release_ci95=bootstrap_interval(lambda i: expected_cost(truth[i], cheapest[i], costs), len(rows)),
        best_constant=always(best_constant(learned, costs)),
        majority=always(int(np.bincount(learned).argmax())),
    )


def _shown(rows: Sequence[EvaluatedTicket]) -> list[str]:
    """The answered levels; where an answer was held back, the most likely one."""
    answers = [row.prediction.severity for row in rows]
    return [str(answer.value or answer.most_likely) for answer in answers]


def _levels(values: Sequence[str]) -> NDArray[np.int64]:
    return np.array([_LEVEL[Severity(value)] for value in values], dtype=np.int64)


def _confusion(rows: Sequence[EvaluatedTicket]) -> tuple[tuple[int, ...], ...]:
    counts = np.zeros((len(SEVERITIES), len(SEVERITIES) + 1), dtype=np.int64)
    for row in rows:
        answered = row.prediction.severity.value
        column = len(SEVERITIES) if answered is None else _LEVEL[answered]
        counts[_LEVEL[_truth(row)], column] += 1
    return tuple(tuple(int(n) for n in line) for line in counts)


def _truth(row: EvaluatedTicket) -> Severity:
    return Severity(str(row.truth_severity))


def _is_low(row: EvaluatedTicket) -> bool:
    """Whether the answered level is milder than the truth."""
    answered = row.prediction.severity.value
    return answered is not None and _LEVEL[answered] > _LEVEL[_truth(row)]


def _fate(level: Severity, rows: Sequence[EvaluatedTicket]) -> LevelFate:
    low = [row for row in rows if _is_low(row)]
    unanswered = [row for row in rows if row.prediction.severity.value is None]
    return LevelFate(
        truth=level,
        n=len(rows),
        n_high_enough=len(rows) - len(low) - len(unanswered),
        n_lower=len(low),
        n_unanswered=len(unanswered),
        n_unflagged=sum(not row.prediction.severity.sev1_flag for row in (*low, *unanswered)),
    )


def _missed(rows: Sequence[EvaluatedTicket]) -> tuple[MissedTicket, ...]:
    """Grave tickets answered low or not at all: Sev1 first, those without a flag first, the least suspected first."""
    missed = [
        MissedTicket(
            ticket=row.reference,
            truth=_truth(row),
            answered=row.prediction.severity.value,
            most_likely=row.prediction.severity.most_likely,
            risk=_risk(row),
            is_flagged=row.prediction.severity.sev1_flag,
        )
        for row in rows
        if row.truth_severity in GRAVE and (_is_low(row) or row.prediction.severity.value is None)
    ]
    return tuple(
        sorted(missed, key=lambda m: (m.truth, m.is_flagged, m.answered is None, m.risk, m.ticket.row_id)),
    )


def _risk(row: EvaluatedTicket) -> float:
    as_bad = [a for a in row.prediction.severity.alternatives if _LEVEL[Severity(a.value)] <= _LEVEL[_truth(row)]]
    return round(sum(a.confidence for a in as_bad), 4)


def _flag(rows: Sequence[EvaluatedTicket], promise: Sev1Promise | None) -> Sev1Flag:
    is_sev1 = np.array([row.truth_severity is Severity.SEV1 for row in rows])
    flagged = np.array([row.prediction.severity.sev1_flag for row in rows])
    figures = flag_figures(is_sev1, flagged)
    return Sev1Flag(
        n_sev1=figures.n_sev1,
        n_flagged=figures.n_flagged,
        n_flagged_sev1=figures.n_flagged_sev1,
        recall=figures.recall,
        recall_ci95=figures.recall_ci95,
        alert_rate=figures.alert_rate,
        alert_rate_ci95=figures.alert_rate_ci95,
        promise=promise,
    )
