import math
from dataclasses import replace

import numpy as np
import pytest

from features.case_entries import CaseEntry
from features.case_index import Candidate
from features.errors import ReleaseRefused
from features.ticket import FixOutcome, Ticket
from serving.ranking import DAY_SECONDS, SIGNALS, UNTRAINED, Ranker, signals

NOW = 1_800_000_000.0
ENTRY = CaseEntry(
    row_id=1,
    change=1,
    id="1",
    system="default",
    created_at=NOW - 20 * DAY_SECONDS,
    resolved_at=math.nan,
    is_resolved=True,
    product="api",
    customer="Acme",
    category=None,
    targets={},
    severity=None,
    outcome=FixOutcome.UNKNOWN,
    access_group=None,
    language=None,
    duplicate_of=(),
    subject_length=10,
    text_length=200,
)
CANDIDATE = Candidate(row_id=1, cosine=0.8, bm25=0.4, bm25_subject=0.2)


def column(matrix: np.ndarray, name: str) -> list[float]:
    return matrix[:, SIGNALS.index(name)].tolist()


def test_signals_of_two_candidates():
    matrix = signals(
        [
            CANDIDATE._replace(
                subject_coverage=0.5,
                case_subject_coverage=0.25,
                rarest_shared=0.125,
                rarest_here=0.75,
                crowding=0.25,
            ),
            Candidate(row_id=2, cosine=0.4, bm25=0.8, bm25_subject=0.0),
        ],
        [ENTRY, ENTRY._replace(row_id=2, created_at=math.nan, product="hooks", customer=None, text_length=50)],
        Ticket(product="api", customer="Acme"),
        now=NOW,
        text_length=100,
    )
    assert matrix.shape == (2, len(SIGNALS))
    expected = {
        "bm25": [0.4, 0.8],
        "bm25_subject": [0.2, 0.0],
        "cosine": [0.8, 0.4],
        "cosine_share": [1.0, 0.5],
        "bm25_share": [0.5, 1.0],
        "agreement": [0.5, 0.5],
        "recency_20": [math.exp(-1), math.exp(-365 / 20)],
        "recency_180": [math.exp(-20 / 180), math.exp(-365 / 180)],
        "recency_1000": [math.exp(-20 / 1000), math.exp(-365 / 1000)],
        "subject_coverage": [0.5, 0.0],
        "case_subject_coverage": [0.25, 0.0],
        "rarest_shared": [0.125, 0.0],
        "rarest_here": [0.75, 0.0],
        "same_product": [1.0, 0.0],
        "same_customer": [1.0, 0.0],
        "length_ratio": [0.5, 0.5],
        "log_length": [math.log(200), math.log(50)],
        "uncrowded": [0.75, 1.0],
        "first_dense": [1.0, 0.0],
        "first_lexical": [0.0, 1.0],
        "nearest_cosine": [0.8, 0.8],
    }
    assert set(expected) == set(SIGNALS)
    for name, values in expected.items():
        assert column(matrix, name) == pytest.approx(values), name


def test_what_is_unknown_or_odd_gives_finite_signals():
    hostile = [
        (CANDIDATE._replace(cosine=-0.5, bm25=0.0), ENTRY._replace(created_at=NOW + 1e6, text_length=0)),
        (CANDIDATE._replace(cosine=-0.9, bm25=0.0), ENTRY._replace(created_at=math.nan)),
    ]
    matrix = signals([c for c, _ in hostile], [e for _, e in hostile], Ticket(), now=NOW, text_length=0)
    assert np.isfinite(matrix).all()
    assert column(matrix, "cosine_share") == [0.0, 0.0]
    assert column(matrix, "first_dense") == [0.0, 0.0]
    assert column(matrix, "recency_20")[0] == 1.0, "a case of the future is new, not more than new"
    assert column(matrix, "same_customer") == [0.0, 0.0]


def test_no_candidates_have_no_signals():
    matrix = signals([], [], Ticket(), now=NOW, text_length=5)
    assert matrix.shape == (0, len(SIGNALS))
    assert UNTRAINED.score(matrix).shape == (0,)


def test_relevance_rises_with_the_score_and_tiers_follow_it():
    ranker = replace(UNTRAINED, strong=0.9, possible=0.3)
    matrix = np.zeros((3, len(SIGNALS)))
    matrix[:, SIGNALS.index("cosine")] = [0.2, 0.6, 0.9]
    relevance = ranker.relevance(matrix)
    assert np.all(np.diff(relevance) > 0)
    assert np.all((relevance > 0) & (relevance < 1))
    assert [ranker.tier(value) for value in (0.95, 0.9, 0.5, 0.3, 0.29)] == [
        "strong",
        "strong",
        "possible",
        "possible",
        None,
    ]


def test_json_makes_the_same_ranker_again():
    ranker = Ranker(tuple(float(i) for i in range(len(SIGNALS))), -1.5, 0.8, 0.2, trained=True)
    assert Ranker.from_json(ranker.to_json()) == ranker


def test_a_signal_that_the_release_did_not_know_weighs_nothing():
    config = UNTRAINED.to_json()
    config["weights"] = {"cosine": 2.0}
    assert Ranker.from_json(config).weights[SIGNALS.index("bm25")] == 0.0


def test_a_signal_that_this_version_does_not_know_is_refused():
    config = UNTRAINED.to_json()
    config["weights"] = {"cosine": 2.0, "phase_of_the_moon": 1.0}
    with pytest.raises(ReleaseRefused, match="ranks by phase_of_the_moon, which this version"):
        Ranker.from_json(config)
    config["weights"] = {"cosine": 2.0, "phase_of_the_moon": 0.0}
    assert Ranker.from_json(config).weights[SIGNALS.index("cosine")] == 2.0
