"""From ranked cases to what is shown: one entry a problem, in the order in which people read them."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from features.case_index import CaseIndex
from features.ticket import Ticket
from serving.collapse import CaseGroup, collapse, placed
from serving.efficacy import Setbacks
from serving.partial import HISTORY_UNAVAILABLE, Missing
from serving.ranking import Ranker
from serving.verdicts import NO_VERDICTS, VerdictReader, Verdicts

if TYPE_CHECKING:
    from serving.suggester import RankedCase

MAX_RELATED_OPEN = 5


@dataclass(frozen=True, slots=True)
class Listed:
    """What is shown: groups of resolved and of open cases, which fixes did not hold, and what was said of it all."""

    resolved: Sequence[CaseGroup]
    open: Sequence[CaseGroup]
    setbacks: Setbacks
    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class Listing:
    """Makes lists of cases.

    Attributes
    ----------
    verdicts : VerdictReader or None
        Without one, nothing was ever said to be no duplicate.
    """

    index: CaseIndex
    ranker: Ranker
    verdicts: VerdictReader | None

    def list(self, ticket: Ticket, ranked: Sequence[RankedCase], missing: Missing, *, n_resolved: int) -> Listed:
        """Join, leave out and place the cases of a ticket.

        Parameters
        ----------
        ranked : sequence of RankedCase
            What is relevant and may be seen, best first.
        missing : Missing
            Without the history, nothing is known to have been said to be no duplicate.
        n_resolved : int
            How many groups of resolved cases are wanted.
        """
        links = self.index.duplicates([case.row_id for case in ranked])
        verdicts = missing.attempt(
            HISTORY_UNAVAILABLE, lambda: self._read_verdicts(ticket, ranked, links.keys()), NO_VERDICTS
        )
        resemblance = self.index.resemblance
        setbacks = Setbacks(ranked, self.ranker, resemblance, verdicts)
        resolved, open_cases = (
            collapse(
                [case for case in ranked if case.entry.is_resolved == is_resolved],
                resemblance,
                links=links,
                verdicts=verdicts,
                failed=setbacks.reasons,
            )
            for is_resolved in (True, False)
        )
        return Listed(
            placed(resolved, resemblance, failed=setbacks.reasons, limit=n_resolved),
            open_cases[:MAX_RELATED_OPEN],
            setbacks,
            verdicts,
        )

    def _read_verdicts(self, ticket: Ticket, ranked: Sequence[RankedCase], linked: Set[int]) -> Verdicts:
        if self.verdicts is None:
            return NO_VERDICTS
        own_row = None if ticket.id is None else self.index.row_of(ticket.id, system=self.verdicts.system)
        between = self.index.entries(list(linked - {case.row_id for case in ranked}))
        return self.verdicts.read(ticket.id, own_row, [*(case.entry for case in ranked), *between])
