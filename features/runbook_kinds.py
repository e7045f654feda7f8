"""What a section of a runbook is for, told by the words of its heading."""

from __future__ import annotations

import re
from enum import StrEnum


class SectionKind(StrEnum):
    """The parts that runbooks have under one name or another."""

    MEANING = "meaning"
    SYMPTOMS = "symptoms"
    IMPACT = "impact"
    DIAGNOSIS = "diagnosis"
    MITIGATION = "mitigation"
    RESOLUTION = "resolution"
    ESCALATION = "escalation"
    BACKGROUND = "background"
    OTHER = "other"


# Words that name a part, whatever stands round them.
_NAMES = {
    SectionKind.MEANING: r"meanings?",
    SectionKind.SYMPTOMS: r"symptoms?|signs?|detect(?:ion|ed|ing)?|error messages?",
    SectionKind.IMPACT: r"impact(?:s|ed)?|affects?|affected|consequences?|blast radius",
    SectionKind.DIAGNOSIS: (
        r"diagnos\w+|troubleshoot\w*|investigat\w+|debug\w*|triage|analysis|analy[sz]e|(?:root )?causes?|inspect\w*"
    ),
    SectionKind.MITIGATION: (
        r"mitigat\w+|work[ -]?arounds?|remed(?:y|ies|iat\w+)|contain(?:ment)?|roll(?:ing)?[ -]?backs?|fail[ -]?over"
        r"|quick fix(?:es)?|temporary fix(?:es)?|countermeasures?|first aid"
    ),
    SectionKind.RESOLUTION: (
        r"resol(?:ution|utions|ve|ving|ved)|fix(?:es|ing)?|repair\w*|solutions?|solv(?:e|ing)|recover(?:y|ing)?"
        r"|restor(?:e|ing|ation)|verifications?|validation|permanent"
    ),
    SectionKind.ESCALATION: r"escalat\w+|contacts?|on[ -]?call|who(?:m)? to (?:call|ask|page)|get(?:ting)? help",
}
# Words that tell only where no name does: "What is the impact?" is of the impact.
_HINTS = {
    SectionKind.MEANING: r"what (?:is|are|does|do|it|this|that)\b|descriptions?|explanation|summary|details?",
    SectionKind.SYMPTOMS: (
        r"what (?:you|users|customers) (?:\w+ )?(?:see|notice)|alert(?:ing)? (?:text|rules?|conditions?)"
        r"|indicators?|observations?"
    ),
    SectionKind.DIAGNOSIS: (
        r"checks?|checking|checklist|confirm\w*|quer(?:y|ies)|logs|metrics?|dashboards?|where to look|first look|why"
        r"|find(?:ing)?|identify\w*|determin(?:e|ing)|look(?:ing)?|verify\w*|validate"
    ),
    SectionKind.MITIGATION: (
        r"actions?|procedures?|steps?|playbook|instructions?|response|what to do|how to|restart\w*"
        r"|scal(?:e|ing)|options?"
    ),
    SectionKind.RESOLUTION: r"prevent\w*|follow[ -]?ups?|afterwards|clos(?:e|ing)|post[ -]?incident",
    SectionKind.ESCALATION: r"communicat\w+|support|owners?|ownership|teams?|responsible",
    SectionKind.BACKGROUND: (
        r"background|overview|introduction|context|about|architecture|references?"
        r"|related (?:alerts?|documents?|links?|pages?|runbooks?)|links?|appendix|glossary"
        r"|prerequisites?|requirements?|notes?|history|see also|change ?log|purpose|scope|resources"
        r"|(?:further )?reading|additional|more info\w*|documentation|examples?"
    ),
}


def _patterns(words: dict[SectionKind, str]) -> list[tuple[SectionKind, re.Pattern[str]]]:
    return [(kind, re.compile(rf"\b(?:{pattern})\b")) for kind, pattern in words.items()]


_NUMBER = re.compile(r"\A(?:(?:step|option|phase|part)\s*)?\d+[.:)]*\s*")
_TIERS = (_patterns(_NAMES), _patterns(_HINTS))


def section_kind(heading: str) -> SectionKind:
    """Tell what a section is for.

    Where a heading names two parts, the first counts.

    Examples
    --------
    >>> [section_kind(text).value for text in ("What does this alert mean?", "How to fix", "Root cause", "Kafka")]
    ['meaning', 'resolution', 'diagnosis', 'other']
    """
    text = _NUMBER.sub("", heading.casefold())
    for tier in _TIERS:
        found = [(match.start(), kind) for kind, pattern in tier if (match := pattern.search(text))]
        if found:
            return min(found, key=lambda each: each[0])[1]
    return SectionKind.OTHER
