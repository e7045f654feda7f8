"""Whether the fix of a case held: it was not reopened, and the same customer did not come again with the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from features.ticket import FixOutcome
from serving.collapse import SAME_TEXT, Resemblance
from serving.verdicts import Verdicts

if TYPE_CHECKING:
    from serving.ranking import Ranker
    from serving.suggester import RankedCase

REPEAT_SECONDS = 30 * 86_400.0
"""How long after its resolution a case can still be said to have come back."""

REOPENED = "its fix did not hold: the case was reopened"
REPEATED = "its fix did not hold: the same customer came again within 30 days"
SUPERSEDED = "superseded: a later fix of the same problem held"


class Setbacks:
    """Which of the ranked cases have a fix that did not hold, and what is to be said of it.

    Parameters
    ----------
    ranked : sequence of RankedCase
        Resolved and open ones.
    """

    def __init__(
        self, ranked: Sequence[RankedCase], ranker: Ranker, resemblance: Resemblance, verdicts: Verdicts
    ) -> None:
        self._ranked = ranked
        self._strong = {case.row_id for case in ranked if ranker.tier(case.relevance) == "strong"}
        self._resemblance = resemblance
        self._verdicts = verdicts
        reopened = {case.row_id: REOPENED for case in ranked if case.entry.outcome is FixOutcome.REOPENED}
        repeated = {case.row_id: REPEATED for case in ranked if self._came_again(case)}
        self.reasons: Mapping[int, str] = {**repeated, **reopened}
        """By row, of those cases alone."""

    def notes(self, case: RankedCase) -> list[str]:
        """What to say of a case; nothing where its fix held, or nobody knows."""
        if case.row_id not in self.reasons:
            return []
        return [self.reasons[case.row_id], *([SUPERSEDED] if self._is_superseded(case) else [])]

    def _came_again(self, case: RankedCase) -> bool:
        entry = case.entry
        # Where somebody said that the fix held, the customer's next ticket is another case of it.
        if entry.customer is None or not entry.is_resolved or entry.outcome is not FixOutcome.UNKNOWN:
            return False
        end = entry.resolved_at + REPEAT_SECONDS
        return any(
            self._is_same_problem(case, other)
            for other in self._ranked
            if other.row_id != case.row_id  # by clocks that differ, a case can come after its own resolution
            and other.entry.customer == entry.customer
            and entry.resolved_at < other.entry.created_at <= end
        )

    def _is_superseded(self, case: RankedCase) -> bool:
        return any(
            self._is_same_problem(case, other)
            for other in self._ranked
            if other.entry.outcome is FixOutcome.HELD and other.entry.resolved_at > case.entry.resolved_at
        )

    def _is_same_problem(self, case: RankedCase, other: RankedCase) -> bool:
        """Linked as duplicates, both strong matches of what is asked, or nearly the same words."""
        rows = {case.row_id, other.row_id}
        if self._verdicts.deny([case.row_id], [other.row_id]):
            return False
        if other.row_id in case.entry.duplicate_of or case.row_id in other.entry.duplicate_of or rows <= self._strong:
            return True
        return bool(np.any(self._resemblance(case.row_id, [other.row_id]) >= SAME_TEXT))
