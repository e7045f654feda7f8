"""A test ticket with its truth and its prediction: what every report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from evaluation.backtest import Backtest
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
    category_probabilities : mapping of str to float
        Calibrated probability of each class; empty without a category model.
    is_near_duplicate : bool
        Whether an earlier ticket says nearly the same.
    """

    row_id: int
    ticket_id: str
    created_at: datetime | None
    truth_category: str | None
    truth_severity: Severity | None
    prediction: Prediction
    category_probabilities: Mapping[str, float]
    is_near_duplicate: bool

    @property
    def first_guess(self) -> str | None:
        """The most probable category, answered or held back; None without a category model."""
        answer = self.prediction.category
        if answer.value is not None:
            return answer.value
        return answer.alternatives[0].value if answer.alternatives else None

    @property
    def reference(self) -> TicketRef:
        """How a report names the ticket."""
        return TicketRef(self.row_id, self.ticket_id, self.created_at)


def evaluated_tickets(
    result: Backtest, *, row_ids: Sequence[int], classes: Sequence[str], is_near_duplicate: NDArray[np.bool_]
) -> list[EvaluatedTicket]:
    """Tickets of a backtest as reports read them.

    Parameters
    ----------
    row_ids : sequence of int, length n
        Their rows in the history.
    classes : sequence of str, length n_categories
        Columns of the backtest's category probabilities; empty without a category model.
    is_near_duplicate : ndarray of bool, shape (n,)
    """
    probabilities = result.category_probabilities
    return [
        EvaluatedTicket(
            row_id=row_ids[i],
            ticket_id=example.ticket.id or str(row_ids[i]),
            created_at=example.ticket.created_at,
            truth_category=result.rows.categories[i],
            truth_severity=result.rows.severities[i],
            prediction=result.predictions[i],
            category_probabilities=dict(zip(classes, map(float, probabilities[i]), strict=True))
            if probabilities is not None
            else {},
            is_near_duplicate=bool(is_near_duplicate[i]),
        )
        for i, example in enumerate(result.rows.examples)
    ]
