"""The lead's report on runbooks: where knowledge is missing, unused, failing or old, and what that costs."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

import numpy as np

from evaluation.report.parts import TicketRef
from evaluation.runbook_use import RunbookTicket, RunbookUse
from evaluation.topic_words import common_words
from evaluation.topics import Topic, topics, usual_nearness
from features.lexical import LexicalStatistics
from features.runbooks import Runbook
from features.ticket import FixOutcome

REVIEW_DAYS = 365
MIN_TICKETS = 5

_N_EXAMPLES = 5
_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Stake:
    """What a topic costs.

    Attributes
    ----------
    n : int
        Tickets of the span.
    a_month : float
        Tickets a month.
    hours : float or None
        Median time from opening to resolution, in hours; None where no ticket was resolved.
    hours_a_month : float or None
        Both multiplied: elapsed, not worked.
    """

    n: int
    a_month: float
    hours: float | None
    hours_a_month: float | None


@dataclass(frozen=True, slots=True)
class Gap:
    """A frequent topic that no runbook is for.

    Attributes
    ----------
    cluster : str
        Id of its most central ticket, which names it in ``precedent runbook draft``.
    words : tuple of str
        That many of its tickets share and others rarely have.
    category : str or None
        Of all its tickets; None where they have none.
    examples : tuple of TicketRef
        Its most central tickets.
    """

    cluster: str
    words: tuple[str, ...]
    category: str | None
    examples: tuple[TicketRef, ...]
    stake: Stake


@dataclass(frozen=True, slots=True)
class Uncovered:
    """Tickets of a category without a runbook; ``n_all`` counts all of its tickets, ``stake`` is of the former."""

    category: str | None
    n_all: int
    stake: Stake


@dataclass(frozen=True, slots=True)
class RunbookState:
    """A runbook with what was made of it in the span.

    Attributes
    ----------
    followed : int
        Tickets that link to it, name it, or had it accepted.
    suggested : int
        Answers that it stood in.
    accepted, refused : int
        Tickets.
    reopened, held : int
        Of the followed tickets: those whose fix did not hold, and those whose did.
    last_reviewed : date or None
    stake : Stake
        Of the tickets that followed it or whose text calls for it.
    """

    id: str
    title: str
    url: str | None
    owner: str | None
    followed: int
    suggested: int
    accepted: int
    refused: int
    reopened: int
    held: int
    last_reviewed: date | None
    stake: Stake

    @property
    def share_reopened(self) -> float:
        """Of the followed tickets that say whether the fix held; 0 where none does."""
        return self.reopened / max(1, self.reopened + self.held)


@dataclass(frozen=True, slots=True)
class RunbookReport:
    """What a lead reads; each list has the costliest first.

    Attributes
    ----------
    n_covered : int
        Tickets that a runbook was followed for, or whose text calls for one.
    gaps : tuple of Gap
    uncovered : tuple of Uncovered
        Every category with tickets that have no runbook, in a frequent topic or not.
    unused : tuple of RunbookState
        Never followed, or only ever refused.
    failing : tuple of RunbookState
        Followed by tickets that were reopened.
    outdated : tuple of RunbookState
        Not reviewed within the review period, on topics that have tickets.
    """

    since: datetime
    until: datetime
    n_tickets: int
    n_covered: int
    n_runbooks: int
    review_days: int
    gaps: tuple[Gap, ...]
    uncovered: tuple[Uncovered, ...]
    unused: tuple[RunbookState, ...]
    failing: tuple[RunbookState, ...]
    outdated: tuple[RunbookState, ...]

    @property
    def row_ids(self) -> list[int]:
        """Rows of every example ticket."""
        return [example.row_id for gap in self.gaps for example in gap.examples]

    def to_json(self) -> dict[str, Any]:
        """The report as JSON: ids, figures and the shared words, no text of a ticket."""
        return asdict(self)


def runbook_report(
    use: RunbookUse,
    runbooks: Sequence[Runbook],
    statistics: LexicalStatistics,
    *,
    today: date,
    review_days: int = REVIEW_DAYS,
    min_tickets: int = MIN_TICKETS,
) -> RunbookReport:
    """Find what is missing, unused, failing and old.

    Parameters
    ----------
    statistics : LexicalStatistics
        Of the history's tickets: words rare in it name a topic.
    today : date
        From which reviews are counted back.
    min_tickets : int
        Fewer tickets are no gap.
    """
    states = _states(use, runbooks)
    gaps = sorted(_gaps(use, statistics, min_tickets), key=lambda gap: _cost(gap.stake))
    unused = [s for s in states if s.followed == 0]
    failing = [s for s in states if s.reopened]
    outdated = [s for s in states if s.stake.n and _is_old(s, today, review_days)]
    return RunbookReport(
        since=use.since,
        until=use.until,
        n_tickets=len(use.tickets),
        n_covered=sum(bool(ticket.runbooks) for ticket in use.tickets),
        n_runbooks=len(runbooks),
        review_days=review_days,
        gaps=tuple(gaps),
        uncovered=tuple(sorted(_uncovered(use), key=lambda each: _cost(each.stake))),
        unused=tuple(sorted(unused, key=lambda s: (-s.refused, -s.suggested, s.id))),
        failing=tuple(sorted(failing, key=lambda s: (-s.reopened, -s.share_reopened, s.id))),
        outdated=tuple(sorted(outdated, key=lambda s: _cost(s.stake))),
    )


def stake_of(tickets: Iterable[RunbookTicket], months: float) -> Stake:
    """What tickets cost over a span of some months."""
    spans = [_hours(ticket) for ticket in tickets]
    known = [hours for hours in spans if hours is not None]
    a_month = len(spans) / months
    hours = float(np.median(known)) if known else None
    return Stake(
        n=len(spans),
        a_month=round(a_month, 2),
        hours=round(hours, 1) if hours is not None else None,
        hours_a_month=round(a_month * hours, 1) if hours is not None else None,
    )


def _hours(ticket: RunbookTicket) -> float | None:
    created, resolved = ticket.stored.case.ticket.created_at, ticket.stored.case.outcome.resolved_at
    if created is None or resolved is None or resolved < created:
        return None
    return (resolved - created).total_seconds() / _SECONDS_PER_HOUR


def _cost(stake: Stake) -> tuple[float, int]:
    return -(stake.hours_a_month or 0.0), -stake.n


def _is_old(state: RunbookState, today: date, review_days: int) -> bool:
    return state.last_reviewed is None or (today - state.last_reviewed).days > review_days


def _gaps(use: RunbookUse, statistics: LexicalStatistics, min_tickets: int) -> Iterable[Gap]:
    numbers = [number for number, ticket in enumerate(use.tickets) if not ticket.runbooks]
    tickets = [use.tickets[number] for number in numbers]
    labels = [ticket.stored.case.outcome.category for ticket in tickets]
    reach = usual_nearness(use.vectors)
    for topic in topics(use.vectors[numbers], labels, min_cosine=reach, min_size=min_tickets):
        yield _gap(topic, tickets, statistics, use.months)


def _uncovered(use: RunbookUse) -> Iterable[Uncovered]:
    of_label: defaultdict[str | None, list[RunbookTicket]] = defaultdict(list)
    for ticket in use.tickets:
        of_label[ticket.stored.case.outcome.category].append(ticket)
    for label, tickets in of_label.items():
        without = [ticket for ticket in tickets if not ticket.runbooks]
        if without:
            yield Uncovered(label, len(tickets), stake_of(without, use.months))


def _gap(topic: Topic, tickets: Sequence[RunbookTicket], statistics: LexicalStatistics, months: float) -> Gap:
    members = [tickets[number] for number in topic.members.tolist()]
    return Gap(
        cluster=tickets[topic.centre].stored.case.id,
        words=common_words(_open_texts(members), statistics),
        category=members[0].stored.case.outcome.category,
        examples=tuple(_reference(ticket) for ticket in members[:_N_EXAMPLES]),
        stake=stake_of(members, months),
    )


def _open_texts(tickets: Sequence[RunbookTicket]) -> list[str]:
    """Texts of the tickets that no access group keeps to itself: pages travel further than groups."""
    return [ticket.text.text for ticket in tickets if ticket.stored.case.ticket.access_group is None]


def _reference(ticket: RunbookTicket) -> TicketRef:
    case = ticket.stored.case
    return TicketRef(ticket.stored.row_id, case.id, case.ticket.created_at)


def _states(use: RunbookUse, runbooks: Sequence[Runbook]) -> list[RunbookState]:
    topic: defaultdict[str, list[RunbookTicket]] = defaultdict(list)
    for ticket in use.tickets:
        for name in ticket.runbooks:
            topic[name].append(ticket)
    return [_state(runbook, topic[runbook.id], use) for runbook in runbooks]


def _state(runbook: Runbook, tickets: Sequence[RunbookTicket], use: RunbookUse) -> RunbookState:
    followed = [ticket for ticket in tickets if runbook.id in ticket.followed]
    outcomes: Mapping[FixOutcome, int] = Counter(ticket.stored.case.outcome.outcome for ticket in followed)
    return RunbookState(
        id=runbook.id,
        title=runbook.title,
        url=runbook.url,
        owner=runbook.owner,
        followed=len(followed),
        suggested=use.suggested.get(runbook.id, 0),
        accepted=use.accepted.get(runbook.id, 0),
        refused=use.refused.get(runbook.id, 0),
        reopened=outcomes.get(FixOutcome.REOPENED, 0),
        held=outcomes.get(FixOutcome.HELD, 0),
        last_reviewed=runbook.last_reviewed,
        stake=stake_of(tickets, use.months),
    )
