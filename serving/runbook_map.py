"""Which runbooks the tickets of a category and of a product were solved with: what links say beyond the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RUNBOOK_MAP = "runbook_map"
"""Name of the release's part."""

# As many tickets, shared out as all links are, stand beside those of a category: few links say little.
_PRIOR_TICKETS = 5.0

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class RunbookMap:
    """Links to runbooks counted by label, and how much they count beside the text.

    Attributes
    ----------
    category, product : mapping of str to mapping of str to int
        For each category or product, the number of tickets that link to each runbook, by the runbook's id.
    category_weight, product_weight : float
        Of the log-odds of each; 0 where there were too few links to learn from.
    """

    category: Counts = field(default_factory=dict)
    product: Counts = field(default_factory=dict)
    category_weight: float = 0.0
    product_weight: float = 0.0
    _totals: tuple[Mapping[str, int], Mapping[str, int]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_totals", (totals_of(self.category), totals_of(self.product)))

    def log_odds(
        self, ids: Sequence[str], *, category: str | None, confidence: float, product: str | None
    ) -> NDArray[np.float64]:
        """How much more likely each runbook is than its text tells; shape (len(ids),), in logits.

        Parameters
        ----------
        category : str or None
            The most probable one.
        confidence : float
            Its probability, 0 to 1.
        """
        found = np.zeros(len(ids))
        if self.category_weight and category is not None:
            own = self.category.get(category, {})
            found += self.category_weight * confidence * own_lift(own, self._totals[0], ids)
        if self.product_weight and product is not None:
            found += self.product_weight * own_lift(self.product.get(product, {}), self._totals[1], ids)
        return found

    def to_json(self) -> dict[str, Any]:
        """JSON that :meth:`from_json` makes the same map of."""
        return {
            "category": {label: dict(counts) for label, counts in self.category.items()},
            "product": {label: dict(counts) for label, counts in self.product.items()},
            "category_weight": self.category_weight,
            "product_weight": self.product_weight,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> RunbookMap:
        """Read a map as a release has it."""
        return cls(
            {label: dict(counts) for label, counts in value["category"].items()},
            {label: dict(counts) for label, counts in value["product"].items()},
            float(value["category_weight"]),
            float(value["product_weight"]),
        )


def lift(counts: Counts, label: str, ids: Sequence[str]) -> NDArray[np.float64]:
    """Logarithm of how much more of a label's links each runbook has than of all, shape (len(ids),).

    A runbook that no link names is neither favoured nor held back: 0.

    Examples
    --------
    >>> counts = {"Login": {"saml": 9, "billing": 1}, "Invoices": {"billing": 10}}
    >>> lift(counts, "Login", ["saml", "billing", "new"]).round(2).tolist()
    [0.51, -0.79, 0.0]
    """
    return own_lift(counts.get(label, {}), totals_of(counts), ids)


def totals_of(counts: Counts) -> Mapping[str, int]:
    """Links of each runbook over all labels."""
    totals: Counter[str] = Counter()
    for of_label in counts.values():
        totals.update(of_label)
    return totals


def own_lift(own: Mapping[str, int], totals: Mapping[str, int], ids: Sequence[str]) -> NDArray[np.float64]:
    """As :func:`lift`, of a label's own links and those of all."""
    n_own, n_all = sum(own.values()), sum(totals.values())
    result = np.zeros(len(ids))
    for number, name in enumerate(ids):
        if total := totals.get(name, 0):
            share = total / n_all
            result[number] = np.log((own.get(name, 0) + _PRIOR_TICKETS * share) / (n_own + _PRIOR_TICKETS) / share)
    return result
