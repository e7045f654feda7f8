"""Which rows of a benchmark decide on a tuned encoder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from evaluation.dataset import LabelledRows
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from training.bench_tuning import deciding_rows

FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def rows(texts: list[str], days: list[int] | None = None) -> LabelledRows:
    created = [None if days is None else FIRST + timedelta(days=days[i]) for i in range(len(texts))]
    examples = tuple(
        Example(Ticket(created_at=at), ModelText("", text), np.zeros(2, np.float32))
        for at, text in zip(created, texts, strict=True)
    )
    labels = tuple("ab"[i % 2] for i in range(len(texts)))
    return LabelledRows(examples, labels, (None,) * len(texts), {})


def test_the_newest_decide_where_all_are_dated():
    days = np.random.default_rng(0).permutation(50).tolist()
    decides = deciding_rows(rows([f"ticket {day}" for day in days], days), seed=0)
    assert sorted(np.array(days)[decides].tolist()) == [45, 46, 47, 48, 49]


def test_near_duplicates_are_on_one_side():
    words = np.random.default_rng(0).permutation([f"word{i}" for i in range(400)]).reshape(100, 4)
    texts = [" ".join(line) for line in words for _ in range(3)]
    decides = deciding_rows(rows(texts), seed=0).reshape(100, 3)
    assert (decides.all(axis=1) == decides.any(axis=1)).all()
    assert 20 <= decides.sum() <= 40
