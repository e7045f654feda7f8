"""A suggestion as a person would like to read it in a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from serving.schemas import (
    Action,
    Alternative,
    RelatedOpen,
    ResolutionAnswer,
    RunbookAnswer,
    SeverityAnswer,
    SimilarCase,
    Suggestion,
    TargetAnswer,
)

_WIDTH = 100
_LABEL = 11
_DAYS_FROM_HOURS = 72
_ACTIONS = {
    Action.AUTOMATE: "sure enough to set by itself",
    Action.SUGGEST: "a suggestion",
    Action.ABSTAIN: "not sure",
}


def render_suggestion(suggestion: Suggestion) -> str:
    """Lay out a suggestion in plain text, as a rule at most 100 columns wide; only ids and addresses may be longer."""
    lines = [
        *_answer("Category", suggestion.category),
        *_why(suggestion.category),
        *_labelled("Severity", _severity(suggestion.severity)),
        *_why(suggestion.severity),
    ]
    for name, answer in suggestion.targets.items():
        lines += [*_answer(name.capitalize()[:10], answer), *_why(answer)]
    if suggestion.novel:
        lines.append(_row("New", "unlike anything in the history"))
    lines += _section("Similar cases", [line for case in suggestion.similar_cases for line in _case(case)])
    lines += _section("What resolved them", [line for item in suggestion.resolutions for line in _resolution(item)])
    lines += _section("Runbooks", [line for item in suggestion.runbooks for line in _runbook(item)])
    if suggestion.related_open:
        lines += _section("Open now and alike", [_related(item) for item in suggestion.related_open])
    if suggestion.hidden_count:
        lines += ["", f"{suggestion.hidden_count} more hidden: this key may not see them."]
    lines += [f"Note: {note}" for note in suggestion.notes]
    lines += ["", f"release {suggestion.release} · request {suggestion.request_id}"]
    return "\n".join(_printable(line) for line in lines)


def _printable(line: str) -> str:
    """A line without control characters: a ticket must not be able to steer the terminal that shows it."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line)


def _row(label: str, value: str) -> str:
    return f"{label:<{_LABEL}}{value}"


def _answer(label: str, answer: TargetAnswer) -> list[str]:
    return _labelled(label, _target(answer))


def _labelled(label: str, text: str) -> list[str]:
    # Labels stay whole: they may be searched for.
    return textwrap.wrap(
        text,
        _WIDTH,
        initial_indent=_row(label, ""),
        subsequent_indent=" " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _target(answer: TargetAnswer) -> str:
    if answer.value is None:
        guesses = _alternatives(answer.alternatives[:3])
        # A reason may have a colon of its own.
        before = "; " if ":" in (answer.reason or "") else ": "
        return f"— ({answer.reason}{before + guesses if guesses else ''})"
    if answer.is_parent:
        guesses = _alternatives(answer.alternatives[:3])
        return f"{answer.value}  {answer.confidence:.0%}  ({_ACTIONS[answer.action]}; most likely {guesses})"
    return f"{answer.value}  {answer.confidence:.0%}  ({_ACTIONS[answer.action]})"


def _severity(answer: SeverityAnswer) -> str:
    if answer.most_likely is None:
        return f"— ({answer.reason})"
    likely = f"most likely {answer.most_likely}, {answer.confidence:.0%}"
    if answer.value is None:
        text = f"— ({answer.reason}; {likely})"
    else:
        costs = "costs least; " if answer.value != answer.most_likely else ""
        text = f"{answer.value}  ({_ACTIONS[answer.action]}; {costs}{likely})"
    flag = " — FLAGGED" if answer.sev1_flag else ""
    # Without a flag a reader may feel safe, and must be told where nothing promises so.
    promise = "" if answer.sev1_flag or answer.sev1_certified else " (no flag; not certified)"
    return f"{text}  Sev1 risk {answer.sev1_risk:.0%}{flag}{promise}"


def _why(answer: TargetAnswer | SeverityAnswer) -> list[str]:
    return _wrap("; ".join(answer.why or ()), " " * _LABEL)


def _alternatives(items: Sequence[Alternative]) -> str:
    return ", ".join(f"{_quoted(item.value)} {item.confidence:.0%}" for item in items)


def _quoted(label: str) -> str:
    """A label in quotes where it holds a sign that parts labels in a line."""
    return f'"{label}"' if any(sign in label for sign in ",;:|()") else label


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return ["", title, *(lines or ["  none that is near enough"])]


def _case(case: SimilarCase) -> Iterator[str]:
    more = f", and {_count(case.duplicates, 'duplicate')} of it" if case.duplicates else ""
    yield _shortened(f"  {case.id}  {case.relevance:.0%} {case.tier}  {_one_line(case.subject)}")
    outcome = "" if case.outcome.value == "unknown" else f", fix {case.outcome.value}"
    when = f"resolved {case.resolved_at:%Y-%m-%d}" if case.resolved_at else "resolved"
    yield f"      {case.category or 'no category'}, {when}{outcome}{more}"
    yield from _wrap("; ".join(case.why), "      ")
    for warning in case.warnings:
        yield from _wrap(f"! {warning}", "      ")


def _related(item: RelatedOpen) -> str:
    more = f"; {_count(item.duplicates, 'ticket')} more of it" if item.duplicates else ""
    end = f"  (like this one: {item.relevance:.0%}{more})"
    return _shortened(f"  {item.id}  {_one_line(item.subject)}", _WIDTH - len(end)) + end


def _resolution(item: ResolutionAnswer) -> Iterator[str]:
    facts = [_count(item.support, "case")]
    if item.held_rate is not None:
        facts.append(f"held in {item.held_rate:.0%}")
    if item.median_hours_to_resolve is not None:
        facts.append(f"{_duration(item.median_hours_to_resolve)} to resolve")
    if item.newest is not None:
        facts.append(f"last on {item.newest:%Y-%m-%d}")
    yield from _wrap(item.summary, "  ")
    for warning in item.warnings:
        yield from _wrap(f"! {warning}", "      ")
    if item.draft is not None:
        yield from _wrap(f"Draft by a language model: {item.draft}", "      ")
    yield f"      from {', '.join(item.case_ids)} ({', '.join(facts)})"


def _duration(hours: float) -> str:
    return f"{hours:.0f} h" if hours < _DAYS_FROM_HOURS else f"{hours / 24:.0f} days"


def _runbook(item: RunbookAnswer) -> Iterator[str]:
    start = f" — start with “{item.section}”" if item.section else ""
    yield f"  {item.title}  {item.relevance:.0%}{start}"
    yield from _wrap("; ".join([*item.why, item.url or item.id]), "      ")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _shortened(line: str, width: int = _WIDTH) -> str:
    return line if len(line) <= width else line[: width - 1] + "…"


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent) if text else []


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"
