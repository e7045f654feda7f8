"""A runbook to begin with, from resolved cases: a Markdown skeleton that a person edits. Nothing in it is made up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import yaml

from features.runbooks import slug
from features.text import identifiers
from features.ticket import Author, Case
from serving.advice_safety import destructive_commands
from serving.customer_names import NO_NAMES, Audience, CustomerNames
from serving.resolutions import resolutions
from serving.sentences import sentences

_N_SYMPTOMS = 8
_N_CHECKS = 8
_N_RESOLUTIONS = 8
_N_SOURCES = 20
_MAX_CHARS = 300
_CHECK = re.compile(r"\b(?:check|verif|compar|inspect|reproduc|look(?:ed)? (?:at|for|into)\b|logs? show)", re.I)


def draft(cases: Sequence[Case], words: Sequence[str], names: CustomerNames = NO_NAMES) -> str:
    """Write the skeleton.

    Parameters
    ----------
    cases : sequence of Case
        Of one topic, the most central first. Those of an access group are left out, and the customer's name is masked
        in what is quoted: a runbook is read by all.
    words : sequence of str
        That name the topic; those that name a customer are left out.
    names : CustomerNames
        Of all customers, who may be named in each other's cases.

    Returns
    -------
    str
        Markdown that ``precedent import runbooks`` reads.
    """
    open_to_all = [case for case in cases if case.ticket.access_group is None]
    audience = Audience(names=names)
    words = [word for word in words if not any(_names_customer(word, case, audience) for case in open_to_all)]
    title = _subject(open_to_all[0], audience) if open_to_all else ""
    title = title or " ".join(words).capitalize() or "Untitled"
    blocks = [
        _front_matter(open_to_all, title, words),
        f"# {title}",
        "## Meaning\n\n<!-- What is broken, in a sentence or two, and for whom. -->",
        _listed(
            "Symptoms",
            "What customers wrote; keep what tells this problem from others.",
            _symptoms(open_to_all, audience),
        ),
        _listed(
            "Diagnosis", "What agents looked at; put it in order, with the commands.", _checks(open_to_all, audience)
        ),
        _listed("Resolution", "What was done, and in how many of the cases below.", _steps(open_to_all, audience)),
        _listed("Source cases", "Remove before publishing, or keep as links.", _sources(open_to_all, audience)),
    ]
    if warnings := audience.warnings("\n".join(blocks)):
        blocks.insert(2, f"<!-- Read before publishing: {'; '.join(warnings)}. -->")
    return "\n\n".join(blocks) + "\n"


def _front_matter(cases: Sequence[Case], title: str, words: Sequence[str]) -> str:
    products = Counter(case.ticket.product for case in cases if case.ticket.product)
    severities = Counter(str(case.outcome.severity) for case in cases if case.outcome.severity)
    categories = Counter(case.outcome.category for case in cases if case.outcome.category)
    head = {
        "id": slug(title) or "untitled",
        "title": title,
        "owner": None,
        "services": [name for name, _ in products.most_common(3)],
        "severity": severities.most_common(1)[0][0] if severities else None,
        "last_reviewed": None,
        "tags": [*(name for name, _ in categories.most_common(2)), *words],
    }
    return f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---"


def _listed(heading: str, hint: str, items: Iterable[str]) -> str:
    lines = [f"- {item}" for item in items]
    return "\n\n".join([f"## {heading}", f"<!-- {hint} -->", "\n".join(lines) or "- "])


def _symptoms(cases: Sequence[Case], audience: Audience) -> Iterator[str]:
    named = Counter(
        name for case in cases for name in {audience.shown(name, case) for name in identifiers(case.ticket)}
    )
    for name, n in named.most_common(_N_SYMPTOMS // 2):
        if n > 1:
            yield f"`{name}` (in {n} of {len(cases)} cases)"
    for case in cases[: _N_SYMPTOMS // 2]:
        yield f"“{_subject(case, audience)}” ({case.id})"


def _checks(cases: Sequence[Case], audience: Audience) -> list[str]:
    found: dict[str, str] = {}
    for case in cases:
        for sentence in _agents_sentences(case, audience):
            if _CHECK.search(sentence):
                found.setdefault(
                    sentence.lower(), f"{_short(sentence)} ({case.id}){_bold(destructive_commands(sentence))}"
                )
    return list(found.values())[:_N_CHECKS]


def _agents_sentences(case: Case, audience: Audience) -> Iterator[str]:
    texts = [case.outcome.resolution or "", *(m.text for m in case.ticket.messages if m.by is Author.AGENT)]
    for text in texts:
        yield from sentences(audience.shown(text, case))


def _steps(cases: Sequence[Case], audience: Audience) -> Iterator[str]:
    for answer in resolutions(
        ((1.0, case) for case in cases if case.outcome.is_resolved), audience, limit=_N_RESOLUTIONS
    ):
        held = "" if answer.held_rate is None else f"; held in {answer.held_rate:.0%} of the cases that say so"
        yield f"{answer.summary} ({', '.join(answer.case_ids)}{held}){_bold(answer.warnings)}"


def _sources(cases: Sequence[Case], audience: Audience) -> Iterator[str]:
    for case in cases[:_N_SOURCES]:
        name = f"[{case.id}]({case.outcome.url})" if case.outcome.url else case.id
        resolved = f", resolved {case.outcome.resolved_at:%Y-%m-%d}" if case.outcome.resolved_at else ""
        yield f"{name}: {_subject(case, audience)}{resolved}"


def _subject(case: Case, audience: Audience) -> str:
    return _short(audience.shown(case.ticket.subject, case))


def _names_customer(word: str, case: Case, audience: Audience) -> bool:
    name = word.capitalize()  # a topic's words are in lower case, which alone is no name
    return audience.shown(name, case) != name


def _bold(warnings: Iterable[str]) -> str:
    return "".join(f" **{warning}**" for warning in warnings)


def _short(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _MAX_CHARS else flat[: _MAX_CHARS - 1].rstrip() + "…"
