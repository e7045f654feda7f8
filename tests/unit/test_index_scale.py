"""The benchmark of sizes: what it enlarges by, and that it measures every part."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from evaluation.benchmarks.index_scale import scale_figures
from evaluation.benchmarks.index_scale_cases import facts_figures
from evaluation.benchmarks.index_scale_data import Tickets
from features.encoder import HashingEncoder
from features.text import model_text
from features.ticket import Case, Outcome, Severity, Status, Ticket

START = datetime(2026, 1, 1, tzinfo=UTC)
ENCODER = HashingEncoder(32)


def cases(numbers: range) -> tuple[Case, ...]:
    return tuple(
        Case(
            ticket=Ticket(
                id=f"T-{n}",
                subject=f"Export {n} fails",
                description=f"since {n * n}",
                created_at=START + timedelta(days=n),
                reporter=f"r{n % 7}",
            ),
            outcome=Outcome(
                status=Status.RESOLVED, resolved_at=START + timedelta(days=n, hours=5), severity=Severity.SEV3
            ),
        )
        for n in numbers
    )


@pytest.fixture
def tickets() -> Tickets:
    known, queries = cases(range(200)), cases(range(200, 230))
    vectors, query_vectors = (
        ENCODER.encode([f"{case.ticket.subject} {case.ticket.description}" for case in some])
        for some in (known, queries)
    )
    texts = tuple(model_text(case.ticket) for case in known)
    return Tickets(known, texts, vectors, queries, query_vectors, ENCODER, "1", neighbour_cosine=0.7)


def test_a_copy_is_as_near_to_its_source_as_said(tickets: Tickets):
    vectors = np.concatenate([*tickets.blocks(500)])

    np.testing.assert_array_equal(vectors[:200], tickets.vectors)
    np.testing.assert_allclose(np.sum(vectors[200:400] * tickets.vectors, axis=1), 0.7, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert len(np.unique(vectors[[5, 205, 405]], axis=0)) == 3


def test_a_copy_has_an_id_and_a_date_of_its_own(tickets: Tickets):
    source, copy = tickets.stored(5).case, tickets.stored(405).case

    assert (source.id, copy.id) == ("T-5", "T-5+2")
    assert copy.ticket.created_at == START + timedelta(days=5, hours=2)
    assert copy.ticket.subject == source.ticket.subject


def test_every_kind_is_measured_on_real_tickets(tickets: Tickets, tmp_path: Path):
    figures = scale_figures(tickets, 200, tmp_path, lambda line: None, n_added=500)

    for kind in ("default", "ivf-sq8", "ivf-sq4"):
        assert figures[kind]["search"]["all"]["recall@10"] == pytest.approx(1.0, abs=0.02)
        assert set(figures[kind]["search"]) == {"all", "keeps_0.1", "keeps_0.01", "keeps_0.001"}
        assert figures[kind]["add"]["cases_a_second"] > 0
    assert figures["default"]["kind"] == "exact"
    assert not any(tmp_path.iterdir())


def test_facts_are_as_many_as_wanted(tickets: Tickets):
    assert facts_figures(tickets, 1_000)["load_s"] >= 0.0
