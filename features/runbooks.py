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
    """What a library gave.

    Attributes
    ----------
    kind : str
    runbooks : list of Runbook
        An id is given once.
    rejected : list of (str, str)
        Files left out, as (path inside the library, reason).
    rejected_ids : set of str
        Ids under which they may be stored since they could be used.
    rejected_folders : set of str
        How ids begin that are made of paths in folders that could not be read.
    """

    kind: str
    runbooks: list[Runbook] = field(default_factory=list)
    rejected: list[tuple[str, str]] = field(default_factory=list)
    rejected_ids: set[str] = field(default_factory=set)
    rejected_folders: set[str] = field(default_factory=set)

    def may_be_rejected(self, runbook_id: str) -> bool:
        """Whether a stored runbook may be what a rejected file held when it could be used."""
        return runbook_id in self.rejected_ids or runbook_id.startswith(tuple(self.rejected_folders))


def slug(text: str) -> str:
    """Lower case, with a hyphen for every run of other characters than letters and digits."""
    return _NOT_SLUG.sub("-", text.lower()).strip("-")
