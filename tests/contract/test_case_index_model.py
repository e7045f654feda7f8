"""The index against a brute-force model: after any sequence of changes, a search returns exactly what it should."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from features.case_index import CaseFilter, CaseIndex, CaseQuery
from features.dense import DenseLimits
from features.encoder import HashingEncoder
from features.forward import K1, B, LexicalQuery
from features.history import History
from features.lexical import LexicalStatistics, analyze, document_terms, term_hashes
from features.text import ModelText, model_text
from features.ticket import Case, Link, LinkType, Outcome, Status, Ticket

START = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("login", "loops", "export", "slow", "webhook", "signature", "ERR-42", "NullPointerException", "the", "sync")
ENCODER = HashingEncoder(16)
STATISTICS = LexicalStatistics.fit([document_terms(word, "") for word in WORDS for _ in range(3)])

ids = st.integers(0, 8).map(lambda number: f"T-{number}")
texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
labels = st.sampled_from([None, "a", "b"])
times = st.none() | st.integers(0, 3).map(lambda day: START + timedelta(days=day))
cases = st.builds(
    lambda id_, subject, body, label, at, status, group, target: Case(
        ticket=Ticket(
            id=id_,
            subject=subject,
            description=body,
            product=label,
            customer=label,
            language=label,
            created_at=at,
            access_group=group,
        ),
        outcome=Outcome(status=status, category=label),
        links=(Link(LinkType.DUPLICATE_OF, target),),
    ),
    ids,
    texts,
    texts,
    labels,
    times,
    st.sampled_from(Status),
    labels,
    ids,
)
filters = st.builds(
    CaseFilter,
    product=labels,
    category=labels,
    customer=labels,
    language=labels,
    access_group=labels,
    since=times,
    until=times,
    created_before=times,
    access_groups=st.none() | st.frozensets(st.sampled_from(["a", "b", "c"])),
    exclude_ids=st.frozensets(ids, max_size=2),
    is_resolved=st.sampled_from([None, True, False]),
)


def passes(case: Case, where: CaseFilter) -> bool:
    """The filter's meaning, in the plainest words."""
    ticket, at = case.ticket, case.ticket.created_at
    return all(
        (
            where.product in (None, ticket.product),
            where.category in (None, case.outcome.category),
            where.customer in (None, ticket.customer),
            where.language in (None, ticket.language),
            where.access_group in (None, ticket.access_group),
            where.since is None or (at is not None and where.since <= at),
            where.until is None or (at is not None and at <= where.until),
            where.created_before is None or (at is not None and at < where.created_before),
            where.access_groups is None or ticket.access_group in {None, *where.access_groups},
            case.id not in where.exclude_ids,
            where.is_resolved in (None, case.outcome.is_resolved),
        )
    )


def bm25(query: str, document: str, mean_length: float) -> float:
    """BM25 over the query's score against itself, at most 1."""

    def score(terms: list[str]) -> float:
        counts = Counter(terms)
        return sum(
            float(STATISTICS.idf(term_hashes([term]))[0])
            * counts[term]
            * (K1 + 1)
            / (counts[term] + K1 * (1 - B + B * len(terms) / max(mean_length, 1.0)))
            for term in analyze(query)
            if counts[term]
        )

    best = score(analyze(query))
    return min(score(analyze(document)) / best, 1.0) if best else 0.0


class IndexMachine(RuleBasedStateMachine):
    """Changes go to the history; the index follows, is saved, killed, opened, compacted."""

    limits = DenseLimits()

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = History.open(f"sqlite:///{self.folder}/history.db")
        self.index = CaseIndex.create(self.folder / "index", ENCODER, STATISTICS, self.limits)
        self.truth: dict[str, Case] = {}

    def teardown(self) -> None:
        self.index.close()
        self.history.close()
        shutil.rmtree(self.folder)

    @rule(changed=st.lists(cases, max_size=4, unique_by=lambda case: case.id))
    def upsert(self, changed: list[Case]) -> None:
        self.history.upsert(changed, masking_rules="1")
        self.truth |= {case.id: case for case in changed}
        self.index.replay(self.history)

    @rule(id_=ids)
    def erase(self, id_: str) -> None:
        if self.truth.pop(id_, None) is not None:
            self.history.erase(id_)
            self.index.replay(self.history)

    @rule()
    def save(self) -> None:
        self.index.snapshot()

    @rule()
    def compact(self) -> None:
        self.index.compact()

    @rule()
    def start_again(self) -> None:
        self.index.close()
        self.index = CaseIndex.open(self.folder / "index", ENCODER, STATISTICS, self.limits)
        self.index.replay(self.history)

    @rule(subject=texts, body=texts, where=filters)
    def search(self, subject: str, body: str, where: CaseFilter) -> None:
        text = ModelText(subject, body)
        vector = ENCODER.encode([text.text])[0]

        found = self.index.search(CaseQuery(text, vector, START.timestamp()), where)

        by_id = {entry.id: entry for entry in self.index.entries([candidate.row_id for candidate in found])}
        assert set(by_id) == {id_ for id_, case in self.truth.items() if passes(case, where)}
        for candidate, entry in zip(found, by_id.values(), strict=True):
            of_case = model_text(self.truth[entry.id].ticket)
            cosine = float(vector @ ENCODER.encode([of_case.text])[0])
            assert math.isclose(candidate.cosine, cosine, abs_tol=2e-3)
            expected = bm25(subject, of_case.subject, STATISTICS.mean_subject_length)
            assert math.isclose(candidate.bm25_subject, expected, abs_tol=1e-5)
            expected = bm25(f"{subject} {body}", f"{of_case.subject} {of_case.body}", STATISTICS.mean_text_length)
            assert math.isclose(candidate.bm25, expected, abs_tol=1e-5)
        self.search_by_terms_alone(text, where)
        rows, cosines = self.index.nearest(vector, 99, where)
        assert set(rows.tolist()) == {candidate.row_id for candidate in found}
        assert (np.diff(cosines) <= 0).all()

    def search_by_terms_alone(self, text: ModelText, where: CaseFilter) -> None:
        """The inverted index by itself: among so few cases, the vectors would find whatever it missed."""
        terms = document_terms(text.subject, text.body)
        where = replace(where, exclude_ids=frozenset())
        rows = self.index._parts.fulltext.search(LexicalQuery.of(terms, STATISTICS), 99, where)
        expected = {
            id_
            for id_, case in self.truth.items()
            if passes(case, where) and {*analyze(text.text)} & {*analyze(model_text(case.ticket).text)}
        }
        assert {entry.id for entry in self.index.entries(rows.tolist())} == expected

    @invariant()
    def entries_say_what_the_history_says(self) -> None:
        assert len(self.index) == len(self.truth)
        for id_, case in self.truth.items():
            row = self.index.row_of(id_)
            assert row is not None
            entry = self.index.entry(row)
            assert entry is not None
            assert (entry.product, entry.is_resolved) == (case.ticket.product, case.outcome.is_resolved)
            target = self.index.row_of(case.links[0].id)
            assert entry.duplicate_of == (() if target is None else (target,))

    @invariant()
    def index_is_sound(self) -> None:
        report = self.index.verify(self.history)
        assert report.is_sound, report.problems


class ListsMachine(IndexMachine):
    """The same with vectors in inverted lists, from the first compaction or snapshot on."""

    limits = DenseLimits(exact_below=1)


for machine in (IndexMachine, ListsMachine):
    machine.TestCase.settings = settings(
        max_examples=15, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
test_any_sequence_of_changes = IndexMachine.TestCase
test_any_sequence_of_changes_of_lists = ListsMachine.TestCase
