"""What to do next, read off the figures: the few things that would help most, in words."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from evaluation.report.contents import NextStep
from evaluation.report.parts import CategoryReport, PairReport
from evaluation.report.severity_parts import SeverityReport
from evaluation.report.wording import FLOOR_NAMES, count, listed, percent
from features.ticket import Severity
from serving.schemas import Action

N_STEPS = 3
_N_NAMED = 4
# Urgencies: what stops a release, what is a danger, what costs answers, what weakens a promise.
_STOP, _DANGER, _COST, _PROMISE = range(4)


def next_steps(category: CategoryReport | None, severity: SeverityReport | None) -> tuple[NextStep, ...]:
    """The three most useful steps: the urgent first, then those that concern most tickets."""
    found = [step(category) for step in _CATEGORY_STEPS] if category is not None else []
    found += [step(severity) for step in _SEVERITY_STEPS] if severity is not None else []
    steps = sorted((step for step in found if step is not None), key=lambda step: (step.urgency, -step.n))
    return tuple(steps[:N_STEPS])


def _beat_the_floor(report: CategoryReport) -> NextStep | None:
    scores = report.scores
    best = max(report.floors, key=lambda floor: floor.accuracy, default=None)
    if best is None or best.accuracy <= scores.accuracy:
        return None
    is_clear = best.accuracy > scores.accuracy_ci95[1]
    return NextStep(
        title=(
            "Don't promote this release before you know why it loses to a plain method"
            if is_clear
            else "Find out why a plain method does as well as this release"
        ),
        why=(
            f"Its first guess of the category is right for {percent(scores.accuracy)} of {count(scores.n, 'ticket')}; "
            f"{FLOOR_NAMES.get(best.name, best.name)} reaches {percent(best.accuracy)} on the same ones. Compare with "
            "the release before, and look at what changed in the history since."
        ),
        n=scores.n,
        urgency=_STOP if is_clear else _COST,
        section="classes",
    )


def _settle_the_worst_pair(report: CategoryReport) -> NextStep | None:
    number = {(pair.truth, pair.answer): pair.n for pair in report.pairs}

    def weight(pair: PairReport) -> tuple[int, int, float]:
        return pair.n + number.get((pair.answer, pair.truth), 0), pair.n, pair.n / pair.n_truth

    worst = max(report.pairs, key=weight, default=None)
    if worst is None or weight(worst)[0] < 2:
        return None
    back = number.get((worst.answer, worst.truth), 0)
    return NextStep(
        title=f"Settle what tells {worst.truth} from {worst.answer}",
        why=(
            f"{worst.n} of {count(worst.n_truth, f'{worst.truth} ticket')} went to {worst.answer}"
            + (f", and {back} the other way" if back else "")
            + ". Read the examples: if two agents would label them differently, write the rule down and mend the "
            "labels; if the rule is clear, the model needs more tickets like these."
        ),
        n=worst.n + back,
        urgency=_COST,
        section="pairs",
    )


def _check_labels(report: CategoryReport) -> NextStep | None:
    doubtful = report.doubtful
    if doubtful.n_differ <= doubtful.n_expected:
        return None
    return NextStep(
        title=f"Check the labels of {count(doubtful.n_differ, 'ticket')}",
        why=(
            f"The model was at least {percent(doubtful.min_confidence)} sure of {count(doubtful.n_sure, 'ticket')}. By "
            f"its own confidences about {doubtful.n_expected:.0f} of these should carry another label; "
            f"{doubtful.n_differ} did, so some labels may be wrong."
        ),
        n=doubtful.n_differ,
        urgency=_COST,
        section="labels",
    )


def _feed_rare_classes(report: CategoryReport) -> NextStep | None:
    rare = sorted((c for c in report.classes if c.is_rare), key=lambda c: (c.n_train, c.label))
    if not rare:
        return None
    names = [f"{c.label} ({c.n_train} to learn from)" for c in rare]
    return NextStep(
        title=f"Label more tickets of {count(len(rare), 'rare category', 'rare categories')}, or merge them",
        why=f"Too rare to be automated: {listed(names, _N_NAMED)}.",
        n=sum(c.n_test for c in rare),
        urgency=_COST,
        section="classes",
    )


def _learn_new_classes(report: CategoryReport) -> NextStep | None:
    if not report.unseen:
        return None
    n = sum(report.unseen.values())
    return NextStep(
        title=f"Train again: {count(len(report.unseen), 'category', 'categories')} came up since",
        why=(
            f"{count(n, 'test ticket')} of {listed(list(report.unseen), _N_NAMED)}: no training ticket had that "
            "category, so no guess can be right."
        ),
        n=n,
        urgency=_COST,
        section="classes",
    )


def _earn_automation(report: CategoryReport) -> NextStep | None:
    if any(found.thresholds.automate is not None for found in report.classes):
        return None
    return NextStep(
        title="Nothing is automated yet: give training more labelled tickets",
        why=(
            "No confidence held the precision asked for on the calibration tickets. Mending the labels of the worst "
            "pairs and importing more history are the two ways there."
        ),
        n=sum(share.n for share in report.actions if share.action is Action.SUGGEST),
        urgency=_PROMISE,
        section="actions",
    )


def _mend_confidences(report: CategoryReport) -> NextStep | None:
    calibration = report.calibration
    if calibration.ece <= calibration.ece_null_p95:
        return None
    is_too_sure = calibration.mean_confidence > report.scores.accuracy
    return NextStep(
        title=f"Train again: the model is {'surer than it is right' if is_too_sure else 'righter than it is sure'}",
        why=(
            f"It was {percent(calibration.mean_confidence)} sure on average and right in "
            f"{percent(report.scores.accuracy)}, further apart than chance explains. Newer tickets to set the "
            "confidences on are the cure; until then "
            + ("don't lower a threshold." if is_too_sure else "it holds back more than it would have to.")
        ),
        n=calibration.n,
        urgency=_PROMISE,
        section="confidence",
    )


def _beat_the_floor_of_severity(report: SeverityReport) -> NextStep | None:
    scores = report.scores
    best = max(report.floors, key=lambda floor: floor.macro_f1, default=None)
    if best is None or best.macro_f1 <= scores.macro_f1:
        return None
    is_clear = best.macro_f1 > scores.macro_f1_ci95[1]
    return NextStep(
        title=f"Severity: a plain method does {'better than' if is_clear else 'as well as'} this release",
        why=(
            f"Over the levels alike (macro-F1) its most likely level reaches {percent(scores.macro_f1)} on "
            f"{count(scores.n, 'ticket')}, {FLOOR_NAMES.get(best.name, best.name)} {percent(best.macro_f1)}"
            + (". " if is_clear else ", which may be chance. ")
            + "Look first whether the rarer levels have tickets enough to learn from, and at what the answers cost."
        ),
        n=scores.n,
        urgency=_COST if is_clear else _PROMISE,
        section="severity",
    )


def _read_silent_sev1(report: SeverityReport) -> NextStep | None:
    silent = [m.ticket.ticket_id for m in report.missed if m.truth is Severity.SEV1 and not m.is_flagged]
    if not silent:
        return None
    return NextStep(
        title=f"Read the {count(len(silent), 'Sev1')} that raised no alarm: {listed(silent, _N_NAMED)}",
        why=(
            f"{len(silent)} of {count(report.flag.n_sev1, 'Sev1 ticket')} got a lower level or none, and no Sev1 flag. "
            "Is the label right? Does the text say how bad it is? If it does, the model needs more tickets like these."
        ),
        n=len(silent),
        urgency=_DANGER,
        section="missed",
    )


def _doubt_the_flag(report: SeverityReport) -> NextStep | None:
    promise = report.flag.promise
    if promise is None or promise.certified:
        return None
    return NextStep(
        title="Don't rely on the Sev1 flag alone",
        why=(
            f"It was set on {count(promise.n_positives, 'Sev1 ticket')}; promising to flag {percent(promise.recall)} "
            f"takes at least {promise.n_needed}. Until the history has them, keep your usual way to raise a Sev1."
        ),
        n=report.flag.n_sev1,
        urgency=_PROMISE,
        section="missed",
    )


_CATEGORY_STEPS: Sequence[Callable[[CategoryReport], NextStep | None]] = (
    _beat_the_floor,
    _settle_the_worst_pair,
    _check_labels,
    _feed_rare_classes,
    _learn_new_classes,
    _earn_automation,
    _mend_confidences,
)
_SEVERITY_STEPS: Sequence[Callable[[SeverityReport], NextStep | None]] = (
    _beat_the_floor_of_severity,
    _read_silent_sev1,
    _doubt_the_flag,
)
