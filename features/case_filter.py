"""Which cases a search may return."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

NO_TIME = -(2**63)
"""Stands for a time that is not known, among microseconds since the epoch."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """Which cases a search may return; None restricts nothing.

    Attributes
    ----------
    since, until : aware datetime or None
        Bounds of the time of creation, both inclusive.
    created_before : aware datetime or None
        Strict bound of the time of creation. A case without a time of creation passes none of the three bounds.
    access_group : str or None
        Only cases of this group.
    access_groups : frozenset of str or None
        What may be seen: cases of these groups, and those of no group; None sees all.
    exclude_ids : frozenset of str
        Ids, as the ticketing systems give them, never to return.
    is_resolved : bool or None
        Only resolved cases, or only open ones.
    """

    product: str | None = None
    category: str | None = None
    customer: str | None = None
    language: str | None = None
    access_group: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    created_before: datetime | None = None
    access_groups: frozenset[str] | None = None
    exclude_ids: frozenset[str] = frozenset()
    is_resolved: bool | None = None

    @property
    def labels(self) -> dict[str, str]:
        """The columns that must have one value, with that value."""
        wanted = {
            "product": self.product,
            "category": self.category,
            "customer": self.customer,
            "language": self.language,
            "access_group": self.access_group,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    @property
    def time_range(self) -> tuple[int | None, int | None]:
        """Times of creation let through: from (inclusive) and to (exclusive), in microseconds since the epoch."""
        ends = [] if self.until is None else [microseconds(self.until) + 1]
        if self.created_before is not None:
            ends.append(microseconds(self.created_before))
        return None if self.since is None else microseconds(self.since), min(ends, default=None)

    @property
    def restricts(self) -> bool:
        """Whether anything but single ids is kept out."""
        return (
            bool(self.labels)
            or self.time_range != (None, None)
            or self.access_groups is not None
            or self.is_resolved is not None
        )


def microseconds(time: datetime | None) -> int:
    """Microseconds since the epoch, exact; ``NO_TIME`` for None."""
    return NO_TIME if time is None else (time - _EPOCH) // _MICROSECOND
