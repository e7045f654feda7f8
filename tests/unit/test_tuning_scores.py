"""Keep or drop: a tuned encoder must win on category and on similar cases both."""

from __future__ import annotations

import numpy as np
import pytest

from evaluation.dataset import LabelledRows
from features.errors import NotEnoughData
from features.feature_space import Example
from features.text import model_text
from features.ticket import Ticket
from training.params import TrainingParams
from training.tuning_scores import EncoderScores, LinkQueries, TuneSplit, decide, score_encoder

NAN = float("nan")


def scores(accuracy: float, mrr: float = NAN, *, n_links: int = 0) -> EncoderScores:
    return EncoderScores(accuracy, 0.5, mrr, 100, n_links)


@pytest.mark.parametrize(
    ("base", "tuned", "kept"),
    [
        (scores(0.8, 0.5, n_links=20), scores(0.9, 0.6, n_links=20), True),
        (scores(0.8, 0.5, n_links=20), scores(0.9, 0.5, n_links=20), False),
        (scores(0.8, 0.5, n_links=20), scores(0.9, 0.4, n_links=20), False),
        (scores(0.8, 0.5, n_links=20), scores(0.8, 0.6, n_links=20), False),
        (scores(0.8, 0.5, n_links=20), scores(0.7, 0.6, n_links=20), False),
        (scores(0.8, 0.5, n_links=19), scores(0.9, 0.4, n_links=19), True),
        (scores(0.8), scores(0.9), True),
        (scores(0.8), scores(0.8), False),
    ],
)
def test_it_is_kept_only_where_it_wins_on_both(base: EncoderScores, tuned: EncoderScores, kept: bool):
    decision = decide(base, tuned)
    assert decision.kept is kept
    assert "category accuracy 0.8000 to" in decision.reason
    assert ("category decides alone" in decision.reason) is (base.n_links < 20)
    assert ("similar cases MRR" in decision.reason) is (base.n_links >= 20)


def test_a_match_is_looked_for_among_earlier_tickets_only():
    vectors = np.array([[1, 0], [0, 1], [1, 0], [0.8, 0.6], [1, 0]], dtype=np.float32)
    created = np.array([1.0, 2.0, 3.0, 4.0, NAN])
    queries = LinkQueries(created, {3: frozenset({1}), 2: frozenset({0})})
    assert queries.mean_reciprocal_rank(vectors) == pytest.approx((1 / 3 + 1) / 2)
    assert np.isnan(LinkQueries(created, {}).mean_reciprocal_rank(vectors))
    assert TuneSplit((0,), (1,), queries).scored == [0, 1, 2, 3]
    assert TuneSplit((0,), (4,)).scored == [0, 4]


def labelled(categories: list[str | None]) -> LabelledRows:
    examples = []
    for i, _ in enumerate(categories):
        ticket = Ticket(id=str(i), description=f"ticket number {i % 7}")
        examples.append(Example(ticket, model_text(ticket), np.zeros(2, dtype=np.float32)))
    return LabelledRows(tuple(examples), tuple(categories), (None,) * len(categories), {})


def test_vectors_that_tell_categories_apart_score_higher():
    rows = labelled(["a", "b"] * 40 + ["c"])
    split = TuneSplit(tuple(range(60)), tuple(range(60, 81)))
    blind = np.tile(np.eye(1, 2, dtype=np.float32), (81, 1))
    seeing = np.array([[i % 2 == 0, i % 2 == 1] for i in range(81)], dtype=np.float32)
    params = TrainingParams(max_terms=100)
    low, high = (score_encoder(rows, vectors, split, params) for vectors in (blind, seeing))
    assert high.accuracy == pytest.approx(20 / 21), "a category that was not learned is answered wrongly"
    assert low.accuracy < high.accuracy
    assert low.log_loss > high.log_loss
    assert high.n_category == 21
    assert str(high).endswith("(n = 21)")
    assert high.to_json()["n_links"] == 0


def test_one_category_is_nothing_to_tune_by():
    rows = labelled(["a"] * 30)
    with pytest.raises(NotEnoughData, match="1 distinct value"):
        score_encoder(
            rows, np.ones((30, 2), dtype=np.float32), TuneSplit((0, 1, 2), (3, 4)), TrainingParams(max_terms=100)
        )
