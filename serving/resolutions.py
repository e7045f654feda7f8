"""What resolved the similar cases: the sentences that say what was done, grouped by what they advise."""

from __future__ import annotations

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from statistics import median

from features.lexical import analyze
from features.ticket import Author, Case, FixOutcome
from serving.advice import Told, summary, what_was_done
from serving.advice_safety import MAX_WARNINGS, destructive_commands
from serving.customer_names import Audience
from serving.schemas import ResolutionAnswer
from serving.sentences import beginning

_SAME_ADVICE = 0.5
_MIN_SHARED = 3
_MAX_MESSAGES = 5
# Of advice of which nobody knows whether it held: better than what failed, worse than what held.
_UNKNOWN_RATE = 0.5


@dataclass(frozen=True, slots=True)
class Advice:
    """What one case says was done, the text that says it, and how likely the case is of the same problem, 0 to 1.

    ``outcome`` is what is known of its fix, from the case itself or from what came after it.
    """

    relevance: float
    case: Case
    source: str
    told: tuple[Told, ...]
    terms: frozenset[str]
    outcome: FixOutcome


def advice_of(relevance: float, case: Case) -> Advice | None:
    """What a case says was done: in its resolution note, else in the last message of an agent that says it."""
    outcome = case.outcome.resolution
    if outcome and (told := what_was_done(outcome)):
        return _advice(relevance, case, outcome, told)
    messages = [message.text for message in case.ticket.messages if message.by is Author.AGENT]
    for text in reversed(messages[-_MAX_MESSAGES:]):
        if told := what_was_done(text, is_message=True):
            return _advice(relevance, case, text, told)
    return None


def _advice(relevance: float, case: Case, source: str, told: list[Told]) -> Advice:
    terms = frozenset(term for one in told for term in analyze(one.text))
    return Advice(relevance, case, beginning(source), tuple(told), terms, case.outcome.outcome)


def resolutions(
    cases: Iterable[tuple[float, Case]], audience: Audience, *, failed: Set[str] = frozenset(), limit: int = 3
) -> list[ResolutionAnswer]:
    """Group what similar cases say was done: first what is the most likely to hold for this problem.

    That is the sum of the relevances of the cases that say it, times the share in which it held.

    Parameters
    ----------
    cases : iterable of (float, Case)
        Each with its relevance, best first; those that do not say what was done are left out.
    audience : Audience
        Who reads it: the names of other customers are masked or pointed out.
    failed : set of str
        Ids of cases that are known by other signs than their outcome to have a fix that did not hold.
    limit : int
        Number of groups to give.
    """
    groups: list[list[Advice]] = []
    for relevance, case in cases:
        advice = advice_of(relevance, case)
        if advice is None:
            continue
        if case.id in failed:
            advice = replace(advice, outcome=FixOutcome.REOPENED)
        same = next((group for group in groups if _is_same(advice.terms, group[0].terms)), None)
        if same is None:
            groups.append([advice])
        else:
            same.append(advice)
    answers = [(sum(advice.relevance for advice in group), _answer(group, audience)) for group in groups]
    # Stable: among equals the better case leads.
    answers.sort(key=lambda each: (each[0] * _rate(each[1]), each[0]), reverse=True)
    return [answer for _, answer in answers[:limit]]


def _is_same(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two sets of terms advise the same: the cosine of the sets, from three shared terms on."""
    shared = len(a & b)
    return shared >= _MIN_SHARED and shared >= _SAME_ADVICE * (len(a) * len(b)) ** 0.5


def _rate(answer: ResolutionAnswer) -> float:
    return _UNKNOWN_RATE if answer.held_rate is None else answer.held_rate


def _answer(group: Sequence[Advice], audience: Audience) -> ResolutionAnswer:
    outcomes = [advice.outcome for advice in group]
    known = [outcome for outcome in outcomes if outcome is not FixOutcome.UNKNOWN]
    # The fix that held is the one to follow; else the one of which it is not known that it failed.
    best = min(group, key=lambda advice: _PREFERENCE.index(advice.outcome))
    hours = [hours for advice in group if (hours := _hours(advice.case)) is not None]
    # Masked before it is cut: half a name is still one.
    told = summary([replace(told, text=audience.shown(told.text, best.case)) for told in best.told])
    sources = [audience.shown(advice.source, advice.case) for advice in group]
    commands = dict.fromkeys(warning for source in sources for warning in destructive_commands(source))
    return ResolutionAnswer(
        summary=told,
        case_ids=[advice.case.id for advice in group],
        support=len(group),
        held_rate=round(known.count(FixOutcome.HELD) / len(known), 3) if known else None,
        median_hours_to_resolve=round(median(hours), 1) if hours else None,
        newest=max((at for advice in group if (at := advice.case.outcome.resolved_at) is not None), default=None),
        warnings=[*list(commands)[:MAX_WARNINGS], *audience.warnings(told)],
    )


_PREFERENCE = (FixOutcome.HELD, FixOutcome.UNKNOWN, FixOutcome.REOPENED)


def _hours(case: Case) -> float | None:
    begun, ended = case.ticket.created_at, case.outcome.resolved_at
    return (ended - begun).total_seconds() / 3600 if begun and ended and ended >= begun else None
