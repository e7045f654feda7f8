"""Choose the constants of the untrained fusion: from the links of two public projects, before any test query.

A history without links has to live with them, so only signals that every history has are weighed, and how strongly is
chosen by what carries over from one project to the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench
from evaluation.benchmarks.readers import DuplicatePair, read_issues
from evaluation.benchmarks.similar import case_index, search
from evaluation.benchmarks.similar_data import later_members, similar_queries
from evaluation.dataset import RankingGroup
from evaluation.ranking_data import duplicate_clusters
from evaluation.retrieval import rank_of_best_hit, retrieval_figures
from features.ticket import Case
from serving.ranking import SIGNALS, Ranker

PROJECTS = ("AMQ", "ZOOKEEPER")
REGULARISATIONS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
LEFT_OUT = frozenset(
    {"same_product", "same_customer", "log_length"}
    | {"cosine_share", "bm25_share", "agreement", "rarest_here", "uncrowded", "first_dense", "first_lexical"}
)
"""Signals not weighed: fields that a history may lack, length, which gains nothing on the project left out, and what is
relative to the other candidates, since without links to calibrate on the best of a poor lot would look good."""


def tune_untrained(bench: Bench, folder: Path) -> dict[str, object]:
    """Choose constants on a folder of the ``jira`` layout that holds both projects.

    Returns
    -------
    dict
        The weights, intercept and tiers to ship, and how each regularisation did on the project left out.
    """
    cut = min(_first_test_query(folder, project) for project in (*PROJECTS, None))
    groups = [_groups(bench, folder, project, cut) for project in PROJECTS]
    linked = [[group for group in part if group.is_match.any()] for part in groups]
    left_out = {c: _left_out(bench, linked, c) for c in REGULARISATIONS}
    chosen = max(left_out, key=lambda c: left_out[c])
    weights = bench.fitting.weights([group for part in linked for group in part], chosen)
    # How many tickets of another history repeat an older one is not known, so relevance is calibrated on those that do:
    # it is the probability of a match, given that there is one.
    ranker = bench.fitting.calibrated(weights, [group for part in linked for group in part])
    return {
        "projects": list(PROJECTS),
        "n_linked": [len(part) for part in linked],
        "mrr_of_the_project_left_out": {str(c): figure for c, figure in left_out.items()},
        "regularisation": chosen,
        "weights": {name: round(w, 2) for name, w in zip(SIGNALS, ranker.weights, strict=True) if abs(w) >= 0.005},
        "intercept": round(ranker.intercept, 2),
        "strong": round(ranker.strong, 2),
        "possible": round(ranker.possible, 3),
    }


def _first_test_query(folder: Path, project: str | None) -> float:
    """Creation time of the first test query of a benchmark on the project, or on all."""
    issues = read_issues(folder, project)
    return similar_queries([case.id for case in issues.cases], _created(issues.cases), issues.pairs).cut


def _groups(bench: Bench, folder: Path, project: str, cut: float) -> list[RankingGroup]:
    """Linked tickets before the cut, signals left out set to zero."""
    issues = read_issues(folder, project)
    rows = bench.rows([case for case in issues.cases if _created([case])[0] < cut])
    number = {row.raw.id: i for i, row in enumerate(rows)}
    clusters = duplicate_clusters(_numbered(issues.pairs, number))
    queries = later_members(clusters, np.array([row.created for row in rows]))
    with case_index(bench, rows, cut) as index, bench.step("search"):
        groups = search(index, rows, queries).groups
    kept = np.array([name not in LEFT_OUT for name in SIGNALS])
    return [replace(group, matrix=group.matrix * kept) for group in groups]


def _numbered(pairs: Sequence[DuplicatePair], number: dict[str, int]) -> list[tuple[int, int]]:
    return [(number[p.query], number[p.target]) for p in pairs if p.query in number and p.target in number]


def _left_out(bench: Bench, linked: Sequence[Sequence[RankingGroup]], regularisation: float) -> float:
    """Mean over projects of the reciprocal rank that weights of the other projects give."""
    figures = []
    for i, part in enumerate(linked):
        others = [group for j, other in enumerate(linked) if j != i for group in other]
        weights = tuple(bench.fitting.weights(others, regularisation).tolist())
        ranker = Ranker(weights, intercept=0.0, strong=1.0, possible=0.0, trained=True)
        ranks = [rank_of_best_hit(ranker.score(group.matrix), group.is_match) for group in part]
        figures.append(retrieval_figures(ranks).mrr)
    return float(np.mean(figures))


def _created(cases: Sequence[Case]) -> NDArray[np.float64]:
    return np.array([case.ticket.created_at.timestamp() if case.ticket.created_at else np.nan for case in cases])
