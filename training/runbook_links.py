"""Learn from links which runbooks a category and a product need, and score it on the newest tickets."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from evaluation.retrieval import RetrievalFigures, rank_of_best_hit, retrieval_figures
from features.encoder import Encoder
from features.feature_space import Example
from features.history import History
from features.lexical import MIN_DOCUMENTS
from features.runbook_index import LOGITS_PER_SCORE, RunbookIndex, RunbookScores
from features.runbook_query import RunbookQuery
from serving.case_feedback import by_row, runbook_feedback
from serving.runbook_answers import linked_runbooks
from serving.runbook_map import RunbookMap, count_array, lift, totals_of
from training.data import TrainingData

LEARNED = "learned"
_METHODS = ("lexical", "dense", "fused")
_MIN_TICKETS = 20
_MOST_WEIGHT = 3.0

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RunbookFigures:
    """How well runbooks are found.

    Attributes
    ----------
    by_text : mapping of str to RetrievalFigures
        On every ticket with a linked runbook: ``lexical``, ``dense``, ``fused``; nothing is learned.
    newest : mapping of str to RetrievalFigures
        On those after the cut alone: ``fused``, and ``learned``, which adds what the links before the cut taught.
    """

    by_text: Mapping[str, RetrievalFigures]
    newest: Mapping[str, RetrievalFigures]


NO_FIGURES = RunbookFigures(
    dict.fromkeys(_METHODS, retrieval_figures([])), dict.fromkeys(("fused", LEARNED), retrieval_figures([]))
)


@dataclass(frozen=True, slots=True, eq=False)
class LinkedTicket:
    """A ticket whose runbook is known.

    Attributes
    ----------
    scores : RunbookScores
        Of n runbooks.
    is_linked : ndarray of bool, shape (n,)
    confidence : float
        Of the category: 1 where it is the ticket's own label.
    """

    scores: RunbookScores
    is_linked: NDArray[np.bool_]
    category: str | None
    confidence: float
    product: str | None
    customer: str | None
    created_at: datetime | None


def fit_runbook_links(
    data: TrainingData,
    history: History,
    encoder: Encoder,
    cut: datetime | None,
    predicted: Mapping[int, tuple[str, float]],
) -> tuple[RunbookMap, RunbookFigures]:
    """Count the links of tickets created before the cut and weigh them; score on those after.

    A link is one of the history's, a runbook named in a resolution or by an agent, or a suggestion that was accepted;
    one that was refused is none.

    Parameters
    ----------
    predicted : mapping of int to (str, float)
        For rows after the cut, the most probable category and its probability, as the service would have them.
    """
    index = RunbookIndex.build(history.runbooks(), encoder, store=history)
    tickets = _linked_tickets(data, history, index, encoder)
    if not tickets:
        return RunbookMap(), NO_FIGURES
    before = [ticket for ticket, _ in tickets if cut and ticket.created_at and ticket.created_at < cut]
    after = [
        replace(ticket, category=predicted[row][0], confidence=predicted[row][1]) if row in predicted else ticket
        for ticket, row in tickets
        if cut and ticket.created_at and ticket.created_at >= cut
    ]
    learned = fit_runbook_map(before, index.ids)
    by_text = {
        name: _figures((getattr(ticket.scores, name) for ticket, _ in tickets), [ticket for ticket, _ in tickets])
        for name in _METHODS
    }
    newest = {
        "fused": _figures((ticket.scores.fused for ticket in after), after),
        LEARNED: _figures((_logits(ticket, learned, index.ids) for ticket in after), after),
    }
    return learned, RunbookFigures(by_text, newest)


def fit_runbook_map(tickets: Sequence[LinkedTicket], ids: Sequence[str]) -> RunbookMap:
    """Count links by category and product, and weigh them beside the text's logits.

    The weights have the least log-loss of the linked runbooks among all (a softmax), each ticket scored by the counts
    of the others, with a unit normal prior; with fewer than 20 tickets nothing is learned.

    Parameters
    ----------
    ids : sequence of str
        Of the runbooks, in the order of the tickets' scores.
    """
    if len(tickets) < _MIN_TICKETS:
        return RunbookMap()
    by_label = ([(ticket.category, ticket) for ticket in tickets], [(ticket.product, ticket) for ticket in tickets])
    category, product = (_counts(labelled, ids) for labelled in by_label)
    lifts = np.stack([_own_lifts(category, by_label[0], ids), _own_lifts(product, by_label[1], ids)])
    text = np.stack([ticket.scores.fused for ticket in tickets]) * LOGITS_PER_SCORE
    linked = np.stack([ticket.is_linked for ticket in tickets])
    found = minimize(
        _loss, np.zeros(2), args=(lifts, text, linked), jac=True, method="L-BFGS-B", bounds=[(0.0, _MOST_WEIGHT)] * 2
    )
    by_category, by_product = found.x.tolist()
    return RunbookMap(category, product, by_category, by_product)


def _linked_tickets(
    data: TrainingData, history: History, index: RunbookIndex, encoder: Encoder
) -> list[tuple[LinkedTicket, int]]:
    """Tickets with a known runbook, each with its row in the history."""
    accepted, refused = (by_row(runbook_feedback(history, kind)) for kind in ("accepted", "wrong"))
    found = []
    for number, stored in enumerate(data.cases):
        names = linked_runbooks(stored.case, index.names) | accepted.get(stored.row_id, frozenset())
        is_linked = np.isin(index.ids, sorted(names - refused.get(stored.row_id, frozenset())))
        if is_linked.any():
            example = data.rows.examples[number]
            ticket = LinkedTicket(
                scores=_scores(index, encoder, example),
                is_linked=is_linked,
                category=data.rows.categories[number],
                confidence=1.0,
                product=stored.case.ticket.product,
                customer=stored.case.ticket.customer,
                created_at=stored.case.ticket.created_at,
            )
            found.append((ticket, stored.row_id))
    return found


def _scores(index: RunbookIndex, encoder: Encoder, example: Example) -> RunbookScores:
    return index.scores(RunbookQuery.of(example.text, example.vector, encoder))


def _counts(labelled: Sequence[tuple[str | None, LinkedTicket]], ids: Sequence[str]) -> Mapping[str, Mapping[str, int]]:
    """Links of each label that a release may keep: of three tickets, and of two customers where any is known."""
    of_label: defaultdict[str, list[LinkedTicket]] = defaultdict(list)
    for label, ticket in labelled:
        if label is not None:
            of_label[label].append(ticket)
    are_known = any(ticket.customer is not None for _, ticket in labelled)
    return {
        label: _links(tickets, ids)
        for label, tickets in sorted(of_label.items())
        if len(tickets) >= MIN_DOCUMENTS and (not are_known or len({ticket.customer for ticket in tickets}) > 1)
    }


def _links(tickets: Iterable[LinkedTicket], ids: Sequence[str]) -> Mapping[str, int]:
    numbers = (number for ticket in tickets for number in np.flatnonzero(ticket.is_linked).tolist())
    return dict(Counter(ids[number] for number in numbers))


def _own_lifts(
    counts: Mapping[str, Mapping[str, int]], labelled: Sequence[tuple[str | None, LinkedTicket]], ids: Sequence[str]
) -> Floats:
    """Lift of each ticket's label by the links of the other tickets, shape (n_tickets, n_runbooks)."""
    totals = count_array(totals_of(counts), ids)
    of_label = {label: count_array(own, ids) for label, own in counts.items()}
    lifts = np.zeros((len(labelled), len(ids)))
    for number, (label, ticket) in enumerate(labelled):
        if label is not None and label in of_label:
            lifts[number] = lift(of_label[label] - ticket.is_linked, totals - ticket.is_linked)
    return lifts


def _loss(weights: Floats, lifts: Floats, text: Floats, linked: NDArray[np.bool_]) -> tuple[float, Floats]:
    """Log-loss of the linked runbooks with a unit normal prior, and its gradient."""
    logits = text + np.tensordot(weights, lifts, axes=1)
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    p_all = odds / odds.sum(axis=1, keepdims=True)
    of_linked = odds * linked
    p_linked = of_linked / of_linked.sum(axis=1, keepdims=True)
    loss = -np.log(np.maximum((p_all * linked).sum(axis=1), 1e-12)).sum()
    gradient = ((p_all - p_linked)[None] * lifts).sum(axis=(1, 2))
    return float(loss + 0.5 * (weights**2).sum()), np.asarray(gradient + weights, dtype=np.float64)


def _logits(ticket: LinkedTicket, learned: RunbookMap, ids: Sequence[str]) -> Floats:
    more = learned.log_odds(ids, category=ticket.category, confidence=ticket.confidence, product=ticket.product)
    return np.asarray(ticket.scores.fused * LOGITS_PER_SCORE + more, dtype=np.float64)


def _figures(scores: Iterable[Floats], tickets: Sequence[LinkedTicket]) -> RetrievalFigures:
    return retrieval_figures(
        [rank_of_best_hit(values, ticket.is_linked) for values, ticket in zip(scores, tickets, strict=True)]
    )
