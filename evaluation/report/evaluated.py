"""A test ticket with its truth and its prediction: what every report is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evaluation.report.parts import TicketRef
from features.ticket import Severity
from serving.triage import Prediction


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedTicket:
    """A test ticket, what it was, and what the release said of it.

    Attributes
    ----------
    created_at : datetime or None
        Creation time, aware, UTC.
    truth_category, truth_severity : str or Severity, or None
        The labels; None where the history has none.
    cheapest_severity : Severity or None
        The level of least expected cost, answered or held back; None without a severity model.
    category_probabilities : mapping of str to float
        Calibrated probability of each class; empty without a category model.
    is_near_duplicate : bool
        Whether an earlier ticket says nearly the same.
    parent_holds : bool
        Whether a parent was answered that the true category lies below.
    """

    row_id: int
    ticket_id: str
    created_at: datetime | None
    truth_category: str | None
    truth_severity: Severity | None
    prediction: Prediction
    cheapest_severity: Severity | None
    category_probabilities: Mapping[str, float]
    is_near_duplicate: bool
    parent_holds: bool = False

    @property
    def first_guess(self) -> str | None:
        """The most probable category, answered or held back; None without a category model."""
        guess = self.prediction.category.first_guess
        return None if guess is None else guess.value

    @property
    def confidence(self) -> float:
        """Confidence of the first guess."""
        guess = self.prediction.category.first_guess
        return 0.0 if guess is None else guess.confidence

    @property
    def is_right(self) -> bool:
        """Whether the first guess is the category or, where its parent was answered, the category lies below that."""
        return self.parent_holds if self.prediction.category.is_parent else self.first_guess == self.truth_category

    @property
    def reference(self) -> TicketRef:
        """How a report names the ticket."""
        return TicketRef(self.row_id, self.ticket_id, self.created_at)
