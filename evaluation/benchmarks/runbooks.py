"""The runbook benchmark: the product's runbook index on alerts whose authors linked a runbook, untrained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Bench
from evaluation.benchmarks.reference import ReferenceBm25
from evaluation.benchmarks.runbook_corpora import Alert, RunbookCorpus, corpus_names, is_verbatim, read_corpus
from evaluation.intervals import mean_interval
from evaluation.retrieval import NOT_FOUND, rank_of_best_hit, recall_at_k
from features.errors import NotEnoughData
from features.runbook_index import RunbookIndex
from features.runbook_query import RunbookQuery
from features.text import model_text
from features.ticket import Ticket

Ranks = dict[str, list[int]]


def runbooks_benchmark(bench: Bench, folder: Path) -> dict[str, object]:
    """Figures of BENCHMARKS.md, ``runbooks``."""
    names = corpus_names(folder)
    if not names:
        raise NotEnoughData(f"{folder} holds no NAME.tar.gz beside a NAME-alerts.jsonl.gz; give a folder that does.")
    return {
        "corpora": {name: _corpus_figures(bench, read_corpus(folder, name)) for name in names},
        "seconds": dict(bench.seconds),
    }


def _corpus_figures(bench: Bench, corpus: RunbookCorpus) -> dict[str, object]:
    ranks = _reference_ranks(bench, corpus) | {"fused": _product_ranks(bench, corpus)}
    body = {runbook.id: text for runbook, text in zip(corpus.runbooks, corpus.bodies, strict=True)}
    specific = [PurePosixPath(alert.runbook).name != "README.md" for alert in corpus.alerts]
    not_verbatim = [not is_verbatim(alert, body.get(alert.runbook, "")) for alert in corpus.alerts]
    return {
        "n_runbooks": len(corpus.runbooks),
        **_figures(ranks, [True] * len(corpus.alerts)),
        "specific": _figures(ranks, specific),
        "not_verbatim": _figures(ranks, not_verbatim),
    }


def _product_ranks(bench: Bench, corpus: RunbookCorpus) -> list[int]:
    """Ranks by the product's index, whose tickets are the alerts as an import would store them."""
    with bench.step("embed runbooks"):
        # The corpus comes without titles, front matter and first headings, so that none can be matched.
        index = RunbookIndex.build(corpus.runbooks, bench.encoder, store=bench.vectors)
    ranks = []
    with bench.step("search"):
        for alert in corpus.alerts:
            text = model_text(bench.intake.prepare_ticket(_ticket(alert)))
            query = RunbookQuery.of(text, bench.encoder.encode([text.text])[0], bench.encoder)
            scores = index.scores(query).fused
            ranks.append(rank_of_best_hit(scores, _is_target(corpus, alert)))
    return ranks


def _reference_ranks(bench: Bench, corpus: RunbookCorpus) -> Ranks:
    """Frozen references: BM25 over the whole body, and the cosine of the best section."""
    bm25 = ReferenceBm25(corpus.bodies)
    sections = [(number, section) for number, book in enumerate(corpus.runbooks) for section in book.sections]
    queries = [f"{alert.title}\n{alert.description}" for alert in corpus.alerts]
    with bench.step("embed for references"):
        vectors = bench.vectors.embed([f"{section.heading}\n{section.text}" for _, section in sections])
        query_vectors = bench.vectors.embed(queries)
    owners = np.array([number for number, _ in sections])
    ranks: Ranks = {"lexical": [], "dense": []}
    for alert, query, vector in zip(corpus.alerts, queries, query_vectors, strict=True):
        best = np.full(len(corpus.runbooks), -1.0, dtype=np.float32)
        np.maximum.at(best, owners, vectors @ vector)
        ranks["lexical"].append(rank_of_best_hit(bm25.scores(query), _is_target(corpus, alert)))
        ranks["dense"].append(rank_of_best_hit(best, _is_target(corpus, alert)))
    return ranks


def _ticket(alert: Alert) -> Ticket:
    return Ticket(subject=alert.title, description=alert.description)


def _is_target(corpus: RunbookCorpus, alert: Alert) -> NDArray[np.bool_]:
    return np.array([runbook.id == alert.runbook for runbook in corpus.runbooks], dtype=np.bool_)


def _figures(ranks: Ranks, kept: Sequence[bool]) -> dict[str, object]:
    figures: dict[str, object] = {"n": sum(kept)}
    for name, values in ranks.items():
        figures[name] = _method_figures([value for value, keep in zip(values, kept, strict=True) if keep])
    return figures


def _method_figures(ranks: Sequence[int]) -> dict[str, object]:
    array = np.array(ranks, dtype=np.float64)
    reciprocal = np.where(array < NOT_FOUND, 1.0 / np.maximum(array, 1.0), 0.0)
    return {
        "recall@1": recall_at_k(ranks, 1),
        "recall@3": recall_at_k(ranks, 3),
        "mrr": float(reciprocal.mean()) if len(array) else None,
        "ci95": {
            "recall@1": list(mean_interval((array <= 1).astype(np.float64))),
            "recall@3": list(mean_interval((array <= 3).astype(np.float64))),
            "mrr": list(mean_interval(reciprocal)),
        },
    }
