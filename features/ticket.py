"""A ticket as it stood when it was created, and, apart from it, what came later.

Whatever predicts reads :class:`Ticket` alone (DESIGN, decision 7); :class:`Outcome` may only be a label, or be shown as
the answer of a retrieved case.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

Scalar = str | int | float | bool

_NO_FIELDS: Mapping[str, Scalar] = MappingProxyType({})
_NO_TARGETS: Mapping[str, str] = MappingProxyType({})


class Severity(StrEnum):
    """How much a ticket hurts, worst first: ``sev1`` is down for many, ``sev4`` is a question."""

    SEV1 = "sev1"
    SEV2 = "sev2"
    SEV3 = "sev3"
    SEV4 = "sev4"


SEVERITIES: tuple[Severity, ...] = tuple(Severity)


class Status(StrEnum):
    """Where a case stands. ``closed`` counts as resolved."""

    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed"


class FixOutcome(StrEnum):
    """Whether the fix of a resolved case held."""

    HELD = "held"
    REOPENED = "reopened"
    UNKNOWN = "unknown"


class LinkType(StrEnum):
    """How a case refers to another case, or to a runbook."""

    DUPLICATE_OF = "duplicate_of"
    NOT_DUPLICATE_OF = "not_duplicate_of"
    RELATED = "related"
    RUNBOOK = "runbook"


class Author(StrEnum):
    """Who wrote a message."""

    CUSTOMER = "customer"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a ticket's thread. ``at`` is an aware datetime in UTC."""

    at: datetime
    by: Author
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What was known when the ticket was created.

    ``created_at`` is aware and in UTC. ``reporter`` is whatever identifies the writer in the source; it is stored
    only as a keyed hash (:mod:`features.intake`).
    """

    subject: str = ""
    description: str = ""
    id: str | None = None
    version: int | None = None
    created_at: datetime | None = None
    messages: tuple[Message, ...] = ()
    product: str | None = None
    customer: str | None = None
    customer_tier: str | None = None
    channel: str | None = None
    language: str | None = None
    access_group: str | None = None
    reporter: str | None = None
    fields: Mapping[str, Scalar] = field(default_factory=lambda: _NO_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came later: labels, resolution, whether the fix held.

    ``targets`` holds further categorical targets by name (DESIGN, decision 8).
    """

    status: Status = Status.OPEN
    resolved_at: datetime | None = None
    category: str | None = None
    severity: Severity | None = None
    targets: Mapping[str, str] = field(default_factory=lambda: _NO_TARGETS)
    resolution: str | None = None
    outcome: FixOutcome = FixOutcome.UNKNOWN
    url: str | None = None

    @property
    def is_resolved(self) -> bool:
        """Whether the case is over, and so can say what to do."""
        return self.status is not Status.OPEN


@dataclass(frozen=True, slots=True)
class Link:
    """A directed link from a case to another case or a runbook, named by the id that its source uses."""

    type: LinkType
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A ticket with its outcome and links: one row of history. ``ticket.id`` is never None here."""

    ticket: Ticket
    outcome: Outcome = field(default_factory=Outcome)
    links: tuple[Link, ...] = ()
    system: str = "default"

    @property
    def id(self) -> str:
        """The id that the ticketing system gave."""
        if self.ticket.id is None:
            raise ValueError("A case has no id: give ticket.id before it becomes a case.")
        return self.ticket.id
