"""The parts of the case index besides the vectors, and all of them together, at growing sizes."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from evaluation.benchmarks.index_scale_data import Tickets, Vectors
from evaluation.benchmarks.timing import Times, timed
from evaluation.benchmarks.vectors import Progress
from features.case_entries import CaseEntries
from features.case_index import CaseFilter, CaseIndex
from features.feature_space import Example
from features.history import Change
from features.lexical import DocumentTerms, LexicalStatistics, document_terms
from features.past_record import empty_record
from features.text import model_text
from features.ticket import Case
from serving.ranking import UNTRAINED, Pool
from serving.reasons import Asked, case_reasons

_PAGE = 1_000
_ADDED = 10_000
_SHOWN = 5
_CANDIDATES = 300  # of which a search may ask for all that is known


def facts_figures(tickets: Tickets, n: int) -> dict[str, object]:
    """What is known of each case besides text and vector, with the past record of severities: load and read it."""
    entries = CaseEntries()
    stored = [tickets.stored(number) for number in range(len(tickets.cases))]
    entries.extend(stored, [model_text(case.case.ticket) for case in stored])
    columns, strings = entries.take(entries.live_slots)
    of_each = np.arange(n) % len(stored)
    columns = {name: column[of_each] for name, column in columns.items()} | {"row_id": np.arange(n)}
    ids = [f"{strings['ids'][source]}+{number}" for number, source in enumerate(of_each.tolist())]
    loaded, load = timed(lambda: CaseEntries.from_parts(columns, {**strings, "ids": ids}))
    times, rng = Times(), np.random.default_rng(0)
    for _ in range(100):
        rows = rng.integers(0, n, _CANDIDATES).tolist()
        with times.measured():
            loaded.entries(rows)
    return {"load_s": load, f"entries_of_{_CANDIDATES}": times.figures()}


def case_figures(tickets: Tickets, n: int, folder: Path, progress: Progress) -> dict[str, object]:
    """The whole index: cases in, searched with ranking and reasons, saved and opened again."""
    progress(f"{n:,} cases: index")
    statistics = LexicalStatistics.fit(_terms(case) for case in tickets.cases)
    index = CaseIndex.create(folder, tickets.encoder, statistics)
    vectors = np.concatenate([*tickets.blocks(n + _ADDED)])
    _, build = timed(lambda: _apply(index, tickets, vectors, 0, n))
    progress(f"{n:,} cases: search")
    asked = [_example(case, vector) for case, vector in zip(tickets.queries, tickets.query_vectors, strict=True)]
    figures = {
        "kind": index.stats().kind,
        "build_s": build,
        "similar": _similar_figures(index, tickets, asked),
        "add": _add_figures(index, tickets, vectors, n, asked),
        "bytes_a_case": {name: round(size / (n + _ADDED), 1) for name, size in index.stats().n_bytes.items()},
    }
    path, save = timed(index.snapshot)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    index.close()
    opened, load = timed(lambda: CaseIndex.open(folder, tickets.encoder, statistics))
    opened.close()
    return {**figures, "save_s": save, "snapshot_bytes": size, "load_s": load}


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    example: Example
    now: float
    where: CaseFilter


def _example(case: Case, vector: Vectors) -> _Question:
    created_at = case.ticket.created_at or datetime.now(UTC)
    return _Question(
        Example(case.ticket, model_text(case.ticket), vector, empty_record()), created_at.timestamp(), CaseFilter()
    )


def _similar_figures(index: CaseIndex, tickets: Tickets, asked: Sequence[_Question]) -> dict[str, object]:
    """Milliseconds of the whole call, and of it without the search of the vectors, which is measured beside."""
    whole, dense = Times(), Times()
    for question in asked[:20]:
        _similar(index, tickets, question)
    for question in asked:
        with dense.measured():
            index.nearest(question.example.vector, 150, question.where)
        with whole.measured():
            _similar(index, tickets, question)
    rest = Times(
        [a - b for a, b in zip(whole.clock, dense.clock, strict=True)],
        [a - b for a, b in zip(whole.cpu, dense.cpu, strict=True)],
    )
    return {"whole": whole.figures(), "vectors": dense.figures(), "fusion": rest.figures()}


def _similar(index: CaseIndex, tickets: Tickets, question: _Question) -> None:
    """Candidates by vectors and terms, what is known of them, their ranking, and reasons for those shown."""
    example = question.example
    pool = Pool.of(index, example, question.where, now=question.now)
    best = np.argsort(-UNTRAINED.score(pool.matrix), kind="stable")[:_SHOWN]
    reader = Asked.of(example, now=question.now)
    shown = [pool.candidates[number] for number in best.tolist()]
    terms = index.terms([candidate.row_id for candidate in shown])
    for candidate in shown:
        case = tickets.stored(candidate.row_id).case.ticket
        case_reasons(reader, case, candidate, terms[candidate.row_id])


def _add_figures(
    index: CaseIndex, tickets: Tickets, vectors: Vectors, first: int, asked: Sequence[_Question]
) -> dict[str, object]:
    """Add cases with their vectors while another thread searches."""
    idle, busy = Times(), Times()
    for question in asked:
        with idle.measured():
            index.nearest(question.example.vector, 150, question.where)
    writer = threading.Thread(target=_apply, args=(index, tickets, vectors, first, _ADDED))
    started = time.perf_counter()
    writer.start()
    while writer.is_alive():
        question = asked[len(busy) % len(asked)]
        with busy.measured():
            index.nearest(question.example.vector, 150, question.where)
    return {
        "cases_per_second": round(_ADDED / (time.perf_counter() - started)),
        "vectors_idle": idle.figures(),
        "vectors_while_adding": busy.figures(),
        "n_searches": len(busy),
    }


def _apply(index: CaseIndex, tickets: Tickets, vectors: Vectors, first: int, n: int) -> None:
    for start in range(first, first + n, _PAGE):
        numbers = range(start, min(start + _PAGE, first + n))
        index.apply([Change(number, number, tickets.stored(number)) for number in numbers], vectors[list(numbers)])


def _terms(case: Case) -> DocumentTerms:
    text = model_text(case.ticket)
    return document_terms(text.subject, text.body)
