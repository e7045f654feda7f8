"""The parts of the case index besides the vectors, and all of them together, at growing sizes.

Vectors and model texts are given, as those of copies are their source's: a build is measured without the time that
embedding and cleaning a text take.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from evaluation.benchmarks.index_scale_data import Tickets, Vectors
from evaluation.benchmarks.memory import anonymous_bytes, in_own_process
from evaluation.benchmarks.timing import Times, timed
from evaluation.benchmarks.vectors import Progress
from features.case_entries import CaseEntries
from features.case_index import CaseFilter, CaseIndex
from features.feature_space import Example
from features.history import Change
from features.lexical import LexicalStatistics, document_terms
from features.past_record import empty_record
from features.text import model_text
from features.ticket import Case
from serving.ranking import UNTRAINED, Pool
from serving.reasons import Asked, case_reasons

_PAGE = 1_000
_CHECKED_AFTER = 10_000  # as CaseIndex.build does
_ADDED = 10_000
_SHOWN = 5
_CANDIDATES = 300  # of which a search may ask for all that is known

_Page = tuple[range, Vectors]


def facts_figures(tickets: Tickets, n: int) -> dict[str, object]:
    """What is known of each case besides text and vector, with the past record of severities: load and read it."""
    entries = CaseEntries()
    stored = [tickets.stored(number) for number in range(len(tickets.cases))]
    entries.extend(stored, tickets.texts)
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
    """The whole index: cases in, searched with ranking and reasons, saved and opened again.

    Memory is of a process that opens it, and of this one beyond what it had before: the latter has built it.
    """
    progress(f"{n:,} cases: index")
    statistics = LexicalStatistics.fit(document_terms(text.subject, text.body) for text in tickets.texts)
    index = CaseIndex.create(folder, tickets.encoder, statistics)
    before = anonymous_bytes()
    pages = _pages(tickets, n)
    _, build = timed(lambda: _build(index, tickets, pages, n, progress))
    built_in = anonymous_bytes() - before
    progress(f"{n:,} cases: search")
    asked = [_example(case, vector) for case, vector in zip(tickets.queries, tickets.query_vectors, strict=True)]
    figures = {
        "kind": index.stats().kind,
        "build_s": build,
        "similar": _similar_figures(index, tickets, asked),
        "add": _add_figures(index, tickets, [*pages], asked),
        "bytes_a_case": {name: round(size / len(index), 1) for name, size in index.stats().n_bytes.items()},
    }
    progress(f"{n:,} cases: save and open")
    path, save = timed(index.snapshot)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    index.close()
    unasked = UnaskedEncoder(tickets.encoder.fingerprint, tickets.encoder.dimension)
    memory, load = in_own_process(opened_memory, folder, unasked, statistics)
    return {
        **figures,
        "save_s": save,
        "snapshot_bytes": size,
        "load_s": load,
        "memory_bytes": {"opened": memory, "built": built_in},
    }


@dataclass(frozen=True, slots=True)
class UnaskedEncoder:
    """Names the encoder whose vectors an index holds, where nothing is to be embedded."""

    fingerprint: str
    dimension: int
    max_tokens: int = 0

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Not to be asked."""
        raise NotImplementedError(f"{len(texts)} texts to be embedded, and no encoder is loaded")

    def token_vectors(self, text: str) -> None:
        """Nothing."""


def opened_memory(folder: Path, encoder: UnaskedEncoder, statistics: LexicalStatistics) -> tuple[int, float]:
    """Memory that an index takes once it was opened and searched, in bytes, and the seconds that opening takes."""
    before = anonymous_bytes()
    index, seconds = timed(lambda: CaseIndex.open(folder, encoder, statistics))
    index.nearest(np.eye(1, encoder.dimension, dtype=np.float32)[0], 150, CaseFilter())
    memory = anonymous_bytes() - before
    index.close()
    return memory, seconds


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
    index: CaseIndex, tickets: Tickets, pages: Sequence[_Page], asked: Sequence[_Question]
) -> dict[str, object]:
    """Add cases with their vectors while another thread searches."""
    idle, busy = Times(), Times()
    for question in asked:
        with idle.measured():
            index.nearest(question.example.vector, 150, question.where)
    writer = threading.Thread(target=_apply_all, args=(index, tickets, pages))
    started = time.perf_counter()
    writer.start()
    while writer.is_alive():
        question = asked[len(busy) % len(asked)]
        with busy.measured():
            index.nearest(question.example.vector, 150, question.where)
    n_added = sum(len(vectors) for _, vectors in pages)
    return {
        "cases_per_second": round(n_added / (time.perf_counter() - started)),
        "vectors_idle": idle.figures(),
        "vectors_while_adding": busy.figures(),
        "n_searches": len(busy),
    }


def _pages(tickets: Tickets, n: int) -> Iterator[_Page]:
    """Numbers of cases and their vectors, for n cases and ``_ADDED`` more."""
    first = 0
    for block in tickets.blocks(n + _ADDED):
        for vectors in np.split(block, range(_PAGE, len(block), _PAGE)):
            yield range(first, first + len(vectors)), vectors
            first += len(vectors)


def _build(index: CaseIndex, tickets: Tickets, pages: Iterator[_Page], n: int, progress: Progress) -> None:
    """Take in pages until there are n cases, with the renewals of :meth:`CaseIndex.build`."""
    checked = 0
    for page in pages:
        _apply(index, tickets, page)
        if (n_held := len(index)) >= checked + _CHECKED_AFTER:
            checked = n_held
            index.renew_outgrown()
            if n_held % 100_000 < _CHECKED_AFTER:
                progress(f"{n_held:,} cases taken in")
        if n_held >= n:
            break
    if index.stats().kind == "exact":
        index.compact()


def _apply_all(index: CaseIndex, tickets: Tickets, pages: Sequence[_Page]) -> None:
    for page in pages:
        _apply(index, tickets, page)


def _apply(index: CaseIndex, tickets: Tickets, page: _Page) -> None:
    numbers, vectors = page
    changes = [Change(number, number, tickets.stored(number)) for number in numbers]
    index.apply(changes, vectors, [tickets.text(number) for number in numbers])
