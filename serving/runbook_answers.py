"""The runbooks of an answer: by the ticket's text, what similar cases followed, and what its category mostly needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from features.runbook_index import KnownLinks, RunbookIndex
from features.runbook_names import RunbookNames
from features.runbook_query import RunbookQuery
from features.ticket import Author, Case, LinkType
from serving.runbook_map import RunbookMap
from serving.schemas import RunbookAnswer, TargetAnswer

MAX_RUNBOOKS = 3
# A resolution or thread can be a megabyte long; a runbook is named near its beginning or not at all.
_READ_CHARS = 10_000


def runbook_answers(
    index: RunbookIndex,
    links: RunbookMap,
    query: RunbookQuery,
    *,
    category: TargetAnswer,
    product: str | None,
    cases: Sequence[tuple[float, Case]],
    refused: frozenset[str] = frozenset(),
) -> list[RunbookAnswer]:
    """Find the runbooks to follow, best first.

    Parameters
    ----------
    category : TargetAnswer
        What the ticket was answered to be; of an abstention, the most probable value counts.
    cases : sequence of (float, Case)
        Similar resolved cases with their relevance.
    refused : frozenset of str
        Ids of runbooks that somebody called wrong for this ticket.
    """
    label, confidence = _most_probable(category)
    known = KnownLinks(
        followed=followed(cases, index.names),
        log_odds=links.log_odds(index.ids, category=label, confidence=confidence, product=product),
        refused=refused,
    )
    return [
        RunbookAnswer(
            id=hit.id,
            title=hit.title,
            url=hit.url,
            section=hit.section,
            relevance=round(hit.relevance, 4),
            why=list(hit.why),
        )
        for hit in index.search(query, known, limit=MAX_RUNBOOKS)
    ]


def followed(cases: Sequence[tuple[float, Case]], names: RunbookNames) -> Mapping[str, Sequence[float]]:
    """For each runbook that a case links to or names, by id, the relevances of those cases."""
    found: defaultdict[str, list[float]] = defaultdict(list)
    for relevance, case in cases:
        for name in linked_runbooks(case, names):
            found[name].append(relevance)
    return found


def linked_runbooks(case: Case, names: RunbookNames) -> frozenset[str]:
    """Ids of the runbooks that a case links to, or that its resolution or an agent's message names."""
    linked = {names.id_of(link.id) for link in case.links if link.type is LinkType.RUNBOOK}
    texts = [case.outcome.resolution or "", *(m.text for m in case.ticket.messages if m.by is Author.AGENT)]
    named = names.mentioned("\n".join(text[:_READ_CHARS] for text in texts)[: 2 * _READ_CHARS])
    return named | {name for name in linked if name is not None}


def _most_probable(category: TargetAnswer) -> tuple[str | None, float]:
    if category.value is not None:
        return category.value, category.confidence
    best = max(category.alternatives, key=lambda each: each.confidence, default=None)
    return (best.value, best.confidence) if best is not None else (None, 0.0)
