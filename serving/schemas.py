"""The HTTP contract, version 1, as typed models: requests are strict, answers are what the suggester returns.

Unknown fields and values of another type are refused by name, and no error carries the value of a text
(``hide_input_in_errors``). Times and the values of enumerations, for which JSON has no type, are read from text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from features.intake_checks import MAX_LABEL_CHARS
from features.ticket import Author, Case, FixOutcome, Link, LinkType, Message, Outcome, Severity, Status, Ticket

MAX_FIELDS = 64
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_ID = r"^[^\x00-\x1f\x7f]{1,200}$"


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, frozen=True, strict=True)


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _to_utc(value: datetime) -> datetime:
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise ValueError("there is no such time in UTC") from None


def _written(value: object) -> object:
    """Only what is written as a time: a bare number could be seconds, milliseconds, or another field's."""
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE.match(value)):
        return value
    raise ValueError("a time is written as 2026-01-31T09:00:00Z")


def _whole(value: object) -> object:
    """JSON has one type of number: 3.0 is 3, which is how tables write a column that also has blanks."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Time = Annotated[datetime, Field(strict=False), BeforeValidator(_written), AfterValidator(_to_utc)]
"""A time; one without an offset is read as UTC."""
Version = Annotated[int, Field(ge=0, le=2**62), BeforeValidator(_whole)]
TopK = Annotated[int, Field(ge=1, le=50), BeforeValidator(_whole)]
Id = Annotated[str, Field(pattern=_ID)]
ShortText = Annotated[str, Field(max_length=MAX_LABEL_CHARS)]
FieldValue = Annotated[str, Field(max_length=2_000)] | bool | int | float


class MessageIn(_Request):
    """One message of the thread, written before now."""

    at: Time
    by: Annotated[Author, Field(strict=False)]
    text: Annotated[str, Field(max_length=200_000)]


class TicketIn(_Request):
    """A ticket as the ticketing system knows it now."""

    id: Id | None = None
    version: Version | None = None
    subject: Annotated[str, Field(max_length=2_000)] = ""
    description: Annotated[str, Field(max_length=1_000_000)] = ""
    created_at: Time | None = None
    messages: Annotated[list[MessageIn], Field(max_length=500)] = []
    product: ShortText | None = None
    customer: ShortText | None = None
    customer_tier: ShortText | None = None
    channel: ShortText | None = None
    language: ShortText | None = None
    access_group: ShortText | None = None
    reporter: ShortText | None = None
    fields: Annotated[dict[Annotated[str, Field(max_length=100)], FieldValue], Field(max_length=MAX_FIELDS)] = {}

    def to_ticket(self) -> Ticket:
        """The ticket as the rest of Precedent knows it."""
        return Ticket(
            id=self.id,
            version=self.version,
            subject=self.subject,
            description=self.description,
            created_at=self.created_at,
            messages=tuple(Message(at=m.at, by=m.by, text=m.text) for m in self.messages),
            product=self.product,
            customer=self.customer,
            customer_tier=self.customer_tier,
            channel=self.channel,
            language=self.language,
            access_group=self.access_group,
            reporter=self.reporter,
            fields=dict(self.fields),
        )


class FiltersIn(_Request):
    """Restrictions on the similar cases; ``since`` and ``until`` bound their creation time."""

    product: ShortText | None = None
    category: ShortText | None = None
    customer: ShortText | None = None
    language: ShortText | None = None
    access_group: ShortText | None = None
    since: Time | None = None
    until: Time | None = None


class SuggestRequest(_Request):
    """Body of ``POST /v1/suggest``; ``draft`` asks for drafted summaries of the resolutions."""

    ticket: TicketIn
    top_k: TopK = 5
    filters: FiltersIn = FiltersIn()
    explain: bool = False
    draft: bool = False


class BatchRequest(_Request):
    """Body of ``POST /v1/suggest/batch``: up to 100 tickets, each answered on its own."""

    tickets: Annotated[list[TicketIn], Field(min_length=1, max_length=100)]
    top_k: TopK = 5
    filters: FiltersIn = FiltersIn()
    explain: bool = False


class LinkIn(_Request):
    """A link of a case."""

    type: Annotated[LinkType, Field(strict=False)]
    id: Id


class CaseIn(TicketIn):
    """A ticket with what came of it: body of ``POST /v1/cases`` under ``case``."""

    id: Id
    status: Annotated[Status, Field(strict=False)] = Status.OPEN
    resolved_at: Time | None = None
    category: ShortText | None = None
    severity: Annotated[Severity, Field(strict=False)] | None = None
    targets: Annotated[dict[Annotated[str, Field(max_length=100)], ShortText], Field(max_length=MAX_FIELDS)] = {}
    resolution: Annotated[str, Field(max_length=1_000_000)] | None = None
    outcome: Annotated[FixOutcome, Field(strict=False)] = FixOutcome.UNKNOWN
    url: Annotated[str, Field(max_length=2_000, pattern=r"^https?://[^\s]+$")] | None = None
    links: Annotated[list[LinkIn], Field(max_length=100)] = []

    def to_case(self, system: str) -> Case:
        """The case as the rest of Precedent knows it."""
        return Case(
            ticket=self.to_ticket(),
            outcome=Outcome(
                status=self.status,
                resolved_at=self.resolved_at,
                category=self.category,
                severity=self.severity,
                targets=dict(self.targets),
                resolution=self.resolution,
                outcome=self.outcome,
                url=self.url,
            ),
            links=tuple(Link(type=link.type, id=link.id) for link in self.links),
            system=system,
        )


class CaseRequest(_Request):
    """Body of ``POST /v1/cases``."""

    case: CaseIn


class FeedbackRequest(_Request):
    """Body of ``POST /v1/feedback``: what an agent made of a suggestion."""

    request_id: Id
    kind: Literal["accepted", "overridden", "wrong"]
    target: Literal["category", "severity", "case", "resolution", "runbook"]
    id: Id | None = None
    value: ShortText | None = None
    by: ShortText | None = None
    at: Time | None = None


class Action(StrEnum):
    """What the ticketing system may do with a prediction."""

    AUTOMATE = "automate"
    SUGGEST = "suggest"
    ABSTAIN = "abstain"


class Alternative(_Answer):
    """Another value and its calibrated probability."""

    value: str
    confidence: float


class TargetAnswer(_Answer):
    """The answer for a categorical target; on ``abstain``, ``value`` is None and ``reason`` says why.

    With ``is_parent``, ``value`` stands above several labels, ``confidence`` is the sum of theirs, and the alternatives
    are the most probable labels.
    """

    value: str | None
    confidence: float
    action: Action
    reason: str | None = None
    is_parent: bool = False
    alternatives: list[Alternative] = []
    why: list[str] | None = None

    @property
    def first_guess(self) -> Alternative | None:
        """The most probable single label, answered or not; None where nothing was trained."""
        if self.value is not None and not self.is_parent:
            return Alternative(value=self.value, confidence=self.confidence)
        return self.alternatives[0] if self.alternatives else None


class SeverityAnswer(_Answer):
    """The answer for severity: ``value`` minimises expected cost, ``most_likely`` is the most probable level.

    ``sev1_certified`` says whether training had Sev1 tickets enough to promise what the flag finds.
    """

    value: Severity | None
    most_likely: Severity | None
    confidence: float
    action: Action
    reason: str | None = None
    sev1_flag: bool
    sev1_risk: float
    sev1_certified: bool = False
    alternatives: list[Alternative] = []
    why: list[str] | None = None


class SimilarCase(_Answer):
    """A resolved case like the ticket; ``relevance`` is a calibrated probability.

    ``warnings`` name commands in ``resolution`` that destroy, and words that may be a customer's name.
    """

    id: str
    subject: str
    url: str | None
    relevance: float
    tier: Literal["strong", "possible"]
    resolved_at: datetime | None
    category: str | None
    resolution: str | None
    outcome: FixOutcome
    duplicates: int
    why: list[str]
    warnings: list[str] = []


class RelatedOpen(_Answer):
    """An open case like the ticket: perhaps an incident going on; ``duplicates`` tickets more are about it."""

    id: str
    subject: str
    url: str | None
    relevance: float
    created_at: datetime | None
    duplicates: int = 0


class ResolutionAnswer(_Answer):
    """What resolved similar cases, in the words of one of them; ``support`` is the number of cases that say it.

    ``held_rate`` is the share of fixes that held, where known. ``median_hours_to_resolve`` and ``newest``, the time of
    the latest resolution, are over the cases whose times are known. ``warnings`` name commands that destroy, and
    words that may be a customer's name. ``draft`` is a language model's summary of ``summary``, where one was asked for
    and configured, for a person to check.
    """

    summary: str
    case_ids: list[str]
    support: int
    held_rate: float | None
    median_hours_to_resolve: float | None = None
    newest: datetime | None = None
    warnings: list[str] = []
    draft: str | None = None


class RunbookAnswer(_Answer):
    """A runbook to follow and the section to start with."""

    id: str
    title: str
    url: str | None
    section: str | None
    relevance: float
    why: list[str]


class Suggestion(_Answer):
    """Answer of ``POST /v1/suggest``; ``notes`` names what it did without (``history_unavailable``, …)."""

    request_id: str
    release: str
    index_watermark: int
    category: TargetAnswer
    severity: SeverityAnswer
    targets: dict[str, TargetAnswer]
    similar_cases: list[SimilarCase]
    related_open: list[RelatedOpen]
    resolutions: list[ResolutionAnswer]
    runbooks: list[RunbookAnswer]
    novel: bool
    hidden_count: int
    notes: list[str]


class ErrorDetail(_Answer):
    """What went wrong, for a program (``code``) and for a person (``message``)."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(_Answer):
    """Body of every error."""

    error: ErrorDetail
    request_id: str


class BatchAnswer(_Answer):
    """Answer of ``POST /v1/suggest/batch``: a suggestion or an error for each ticket, in order."""

    results: list[Suggestion | ErrorAnswer]


class CaseAnswer(_Answer):
    """Answer of ``POST /v1/cases`` and ``DELETE /v1/cases/{id}``: the change number it has in the history."""

    id: str
    change: int


class FeedbackAnswer(_Answer):
    """Answer of ``POST /v1/feedback``."""

    request_id: str
    recorded: bool
