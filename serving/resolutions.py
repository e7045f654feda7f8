"""What resolved the similar cases: the sentences that say what was done, grouped by what they advise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

from features.lexical import analyze
from features.ticket import Author, Case, FixOutcome
from serving.advice import Told, summary, what_was_done
from serving.advice_safety import MAX_WARNINGS, destructive_commands, without_customer
from serving.schemas import ResolutionAnswer
from serving.sentences import beginning

_SAME_ADVICE = 0.5
_MIN_SHARED = 3
_MAX_MESSAGES = 5
# Of advice of which nobody knows whether it held: better than what failed, worse than what held.
_UNKNOWN_RATE = 0.5


@dataclass(frozen=True, slots=True)
class Advice:
    """What one case says was done, and the text that says it."""

    case: Case
    source: str
    told: tuple[Told, ...]
    terms: frozenset[str]


def advice_of(case: Case) -> Advice | None:
    """What a case says was done: in its resolution note, else in the last message of an agent that says it."""
    outcome = case.outcome.resolution
    if outcome and (told := what_was_done(outcome)):
        return _advice(case, outcome, told)
    messages = [message.text for message in case.ticket.messages if message.by is Author.AGENT]
    for text in reversed(messages[-_MAX_MESSAGES:]):
        if told := what_was_done(text, is_message=True):
            return _advice(case, text, told)
    return None


def _advice(case: Case, source: str, told: list[Told]) -> Advice:
    terms = frozenset(term for one in told for term in analyze(one.text))
    return Advice(case, beginning(source), tuple(told), terms)


def resolutions(cases: Iterable[Case], *, asking: str | None = None, limit: int = 3) -> list[ResolutionAnswer]:
    """Group what similar cases say was done: the most supported first, then what held, then the better case's.

    Parameters
    ----------
    cases : iterable of Case
        Best first; those that do not say what was done are left out.
    asking : str, optional
        Customer of the ticket that asks; the names of others are masked.
    limit : int
        Number of groups to give.
    """
    groups: list[list[Advice]] = []
    for case in cases:
        advice = advice_of(case)
        if advice is None:
            continue
        same = next((group for group in groups if _is_same(advice.terms, group[0].terms)), None)
        if same is None:
            groups.append([advice])
        else:
            same.append(advice)
    answers = [_answer(group, asking) for group in groups]
    answers.sort(key=lambda answer: (-answer.support, -_rate(answer)))  # stable: among equals the better case leads
    return answers[:limit]


def _is_same(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two sets of terms advise the same: the cosine of the sets, from three shared terms on."""
    shared = len(a & b)
    return shared >= _MIN_SHARED and shared >= _SAME_ADVICE * (len(a) * len(b)) ** 0.5


def _rate(answer: ResolutionAnswer) -> float:
    return _UNKNOWN_RATE if answer.held_rate is None else answer.held_rate


def _answer(group: Sequence[Advice], asking: str | None) -> ResolutionAnswer:
    outcomes = [advice.case.outcome.outcome for advice in group]
    known = [outcome for outcome in outcomes if outcome is not FixOutcome.UNKNOWN]
    # The fix that held is the one to follow; else the one of which it is not known that it failed.
    best = min(group, key=lambda advice: _PREFERENCE.index(advice.case.outcome.outcome))
    hours = [hours for advice in group if (hours := _hours(advice.case)) is not None]
    warnings = [
        warning for advice in group for warning in destructive_commands(shown(advice.source, advice.case, asking))
    ]
    return ResolutionAnswer(
        # Masked before it is cut: half a name is still one.
        summary=summary([replace(told, text=shown(told.text, best.case, asking)) for told in best.told]),
        case_ids=[advice.case.id for advice in group],
        support=len(group),
        held_rate=round(known.count(FixOutcome.HELD) / len(known), 3) if known else None,
        median_hours_to_resolve=round(median(hours), 1) if hours else None,
        newest=max((at for advice in group if (at := advice.case.outcome.resolved_at) is not None), default=None),
        warnings=list(dict.fromkeys(warnings))[:MAX_WARNINGS],
    )


_PREFERENCE = (FixOutcome.HELD, FixOutcome.UNKNOWN, FixOutcome.REOPENED)


def shown(text: str, case: Case, asking: str | None) -> str:
    """A text of a case as a customer's ticket may show it."""
    return without_customer(text, case.ticket.customer, asking)


def _hours(case: Case) -> float | None:
    begun, ended = case.ticket.created_at, case.outcome.resolved_at
    return (ended - begun).total_seconds() / 3600 if begun and ended and ended >= begun else None
