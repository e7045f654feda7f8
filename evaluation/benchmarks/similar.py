"""The similar-cases benchmark: the product's index and ranker on duplicates, beside the frozen references."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench, Row
from evaluation.benchmarks.readers import read_issues
from evaluation.benchmarks.reference import ReferenceBm25
from evaluation.benchmarks.similar_data import DuplicateQuery, SimilarQueries, similar_queries
from evaluation.dataset import RankingGroup
from evaluation.intervals import mean_interval
from evaluation.ranking_data import ranking_group
from evaluation.retrieval import gain_over_better, rank_of_best_hit, retrieval_figures
from features.case_index import CaseIndex
from features.history import Change, StoredCase
from features.history_rows import content_hash
from features.lexical import LexicalStatistics
from features.ticket import Case
from serving.ranking import UNTRAINED, Ranker

N_UNLINKED = 2000
"""Tickets without a known link: at most so many before the cut to set tiers on, and after it to check them on."""
SHOWN = 5
"""Cases that a suggestion shows by default."""
_PAGE = 1000

Hits = Sequence[frozenset[int]]
Ranks = dict[str, list[int]]


@dataclass(frozen=True, slots=True)
class Searched:
    """Candidates of queries with their signals, and the milliseconds that each search took."""

    groups: list[RankingGroup]
    milliseconds: list[float]

    def ranks(self, ranker: Ranker, hits: Hits) -> list[int]:
        """Rank of the best hit of each query."""
        return [
            rank_of_best_hit(ranker.score(group.matrix), np.isin(group.row_ids, list(found)))
            for group, found in zip(self.groups, hits, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Run:
    """What was found for each query, by the references, for any match and for resolved ones, and by the product."""

    data: SimilarQueries
    any_match: Hits
    resolved: Hits
    references: tuple[Ranks, Ranks]
    searched: Searched
    ranker: Ranker
    unlinked: list[RankingGroup]

    @property
    def test(self) -> Searched:
        """What the product found for the test queries."""
        first = self.data.n_before
        return Searched(self.searched.groups[first:], self.searched.milliseconds[first:])

    def ranks_of_all(self) -> Ranks:
        """Ranks of every query; what is learned from links has seen some of them, and is left out."""
        return self.references[0] | {"untrained": self.searched.ranks(UNTRAINED, self.any_match)}

    def ranks_of_test(self, *, resolved: bool = False) -> Ranks:
        """Ranks of the test queries by every method."""
        first = self.data.n_before
        references, hits = self.references[int(resolved)], (self.resolved if resolved else self.any_match)[first:]
        return {name: ranks[first:] for name, ranks in references.items()} | {
            "untrained": self.test.ranks(UNTRAINED, hits),
            "fused": self.test.ranks(self.ranker, hits),
        }


def similar_benchmark(bench: Bench, folder: Path, *, project: str | None = None) -> dict[str, object]:
    """Figures of BENCHMARKS.md, ``similar``."""
    issues = read_issues(folder, project)
    rows = bench.rows(issues.cases)
    created = np.array([row.created for row in rows])
    run = _run(bench, rows, similar_queries([row.raw.id for row in rows], created, issues.pairs))
    data, test = run.data, run.test
    on_test = run.ranks_of_test()
    return {
        "n_tickets": len(rows),
        "n_queries": len(data.queries),
        "n_test": len(data.test),
        "n_training_queries": len(data.training),
        "test_queries_in_a_training_cluster": data.n_in_training_cluster,
        "ranker_trained": run.ranker.trained,
        "all": _figures(run.ranks_of_all(), [True] * len(data.queries)),
        "test": _figures(on_test, [True] * len(data.test)),
        "test_hard": _figures(on_test, [query.is_hard for query in data.test]),
        # A query none of whose matches was resolved has nothing to find, and is left out.
        "test_resolved": _figures(
            run.ranks_of_test(resolved=True), [bool(hits) for hits in run.resolved[data.n_before :]]
        ),
        "gain": {name: _gain(on_test, name) for name in ("untrained", "fused")},
        "search_ms": {
            "p50": float(np.percentile(test.milliseconds, 50)),
            "p99": float(np.percentile(test.milliseconds, 99)),
        },
        "strong": _strong(run.ranker, test.groups, run.unlinked),
        "seconds": dict(bench.seconds),
    }


def _run(bench: Bench, rows: Sequence[Row], data: SimilarQueries) -> _Run:
    any_match = [query.earlier for query in data.queries]
    resolved = [_resolved(query, rows) for query in data.queries]
    references = _reference_ranks(bench, rows, data, (any_match, resolved))
    with case_index(bench, rows, data.cut) as index, bench.step("search"):
        searched = search(index, rows, data.queries)
        ranker = bench.fitting.ranker(_training_groups(index, rows, data))
        unlinked = search(index, rows, _unlinked_after(rows, data)).groups
    return _Run(data, any_match, resolved, references, searched, ranker, unlinked)


def _resolved(query: DuplicateQuery, rows: Sequence[Row]) -> frozenset[int]:
    """Matches that were resolved before the query was created."""
    return frozenset(row for row in query.earlier if rows[row].resolved < rows[query.row].created)


def _reference_ranks(
    bench: Bench, rows: Sequence[Row], data: SimilarQueries, hits: tuple[Hits, Hits]
) -> tuple[Ranks, Ranks]:
    """Ranks of the frozen references among all earlier tickets, for each of two sets of hits."""
    created = np.array([row.created for row in rows])
    vectors = bench.raw_vectors(rows)
    out: tuple[Ranks, Ranks] = ({"lexical": [], "dense": []}, {"lexical": [], "dense": []})
    with bench.step("references"):
        bm25 = ReferenceBm25([row.raw_text for row in rows], int(np.searchsorted(created, data.cut)))
        for number, query in enumerate(data.queries):
            n_earlier = int(np.searchsorted(created, created[query.row]))
            scores = {
                "lexical": bm25.scores(rows[query.row].raw_text)[:n_earlier],
                "dense": vectors[:n_earlier] @ vectors[query.row],
            }
            for ranks, found in zip(out, hits, strict=True):
                is_hit = np.zeros(n_earlier, dtype=np.bool_)
                is_hit[list(found[number])] = True
                for name, values in scores.items():
                    ranks[name].append(rank_of_best_hit(values, is_hit))
    return out


def _stored(number: int, case: Case, masking_rules: str) -> StoredCase:
    return StoredCase(number, number, content_hash(case), masking_rules, case)


@contextmanager
def case_index(bench: Bench, rows: Sequence[Row], cut: float) -> Iterator[CaseIndex]:
    """The product's index over every ticket, its statistics from tickets before the cut; a row is its number."""
    bench.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=bench.scratch) as folder:
        with bench.step("index"):
            statistics = LexicalStatistics.fit_texts(row.example.text for row in rows if row.created < cut)
            index = CaseIndex.create(Path(folder), bench.encoder, statistics)
            for start in range(0, len(rows), _PAGE):
                page = rows[start : start + _PAGE]
                index.apply(
                    [
                        Change(number, number, _stored(number, row.stored, bench.intake.masking_rules))
                        for number, row in enumerate(page, start)
                    ],
                    np.stack([row.example.vector for row in page]),
                )
        try:
            yield index
        finally:
            index.close()


def search(index: CaseIndex, rows: Sequence[Row], queries: Sequence[DuplicateQuery]) -> Searched:
    """Candidates of each query among the tickets created before it."""
    searched = Searched([], [])
    for query in queries:
        row = rows[query.row]
        created_at = datetime.fromtimestamp(row.created, UTC)
        started = time.perf_counter()
        group = ranking_group(index, row.example, created_at=created_at, matches=query.earlier)
        searched.milliseconds.append((time.perf_counter() - started) * 1000.0)
        searched.groups.append(group)
    return searched


def _training_groups(index: CaseIndex, rows: Sequence[Row], data: SimilarQueries) -> list[RankingGroup]:
    """Linked tickets before the cut by links known then, and as negatives for the tiers some without a link."""
    before = [number for number, row in enumerate(rows) if row.created < data.cut]
    unlinked = unlinked_queries(before, data.training_rows)
    n_unlinked = sum(row not in data.training_rows for row in before)
    return [
        *search(index, rows, data.training).groups,
        *(replace(group, stands_for=n_unlinked / len(unlinked)) for group in search(index, rows, unlinked).groups),
    ]


def _unlinked_after(rows: Sequence[Row], data: SimilarQueries) -> list[DuplicateQuery]:
    after = [number for number, row in enumerate(rows) if row.created >= data.cut]
    return unlinked_queries(after, {row for query in data.queries for row in (query.row, *query.earlier)})


def unlinked_queries(rows: Sequence[int], linked: Container[int]) -> list[DuplicateQuery]:
    """A sample of the rows that have no known link, as queries without a match."""
    free = [row for row in rows if row not in linked]
    chosen = np.random.default_rng(0).permutation(len(free))[:N_UNLINKED]
    return [DuplicateQuery(free[i], frozenset(), is_hard=False) for i in sorted(chosen.tolist())]


def _figures(ranks: Ranks, kept: Sequence[bool]) -> dict[str, object]:
    """Figures of each method over the queries kept."""
    figures: dict[str, object] = {"n": sum(kept)}
    for name, values in ranks.items():
        figures[name] = retrieval_figures([v for v, keep in zip(values, kept, strict=True) if keep]).to_json()
    return figures


def _gain(ranks: Ranks, name: str) -> dict[str, object]:
    gain = gain_over_better(ranks[name], {single: ranks[single] for single in ("lexical", "dense")})
    return {"over": gain.over, "mean": gain.mean, "ci95": list(gain.ci95)}


def _strong(ranker: Ranker, linked: Sequence[RankingGroup], unlinked: Sequence[RankingGroup]) -> dict[str, object]:
    """How often a strong case shown for a linked ticket is a known match, and how often an unlinked one gets any."""
    hits = [hit for group in linked for hit in _strong_hits(ranker, group)]
    shown = [len(_strong_hits(ranker, group)) > 0 for group in unlinked]
    return {
        "precision": float(np.mean(hits)) if hits else None,
        "n_shown": len(hits),
        "shown_for_linked": float(np.mean([len(_strong_hits(ranker, group)) > 0 for group in linked])),
        "shown_for_unlinked": float(np.mean(shown)) if shown else None,
        "n_unlinked": len(shown),
        "ci95": {
            "precision": list(mean_interval(np.array(hits, dtype=np.float64))),
            "shown_for_unlinked": list(mean_interval(np.array(shown, dtype=np.float64))),
        },
    }


def _strong_hits(ranker: Ranker, group: RankingGroup) -> NDArray[np.bool_]:
    """Whether each strong case among those shown is a match."""
    relevance = ranker.relevance(group.matrix)
    best = np.argsort(-relevance, kind="stable")[:SHOWN]
    return group.is_match[best[relevance[best] >= ranker.strong]]
