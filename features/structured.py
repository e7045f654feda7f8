"""The structured fields of a ticket (product, tier, channel, any ``fields``) as indicator columns.

Only what was known at creation is read. A value becomes a column when at least three tickets had it, of two customers
where customers are known (DESIGN, decision 3).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.ticket import Ticket

_MIN_TICKETS = 3
_MIN_CUSTOMERS = 2


def indicators(ticket: Ticket) -> Iterator[str]:
    """Name every known categorical value of a ticket as ``field=value``."""
    for name in ("product", "customer_tier", "channel", "language"):
        value = getattr(ticket, name)
        if value is not None:
            yield f"{name}={value}"
    for name, value in ticket.fields.items():
        if isinstance(value, str | bool):
            yield f"fields.{name}={value}"


@dataclass(frozen=True, slots=True)
class StructuredColumns:
    """The learned columns, in order.

    Examples
    --------
    >>> tickets = [Ticket(product="api", customer=c) for c in "aab"]
    >>> columns = StructuredColumns.fit(tickets)
    >>> columns.names, columns.transform([Ticket(product="api"), Ticket(product="hooks")]).tolist()
    (('product=api',), [[1.0], [0.0]])
    """

    names: tuple[str, ...]

    @classmethod
    def fit(cls, tickets: Sequence[Ticket]) -> StructuredColumns:
        """Keep the values that are common enough to learn from."""
        customers: dict[str, set[str | None]] = defaultdict(set)
        counts: dict[str, int] = defaultdict(int)
        for ticket in tickets:
            for name in indicators(ticket):
                counts[name] += 1
                if ticket.customer is not None:
                    customers[name].add(ticket.customer)
        known = any(ticket.customer is not None for ticket in tickets)
        return cls(
            tuple(
                sorted(
                    name
                    for name, count in counts.items()
                    if count >= _MIN_TICKETS and (not known or len(customers[name]) >= _MIN_CUSTOMERS)
                )
            )
        )

    def transform(self, tickets: Sequence[Ticket]) -> NDArray[np.float32]:
        """Indicator matrix of 0 and 1, shape (n_tickets, n_columns)."""
        column = {name: number for number, name in enumerate(self.names)}
        out = np.zeros((len(tickets), len(self.names)), dtype=np.float32)
        for row, ticket in enumerate(tickets):
            for name in indicators(ticket):
                if name in column:
                    out[row, column[name]] = 1.0
        return out
