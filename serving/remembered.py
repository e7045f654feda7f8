"""A case as far as the index knows it, for when the history cannot be read: labels and times, no texts."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from features.case_entries import CaseEntry
from features.ticket import Case, Outcome, Status, Ticket


def remembered(entry: CaseEntry) -> Case:
    """The case of an entry; subject, description, messages, resolution, address and links are left out."""
    return Case(
        ticket=Ticket(
            id=entry.id,
            created_at=_time(entry.created_at),
            product=entry.product,
            customer=entry.customer,
            language=entry.language,
            access_group=entry.access_group,
        ),
        outcome=Outcome(
            status=Status.RESOLVED if entry.is_resolved else Status.OPEN,
            resolved_at=_time(entry.resolved_at),
            category=entry.category,
            severity=entry.severity,
            targets=entry.targets,
            outcome=entry.outcome,
        ),
        system=entry.system,
    )


def _time(seconds: float) -> datetime | None:
    return None if math.isnan(seconds) else datetime.fromtimestamp(seconds, UTC)
