"""Runbooks: what a procedure is, whatever it was read from (:mod:`features.runbook_sources`).

A section is what a person starts with, so it is the unit that the runbook index scores
(:mod:`features.runbook_index`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from features.runbook_kinds import SectionKind, section_kind

_NOT_SLUG = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class RunbookSection:
    """A heading and the text below it, up to the next heading.

    Text that stands above the first heading, or directly below the title, is a section whose heading is empty.
    ``anchor`` is the heading's fragment in a rendered page, empty where it is not known.
    """

    heading: str
    text: str
    anchor: str = ""

    @property
    def kind(self) -> SectionKind:
        """What the section is for, by the words of its heading."""
        return section_kind(self.heading)


@dataclass(frozen=True, slots=True)
class Runbook:
    """A procedure to follow, with its sections in the order of the file."""

    id: str
    title: str
    url: str | None = None
    services: tuple[str, ...] = ()
    owner: str | None = None
    severity: str | None = None
    last_reviewed: date | None = None
    tags: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    sections: tuple[RunbookSection, ...] = ()


@dataclass(frozen=True, slots=True)
class RunbookImport:
    """What a library gave: its kind, runbooks by id, and the files left out as (path inside it, reason)."""

    kind: str
    runbooks: list[Runbook] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)


def slug(text: str) -> str:
    """Lower case, with a hyphen for every run of other characters than letters and digits."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")
