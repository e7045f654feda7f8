"""How severe the resolved tickets of a reporter, a customer and a product have been, up to a moment.

Who reports, and for what product, says more of a ticket's severity than its words do. Only what was known counts: a
ticket enters when it is resolved, with the severity that it then had. Older ones count less, by half a year after
year; of a reporter the last weeks and all years are kept apart as well, since habits change.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.ticket import SEVERITIES, Outcome, Ticket

N_LEVELS = len(SEVERITIES)
_DAY = 86_400.0  # seconds
_YEAR = 365 * _DAY
_LATELY, _EVER = 20 * _DAY, 10 * _YEAR
"""Half-lives of a reporter's last weeks and of all years; that of every other group is a year."""
_FORGOTTEN = 20 * _LATELY  # one in a million is left

# A group's shares are drawn towards those of the wider group by as many tickets; all tickets towards an even split.
_EVEN, _PRODUCT, _NARROW = 4.0, 10.0, 4.0
# Weights grow with time from here on, so that a sum need not be touched when time goes by: 2020-01-01.
_ANCHOR = 1_577_836_800.0
_MAX_EXPONENT = 900.0  # a date that is centuries off is an error of the source

_GROUPS = ("product", "customer", "reporter", "reporter_and_product", "reporter_lately", "reporter_ever")
RECORD_NAMES: tuple[str, ...] = (
    *(f"{group}_{level}" for group in _GROUPS for level in SEVERITIES),
    "customer_tickets",
    "reporter_tickets",
)

_WIDER = {"customer": "product", "reporter": "customer"}
_FEW = 1e-3  # of tickets so old that they count for less, rounding is all that is left

Key = tuple[str, ...]
Event = tuple[float, int]
"""Since when a ticket was known, in seconds since the epoch, and its level."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Who:
    """Whose record is asked for; None where unknown."""

    product: str | None
    customer: str | None
    reporter: str | None

    @classmethod
    def of(cls, ticket: Ticket) -> Who:
        """The product, customer and reporter of a ticket."""
        return cls(ticket.product, ticket.customer, ticket.reporter)

    def groups(self) -> Iterator[Key]:
        """The groups that a ticket of theirs counts in."""
        yield ()
        for name in ("product", "customer", "reporter"):
            value = getattr(self, name)
            if value is not None:
                yield (name, value)
        if self.reporter is not None:
            yield ("reporter_ever", self.reporter)
        if self.reporter is not None and self.product is not None:
            yield ("reporter_and_product", self.reporter, self.product)


@dataclass(frozen=True, slots=True)
class Counted:
    """A ticket as it counts.

    Attributes
    ----------
    level : int
        Number of its severity, 0 (sev1) to 3.
    at : float
        Since when it was known, in seconds since the epoch.
    """

    who: Who
    level: int
    at: float

    @classmethod
    def of(cls, ticket: Ticket, outcome: Outcome) -> Counted | None:
        """A case as it counts; None where its severity is not known, or nobody knows since when.

        No severity is known before its ticket is there: a clock that went back, or tickets that were moved here with
        the time of the move, have a resolution before their creation.
        """
        known = outcome.resolved_at or (ticket.created_at if outcome.is_resolved else None)
        if known is None or outcome.severity is None:
            return None
        at = max(known, ticket.created_at or known)
        return cls(Who.of(ticket), SEVERITIES.index(outcome.severity), at.timestamp())


class PastRecord:
    """Severities of resolved tickets by group, each weighted by its age. Not safe to change from two threads.

    Parameters
    ----------
    sums, n, events, times
        Of tickets that count already (:class:`features.past_record_columns.CountedColumns`): by group the weights of
        each level, shape (4,), and the number of tickets; by reporter the events, ascending; all times, ascending.

    Examples
    --------
    >>> record = PastRecord()
    >>> ann = Who(product="sync", customer=None, reporter="ann")
    >>> for day in range(30):
    ...     record.add(Counted(ann, level=0, at=day * 86_400.0))
    >>> shares = np.exp(record.features(ann, at=30 * 86_400.0)[:4])
    >>> bool(shares[0] > 0.6), float(shares.sum().round(6))
    (True, 1.0)
    """

    def __init__(
        self,
        sums: dict[Key, Floats] | None = None,
        n: Counter[Key] | None = None,
        events: dict[str, list[Event]] | None = None,
        times: list[float] | None = None,
    ) -> None:
        self._sums = sums or {}
        self._n = n or Counter()
        # By reporter, in order of time. A sum of weights that double every few weeks would not keep older tickets: a
        # new one's weight is beyond their last digit.
        self._lately = events or {}
        self._times = times or []

    def add(self, ticket: Counted) -> None:
        """Count a ticket."""
        insort(self._times, ticket.at)
        for key in ticket.who.groups():
            if key not in self._sums:
                self._sums[key] = np.zeros(N_LEVELS)
            self._sums[key][ticket.level] += _weight(key, ticket.at)
            self._n[key] += 1
        if ticket.who.reporter is not None:
            insort(self._lately.setdefault(ticket.who.reporter, []), (ticket.at, ticket.level))

    def remove(self, ticket: Counted) -> None:
        """Take back a ticket that was counted."""
        del self._times[bisect_left(self._times, ticket.at)]
        for key in ticket.who.groups():
            sums = self._sums[key]
            sums[ticket.level] = max(0.0, sums[ticket.level] - _weight(key, ticket.at))
            self._n[key] -= 1
            # What adding and taking back leaves of rounding is no ticket.
            if not self._n[key]:
                del self._sums[key], self._n[key]
        if ticket.who.reporter is not None:
            events = self._lately[ticket.who.reporter]
            del events[bisect_left(events, (ticket.at, ticket.level))]
            if not events:
                del self._lately[ticket.who.reporter]

    def features(self, who: Who, *, at: float, without: Sequence[Counted] = ()) -> Floats:
        """Log-shares of the levels in each group, and how many tickets stand behind them.

        Parameters
        ----------
        at : float
            Seconds since the epoch. Where something later is counted, that is the moment: nothing counts for more than
            it is.
        without : sequence of Counted
            Counted tickets to leave out: earlier versions of the one that is asked about.

        Returns
        -------
        ndarray of float64, shape (len(RECORD_NAMES),)
        """
        at = max(at, self._times[-1]) if self._times else at

        def counts(*key: str | None) -> Floats:
            named = tuple(part for part in key if part is not None)
            return self._counts(named, at, without) if len(named) == len(key) else np.zeros(N_LEVELS)

        every = _drawn(counts(), np.full(N_LEVELS, 1.0 / N_LEVELS), _EVEN)
        product = _drawn(counts("product", who.product), every, _PRODUCT)
        customers, reporters = counts("customer", who.customer), counts("reporter", who.reporter)
        customer = _drawn(customers, product, _NARROW)
        reporter = _drawn(reporters, customer, _NARROW)
        narrow = [
            _drawn(found, reporter, _NARROW)
            for found in (
                counts("reporter_and_product", who.reporter, who.product),
                self._counts_lately(who.reporter, at, without),
                counts("reporter_ever", who.reporter),
            )
        ]
        shares = np.stack([product, customer, reporter, *narrow])
        return np.concatenate([np.log(shares).ravel(), np.log1p([customers.sum(), reporters.sum()])])

    def _counts(self, key: Key, at: float, without: Sequence[Counted]) -> Floats:
        sums = self._sums.get(key)
        if sums is None:
            return np.zeros(N_LEVELS)
        sums = sums.copy()
        for ticket in without:
            if key in ticket.who.groups():
                sums[ticket.level] = max(0.0, sums[ticket.level] - _weight(key, ticket.at))
        return np.asarray(sums / _weight(key, at), dtype=np.float64)

    def _counts_lately(self, reporter: str | None, at: float, without: Sequence[Counted]) -> Floats:
        counts = np.zeros(N_LEVELS)
        events = self._lately.get(reporter, []) if reporter is not None else []
        for known, level in events[bisect_left(events, (at - _FORGOTTEN, 0)) :]:
            counts[level] += _decay(known - at, _LATELY)
        for ticket in without:
            if events and ticket.who.reporter == reporter:
                counts[ticket.level] = max(0.0, counts[ticket.level] - _decay(ticket.at - at, _LATELY))
        return counts


def empty_record() -> Floats:
    """The features of somebody of whom nothing is known, in a history without severities."""
    return PastRecord().features(Who(None, None, None), at=_ANCHOR)


def own_shares(record: Floats, group: str) -> Floats | None:
    """Shares of the levels among the past tickets of a customer or a reporter alone, newer ones counting more.

    Parameters
    ----------
    record : ndarray of float64, shape (len(RECORD_NAMES),)
        Of :meth:`PastRecord.features`, which draw the shares towards those of the wider group.
    group : str
        ``customer`` or ``reporter``.

    Returns
    -------
    ndarray of float64, shape (4,), or None
        None where there are no past tickets.

    Examples
    --------
    >>> record, ann = PastRecord(), Who(product="sync", customer=None, reporter="ann")
    >>> record.add(Counted(ann, level=1, at=0.0))
    >>> found = record.features(ann, at=0.0)
    >>> own_shares(found, "reporter").round(6).tolist(), own_shares(found, "customer")
    ([0.0, 1.0, 0.0, 0.0], None)
    """
    n_tickets = float(np.expm1(record[RECORD_NAMES.index(f"{group}_tickets")]))
    if n_tickets < _FEW:
        return None
    drawn, wider = (
        np.exp(record[start : start + N_LEVELS])
        for name in (group, _WIDER[group])
        for start in [RECORD_NAMES.index(f"{name}_{SEVERITIES[0]}")]
    )
    counts = drawn * (n_tickets + _NARROW) - _NARROW * wider
    return np.asarray(np.clip(counts / n_tickets, 0.0, 1.0), dtype=np.float64)


def records_in_time(tickets: Sequence[Ticket], outcomes: Sequence[Outcome]) -> Floats:
    """The record of each ticket as it stood when the ticket was created.

    Undated tickets have one record, that of somebody unknown at the end: the shares among all tickets. Their own
    severity stays among these: shares without it would differ by nothing else, and tell it.

    Returns
    -------
    ndarray of float64, shape (n_tickets, len(RECORD_NAMES))
    """
    counted = [Counted.of(ticket, outcome) for ticket, outcome in zip(tickets, outcomes, strict=True)]
    events = [(ticket.at, True, i) for i, ticket in enumerate(counted) if ticket is not None]
    events += [(at.timestamp(), False, i) for i, ticket in enumerate(tickets) if (at := ticket.created_at) is not None]
    record, rows = PastRecord(), np.tile(empty_record(), (len(tickets), 1))
    # Of events at the same moment creations come first: what is known at that very moment was not known before.
    for moment, is_known, i in sorted(events):
        known = counted[i]
        if is_known and known is not None:
            record.add(known)
        elif not is_known:
            rows[i] = record.features(Who.of(tickets[i]), at=moment)
    if events:
        last = max(moment for moment, _, _ in events)
        rows[[ticket.created_at is None for ticket in tickets]] = record.features(Who(None, None, None), at=last)
    return rows


def weights(key: Key, at: Floats) -> Floats:
    """How much tickets known since some times, in seconds since the epoch, count in a group; shape (n,)."""
    half_lives = np.clip((at - _ANCHOR) / _half_life(key), -_MAX_EXPONENT, _MAX_EXPONENT)
    return np.asarray(2.0**half_lives, dtype=np.float64)


def _weight(key: Key, at: float) -> float:
    return _decay(at - _ANCHOR, _half_life(key))


def _half_life(key: Key) -> float:
    """Of a group that is kept as a sum, in seconds."""
    return _EVER if key[:1] == ("reporter_ever",) else _YEAR


def _decay(seconds: float, half_life: float) -> float:
    """2 to the number of half-lives."""
    return float(2.0 ** max(-_MAX_EXPONENT, min(seconds / half_life, _MAX_EXPONENT)))


def _drawn(counts: Floats, towards: Floats, strength: float) -> Floats:
    total = counts + strength * towards
    return np.asarray(total / total.sum(), dtype=np.float64)
