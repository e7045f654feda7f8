"""What an answer shows of cases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from features.lexical import Hashes
from features.ticket import Case
from serving.advice_safety import destructive_commands
from serving.collapse import CaseGroup
from serving.customer_names import Audience
from serving.ranking import Tier
from serving.reasons import Asked, case_reasons
from serving.schemas import RelatedOpen, SimilarCase


@dataclass(frozen=True, slots=True)
class FoundCases:
    """What an answer shows of cases, and the resolved ones themselves with their relevance, best first.

    Attributes
    ----------
    failed : frozenset of str
        Ids of resolved ones whose fix did not hold.
    refused_runbooks : frozenset of str
        Ids of those that were called wrong for the ticket.
    """

    similar: list[SimilarCase]
    open: list[RelatedOpen]
    resolved: list[tuple[float, Case]]
    n_hidden: int
    failed: frozenset[str] = frozenset()
    refused_runbooks: frozenset[str] = frozenset()

    @classmethod
    def nothing(cls) -> FoundCases:
        """No cases."""
        return cls([], [], [], 0)


def similar_case(
    asked: Asked,
    group: CaseGroup,
    case: Case,
    *,
    audience: Audience,
    tier: Tier,
    notes: Sequence[str],
    terms: Hashes,
) -> SimilarCase:
    """Show a group of resolved cases by one of them.

    Parameters
    ----------
    case : Case
        The group's ``shown``, as the history has it, or as far as it is known.
    audience : Audience
        Who reads it.
    notes : sequence of str
        What is said of it beside why it is like the ticket.
    terms : ndarray of uint32, shape (n,)
        Hashed terms of its whole text, as the index has them.
    """
    resolution = case.outcome.resolution
    if resolution is not None:
        resolution = audience.shown(resolution, case)
    return SimilarCase(
        id=case.id,
        subject=case.ticket.subject,
        url=case.outcome.url,
        relevance=round(group.best.relevance, 4),
        tier=tier,
        resolved_at=case.outcome.resolved_at,
        category=case.outcome.category,
        resolution=resolution,
        outcome=case.outcome.outcome,
        duplicates=group.duplicates,
        why=[*case_reasons(asked, case.ticket, group.shown.candidate, terms), *notes],
        warnings=[*destructive_commands(resolution or ""), *audience.warnings(resolution or "")],
    )


def related_open(group: CaseGroup, case: Case) -> RelatedOpen:
    """Show a group of open cases by one of them."""
    return RelatedOpen(
        id=case.id,
        subject=case.ticket.subject,
        url=case.outcome.url,
        relevance=round(group.best.relevance, 4),
        created_at=case.ticket.created_at,
        duplicates=group.duplicates,
    )
