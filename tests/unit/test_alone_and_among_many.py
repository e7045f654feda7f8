"""A ticket alone gets, to the last bit, what it gets among many, through everything that predicts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.dataset import FittedTriage, LabelledRows
from evaluation.neighbours import neighbours_among
from features.encoder import HashingEncoder
from features.feature_space import Example
from features.past_record import RECORD_NAMES
from features.text import model_text
from features.ticket import SEVERITIES, Ticket
from serving.neighbours import Neighbours
from training.params import TrainingParams
from training.triage import fit_triage

ENCODER = HashingEncoder()
KINDS = [f"kind{k}" for k in range(5)]


def rows_of(n: int, seed: int) -> LabelledRows:
    generator = np.random.default_rng(seed)
    kinds = generator.integers(0, len(KINDS), n).tolist()
    examples = []
    for kind in kinds:
        words = [
            *generator.choice([f"word{kind}{i}" for i in range(6)], 3),
            *generator.choice(["help", "now", "why"], 2),
        ]
        ticket = Ticket(subject=" ".join(words[:2]), description=" ".join(words[2:]))
        text = model_text(ticket)
        record = generator.standard_normal(len(RECORD_NAMES))
        examples.append(Example(ticket, text, ENCODER.encode([text.text])[0], record))
    return LabelledRows(
        tuple(examples),
        tuple(KINDS[kind] for kind in kinds),
        tuple(SEVERITIES[kind % 4] for kind in kinds),
        {"team": tuple(f"team{kind % 2}" for kind in kinds)},
    )


@pytest.fixture(scope="module")
def train() -> LabelledRows:
    return rows_of(260, 1)


@pytest.fixture(scope="module")
def fitted(train: LabelledRows) -> FittedTriage:
    return fit_triage(train, rows_of(120, 2), TrainingParams(max_terms=2_000))


def one(neighbours: Neighbours, i: int) -> Neighbours:
    return Neighbours(neighbours.cosines[i : i + 1], neighbours.numbers[i : i + 1], neighbours.labels)


def test_probabilities_and_familiarity_are_the_same_to_the_last_bit(fitted: FittedTriage, train: LabelledRows):
    triage, rows = fitted.triage, rows_of(64, 3)
    neighbours = neighbours_among(train, rows)
    assert triage.category is not None
    assert triage.severity is not None
    assert triage.novelty is not None

    def all_of(examples: tuple[Example, ...], near: Neighbours) -> list[np.ndarray]:
        features = triage.space.transform(examples)
        assert triage.category and triage.severity and triage.novelty  # noqa: PT018
        return [
            triage.category.probabilities(features, near),
            triage.targets["team"].probabilities(features, near),
            triage.severity.probabilities(features, near),
            triage.novelty.familiarity.of(triage.novelty.signals(triage.category, features, near)),
        ]

    together = all_of(rows.examples, neighbours)
    for i in range(len(rows)):
        for alone, among in zip(all_of(rows.examples[i : i + 1], one(neighbours, i)), together, strict=True):
            assert np.array_equal(alone[0], among[i])


def test_predictions_are_the_same_alone_among_many_and_in_any_order(fitted: FittedTriage, train: LabelledRows):
    rows = rows_of(64, 4)
    neighbours = neighbours_among(train, rows)
    together = fitted.triage.predict(rows.examples, neighbours)
    assert together == [fitted.triage.predict(rows.examples[i : i + 1], one(neighbours, i))[0] for i in range(64)]
    order = np.random.default_rng(0).permutation(64)
    shuffled = replace(neighbours, cosines=neighbours.cosines[order], numbers=neighbours.numbers[order])
    again = fitted.triage.predict(rows.take(order.tolist()).examples, shuffled)
    assert again == [together[i] for i in order.tolist()]
    assert len({answer.category.value for answer in together}) >= len(KINDS)
