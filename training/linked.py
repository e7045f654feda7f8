"""Learn from the history's own links, by time, and score it on the newest ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

import numpy as np

from evaluation.dataset import RankingGroup
from evaluation.ranking_data import duplicate_clusters, ranking_group
from evaluation.retrieval import NOT_FOUND, RetrievalFigures, rank_of_best_hit, retrieval_figures
from features.case_index import CaseIndex
from features.encoder import Encoder
from features.history import History
from features.ticket import LinkType
from serving.case_feedback import case_feedback
from serving.ranking import SIGNALS, UNTRAINED, Ranker
from serving.runbook_map import RunbookMap
from training.data import TrainingData
from training.params import TrainingParams
from training.ranker import fit_ranker
from training.runbook_links import NO_FIGURES, RunbookFigures, fit_runbook_links

MAX_UNLINKED = 2000
_METHODS = ("lexical", "dense", "untrained", "fused")
MATCHING = (LinkType.DUPLICATE_OF, LinkType.RELATED)
"""Links between tickets of the same problem."""


@dataclass(frozen=True, slots=True)
class LinkedFigures:
    """Retrieval of known links: of similar cases among the newest tickets, of runbooks among all.

    Attributes
    ----------
    similar : mapping of str to RetrievalFigures
        Duplicate and related tickets, by method: ``lexical`` (BM25 alone), ``dense`` (cosine alone), ``untrained`` and
        ``fused`` (the release's ranker).
    runbooks : RunbookFigures
    """

    similar: Mapping[str, RetrievalFigures]
    runbooks: RunbookFigures

    def metrics(self) -> dict[str, float]:
        """Figures by name, for the record of a run."""
        found = {"similar_n": float(self.similar["fused"].n), "runbook_n": float(self.runbooks.by_text["fused"].n)}
        for name, figures in self.similar.items():
            found[f"similar_{name}_recall_at_10"] = figures.recall_at_10
            found[f"similar_{name}_mrr"] = figures.mrr
        for name, figures in (*self.runbooks.by_text.items(), *_named_newest(self.runbooks)):
            found[f"runbook_{name}_recall_at_1"] = figures.recall_at_1
            found[f"runbook_{name}_recall_at_3"] = figures.recall_at_3
        return found

    def headlines(self) -> list[str]:
        """A line each, beside the single methods; nothing where there were no links to score by."""
        lines = []
        if self.similar["fused"].n:
            each = ", ".join(f"{name} {f.recall_at_10:.3f} / {f.mrr:.3f}" for name, f in self.similar.items())
            lines.append(f"Similar cases: recall@10 / MRR of {each}, n = {self.similar['fused'].n}")
        for what, found in (("Runbooks", self.runbooks.by_text), ("Runbooks, newest tickets", self.runbooks.newest)):
            if n := found["fused"].n:
                each = ", ".join(f"{name} {f.recall_at_1:.3f} / {f.recall_at_3:.3f}" for name, f in found.items())
                lines.append(f"{what}: recall@1 / recall@3 of {each}, n = {n}")
        return lines


def _named_newest(figures: RunbookFigures) -> Iterator[tuple[str, RetrievalFigures]]:
    for name, found in figures.newest.items():
        yield f"newest_{name}", found


class FromLinks(NamedTuple):
    """What links taught, and how well it does."""

    ranker: Ranker
    runbook_map: RunbookMap
    figures: LinkedFigures


def fit_on_links(
    data: TrainingData,
    history: History,
    index: CaseIndex,
    encoder: Encoder,
    cut: datetime | None,
    params: TrainingParams,
    predicted: Mapping[int, tuple[str, float]] | None = None,
) -> FromLinks:
    """Learn from the links of tickets created before the cut, and score it on those after.

    Parameters
    ----------
    history : History
        Its links and what agents said of suggested cases.
    index : CaseIndex
        Holds every ticket; a query sees only older ones.
    cut : datetime or None
        Creation time (UTC) of the first test ticket; without one nothing is learned from links.
    predicted : mapping of int to (str, float), optional
        As in :func:`training.runbook_links.fit_runbook_links`.
    """
    if cut is None:
        nothing = dict.fromkeys(_METHODS, retrieval_figures([]))
        return FromLinks(UNTRAINED, RunbookMap(), LinkedFigures(nothing, NO_FIGURES))
    verdicts = link_verdicts(history)
    before = _groups(data, index, verdicts.matches, until=cut)
    after = _groups(data, index, verdicts.matches, since=cut)
    unlinked = unlinked_groups(data, index, verdicts, until=cut, seed=params.seed)
    ranker = fit_ranker(sorted([*before, *unlinked], key=lambda group: group.created_at), params)
    rankers = (single_signal("bm25"), single_signal("cosine"), UNTRAINED, ranker)
    similar = {name: score_groups(after, method) for name, method in zip(_METHODS, rankers, strict=True)}
    runbook_map, runbooks = fit_runbook_links(data, history, encoder, cut, predicted or {})
    return FromLinks(ranker, runbook_map, LinkedFigures(similar, runbooks))


def single_signal(name: str) -> Ranker:
    """A ranker by one signal alone: a floor."""
    weights = tuple(float(signal == name) for signal in SIGNALS)
    return Ranker(weights, intercept=0.0, strong=1.0, possible=0.0, trained=False)


class Verdicts(NamedTuple):
    """Pairs of rows that are the same problem, and pairs that somebody has said are not."""

    matches: list[tuple[int, int]]
    denied: list[tuple[int, int]]


def link_verdicts(history: History) -> Verdicts:
    """Links, accepted suggestions and denials; a denial wins over a link of the same pair."""
    denied = {*link_pairs(history, LinkType.NOT_DUPLICATE_OF), *case_feedback(history, "wrong")}
    matches = {pair for kind in MATCHING for pair in link_pairs(history, kind)} | {*case_feedback(history, "accepted")}
    unlike = {frozenset(pair) for pair in denied}
    return Verdicts(sorted(pair for pair in matches if frozenset(pair) not in unlike), sorted(denied))


def link_pairs(history: History, kind: LinkType) -> Iterator[tuple[int, int]]:
    """Row ids of both ends of each link of a kind, where both are in the history."""
    for link in history.links(kind):
        if link.to_row is not None and link.to_row != link.from_row:
            yield link.from_row, link.to_row


def score_groups(groups: Sequence[RankingGroup], ranker: Ranker) -> RetrievalFigures:
    """Figures of a ranker on groups; a match that was no candidate counts as not found."""
    return retrieval_figures(
        [
            rank_of_best_hit(ranker.score(group.matrix), group.is_match) if len(group.row_ids) else NOT_FOUND
            for group in groups
        ]
    )


def _groups(
    data: TrainingData,
    index: CaseIndex,
    pairs: Iterable[tuple[int, int]],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[RankingGroup]:
    """Linked tickets of a span with an earlier member of their cluster, in order of time.

    Clusters are of the pairs whose newer ticket lies before ``until``: what is learned knows no later link.
    """
    created = {stored.row_id: stored.case.ticket.created_at for stored in data.cases}
    known = [
        (a, b)
        for a, b in pairs
        if (first := created.get(a)) and (second := created.get(b)) and (until is None or max(first, second) < until)
    ]
    clusters = duplicate_clusters(known)
    groups = []
    for i, stored in enumerate(data.cases):
        at = created[stored.row_id]
        if at is None or stored.row_id not in clusters or (since and at < since) or (until and at >= until):
            continue
        earlier = frozenset(
            row for row in clusters[stored.row_id] if (other := created[row]) is not None and other < at
        )
        if earlier:
            groups.append(ranking_group(index, data.rows.examples[i], created_at=at, matches=earlier))
    return sorted(groups, key=lambda group: group.created_at)


def unlinked_groups(
    data: TrainingData, index: CaseIndex, verdicts: Verdicts, *, until: datetime, seed: int, at_most: int = MAX_UNLINKED
) -> list[RankingGroup]:
    """Tickets without a match, for the tiers: all that somebody denied one of, and a sample of those nobody judged.

    Parameters
    ----------
    until : datetime
        Creation time (UTC) before which tickets and links are known.
    at_most : int
        Size of the sample; each of it stands for as many tickets as it takes to make up all.
    """
    created = {
        stored.row_id: at for stored in data.cases if (at := stored.case.ticket.created_at) is not None and at < until
    }
    # A link that is made later is not known yet: its tickets count as unlinked, as they did then.
    linked, denied = ({row for pair in pairs if created.keys() >= set(pair) for row in pair} for pairs in verdicts)
    free = [(i, created[s.row_id]) for i, s in enumerate(data.cases) if s.row_id in created and s.row_id not in linked]
    judged = [each for each in free if data.cases[each[0]].row_id in denied]
    others = [each for each in free if data.cases[each[0]].row_id not in denied]
    chosen = [others[k] for k in np.random.default_rng(seed).permutation(len(others))[:at_most].tolist()]
    groups = []
    for sample, n_of in ((judged, len(judged)), (chosen, len(others))):
        for i, at in sample:
            group = ranking_group(index, data.rows.examples[i], created_at=at, matches=frozenset())
            groups.append(replace(group, stands_for=n_of / len(sample)))
    return groups
