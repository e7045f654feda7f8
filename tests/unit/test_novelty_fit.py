"""Novelty that is learned by leaving classes out, on kinds of tickets that are far from each other."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from evaluation.benchmarks.outside import auroc, familiarity
from evaluation.dataset import LabelledRows
from features.encoder import HashingEncoder
from features.feature_space import Example
from features.text import ModelText
from features.ticket import Ticket
from serving.novelty import SIGNALS, Familiarity, Novelty
from training.novelty import centroids, fit_familiarity, fit_novelty
from training.params import TrainingParams
from training.triage import fit_triage

PARAMS = TrainingParams(max_terms=2_000)
ENCODER = HashingEncoder()
KINDS = {
    "login": ["login", "password", "sso", "session", "locked", "certificate"],
    "export": ["export", "csv", "column", "download", "spreadsheet", "file"],
    "billing": ["invoice", "refund", "currency", "payment", "charge", "vat"],
    "sync": ["sync", "salesforce", "connector", "rows", "schema", "mapping"],
    "mobile": ["android", "phone", "tablet", "app", "touch", "screen"],
    "mail": ["mail", "smtp", "inbox", "bounce", "sender", "spam"],
    "maps": ["map", "marker", "geocode", "route", "latitude", "tile"],
}
FILLER = ["please", "today", "since", "again", "team", "customer", "help", "morning"]


def rows_of(kinds: list[str], n: int, seed: int) -> LabelledRows:
    generator = np.random.default_rng(seed)
    labels = [kinds[i % len(kinds)] for i in range(n)]
    texts = [
        ModelText(" ".join(generator.choice(KINDS[label], 3)), " ".join(generator.choice(FILLER, 4)))
        for label in labels
    ]
    vectors = ENCODER.encode([text.text for text in texts])
    examples = tuple(Example(Ticket(), text, vector) for text, vector in zip(texts, vectors, strict=True))
    return LabelledRows(examples, tuple(labels), (None,) * n, {})


PLAIN = Familiarity.untrained()
KNOWN = ["login", "export", "billing", "sync", "mobile"]


def test_a_ticket_without_a_label_is_in_no_centroid():
    found = centroids(np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1, 1]], ["None"] * 3 + [None] * 3, ["None"])
    assert found.tolist() == [[1.0, 0.0]]


def test_kinds_that_were_left_out_are_less_familiar_than_known_ones():
    train, calibration = rows_of(KNOWN, 300, 1), rows_of(KNOWN, 100, 2)
    triage = fit_triage(train, calibration, PARAMS).triage
    assert triage.novelty is not None
    assert not np.array_equal(triage.novelty.familiarity.form, PLAIN.form)
    inside, outside = (familiarity(triage, rows_of(kinds, 100, 3), train) for kinds in (KNOWN, ["mail", "maps"]))
    assert auroc(inside, outside) > 0.8
    assert triage.novelty.threshold is not None
    assert np.mean(outside < triage.novelty.threshold) > np.mean(inside < triage.novelty.threshold)


def test_what_was_learned_is_no_worse_than_what_needs_no_learning():
    train, calibration = rows_of(KNOWN, 300, 1), rows_of(KNOWN, 100, 2)
    triage = fit_triage(train, calibration, PARAMS).triage
    assert triage.novelty is not None
    plain = replace(triage, novelty=replace(triage.novelty, familiarity=PLAIN))
    learned, untrained = (
        auroc(*(familiarity(which, rows_of(kinds, 200, 4), train) for kinds in (KNOWN, ["mail", "maps"])))
        for which in (triage, plain)
    )
    assert learned >= untrained - 0.02


@pytest.mark.parametrize(("kinds", "n"), [(KNOWN[:3], 300), (KNOWN, 195)])
def test_too_few_classes_or_rows_fall_back(kinds: list[str], n: int):
    train = rows_of(kinds, n, 1)
    triage = fit_triage(train, rows_of(kinds, 60, 2), PARAMS).triage
    assert triage.category is not None
    found = fit_novelty(train, triage.space.transform(train.examples), triage.category, PARAMS)
    assert np.array_equal(found.familiarity.form, PLAIN.form)
    assert found.threshold is None
    assert np.abs(found.centroids).sum(axis=1).min() > 0


def test_being_sure_counts_for_less_where_all_cases_are_far():
    """New tickets that a model is sure of are what no sum of the signals can tell from known ones that lie far."""
    generator = np.random.default_rng(0)
    sure, near = SIGNALS.index("confidence"), SIGNALS.index("five_nearest")

    def kind(*places: tuple[float, float]) -> np.ndarray:
        found = generator.normal(0, 0.3, (200 * len(places), len(SIGNALS)))
        found[:, [sure, near]] += np.repeat(places, 200, axis=0)
        return found

    inside, outside = kind((1, 1), (-1, -1)), kind((1, -1), (-1, 1))
    learned = fit_familiarity(inside, outside)
    assert auroc(learned.of(inside), learned.of(outside)) > 0.95
    assert auroc(PLAIN.of(inside), PLAIN.of(outside)) < 0.7


def test_what_lies_beyond_all_that_was_learned_on_is_less_familiar_the_farther_it_lies():
    generator = np.random.default_rng(0)
    inside, outside = (generator.normal(mean, 1.0, (300, len(SIGNALS))) for mean in (0.5, -0.5))
    learned = fit_familiarity(inside, outside)
    found = np.zeros((4, len(SIGNALS)))
    found[:, SIGNALS.index("five_nearest")] = [-4.0, -6.0, -8.0, -50.0]
    assert (np.diff(learned.of(found)) < 0).all()


def test_a_signal_that_never_varies_says_nothing():
    inside, outside = np.zeros((30, len(SIGNALS))), np.zeros((30, len(SIGNALS)))
    inside[:, 0] = 1.0
    learned = fit_familiarity(inside, outside)
    odd = np.zeros((1, len(SIGNALS)))
    odd[0, 1:] = 9.0
    assert learned.of(odd) == pytest.approx(learned.of(outside[:1]))


@pytest.mark.parametrize("seed", range(12))
def test_one_class_may_have_nearly_all_tickets(seed: int):
    train = replace(rows_of(KNOWN, 300, 2), categories=(*KNOWN[:4], *(KNOWN[0],) * 296))
    params = PARAMS.model_copy(update={"seed": seed})
    novelty = fit_triage(train, rows_of(KNOWN, 60, 3), params).triage.novelty
    assert novelty is not None
    assert np.isfinite(novelty.familiarity.form).all()


def test_a_centroid_is_the_mean_direction_of_three_tickets_or_more():
    vectors = np.eye(4, dtype=np.float32)[[0, 1, 0, 2, 2, 3, 3, 3]]
    labels = ["a", "a", "a", "b", "b", "c", "c", None]
    found = centroids(vectors, labels, ["a", "b", "c", "unheard of"])
    assert found[0] == pytest.approx(np.array([2, 1, 0, 0]) / np.sqrt(5))
    assert not found[1:].any(), "two tickets and none say nothing of a kind"
    assert np.linalg.norm(found[0]) == pytest.approx(1.0)


def test_a_ticket_alone_is_as_familiar_as_among_others():
    novelty = Novelty(PLAIN, ENCODER.encode(["a b", "c d"]), None)
    train = rows_of(KNOWN, 100, 1)
    rows = fit_triage(train, train, PARAMS).triage.space.transform(train.examples)
    together = novelty.centroid_cosines(rows)
    alone = [novelty.centroid_cosines(replace(rows, vectors=rows.vectors[i : i + 1]))[0] for i in range(len(train))]
    assert np.array_equal(alone, together)
