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
            found += self.category_weight * confidence * self._lift(self.category, 0, category, ids)
        if self.product_weight and product is not None:
            found += self.product_weight * self._lift(self.product, 1, product, ids)
        return found

    def _lift(self, counts: Counts, kind: int, label: str, ids: Sequence[str]) -> NDArray[np.float64]:
        return lift(count_array(counts.get(label, {}), ids), count_array(self._totals[kind], ids))

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


def lift(own: NDArray[np.float64], totals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Logarithm of how much more of a label's links each runbook has than of all.

    A runbook that no link names is neither favoured nor held back: 0.

    Parameters
    ----------
    own, totals : ndarrays of float64, shape (n_runbooks,)
        Links to each runbook, of the label's tickets and of all.

    Examples
    --------
    >>> lift(np.array([9.0, 1.0, 0.0]), np.array([9.0, 11.0, 0.0])).round(2).tolist()
    [0.51, -0.79, 0.0]
    """
    is_linked = totals > 0
    share = totals[is_linked] / totals.sum()
    result = np.zeros(len(totals))
    result[is_linked] = np.log((own[is_linked] + _PRIOR_TICKETS * share) / (own.sum() + _PRIOR_TICKETS) / share)
    return result


def count_array(counts: Mapping[str, int], ids: Sequence[str]) -> NDArray[np.float64]:
    """Counts in the order of ids, shape (len(ids),)."""
    return np.array([counts.get(name, 0) for name in ids], dtype=np.float64)


def totals_of(counts: Counts) -> Mapping[str, int]:
    """Links of each runbook over all labels."""
    totals: Counter[str] = Counter()
    for of_label in counts.values():
        totals.update(of_label)
    return totals
