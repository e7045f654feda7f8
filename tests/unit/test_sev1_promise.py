"""The simulation of the Sev1 promise: it finds a rule that keeps it, and one that does not, to be what they are."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from evaluation.benchmarks.sev1_promise import (
    Draw,
    Fitted,
    chance_on_rest,
    drawn,
    figures,
    fit_and_ask,
)
from evaluation.dataset import FittedTriage, LabelledRows, RecallThreshold
from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.text import model_text
from features.ticket import SEVERITIES, Severity, Ticket
from training.fitting import fitting
from training.params import TrainingParams

FITTING = fitting(TrainingParams())
ENCODER = HashingEncoder(16)
WORDS = ("outage", "slow", "label", "question")
FILLER = ("sync", "export", "login", "today", "again", "page", "team", "report")


def unseen(n_sev1: int, *, n: int = 5000, seed: int = 0) -> Fitted:
    return Fitted(Draw(True, 1.0), np.random.default_rng(seed).beta(2, 8, n_sev1), n)


def tickets(n: int, levels: tuple[int, ...] = (0, 2)) -> LabelledRows:
    """Tickets without a date whose words tell the level three times of four."""
    generator = np.random.default_rng(1)
    examples, severities = [], []
    for level in generator.choice(levels, n).tolist():
        said = WORDS[level] if generator.random() < 0.75 else "problem"
        ticket = Ticket(subject=said, description=" ".join(generator.choice(FILLER, 4).tolist()))
        text = model_text(ticket)
        examples.append(Example(ticket, text, ENCODER.encode([text.text])[0]))
        severities.append(SEVERITIES[level])
    return LabelledRows(tuple(examples), (None,) * n, tuple(severities), {})


@pytest.mark.parametrize("n_sev1", [350, 1200])
def test_the_products_rule_is_found_to_break_its_promise_as_often_as_the_bound_says(n_sev1: int):
    split, known = (figures(draws, 0.95) for draws in drawn([unseen(n_sev1)], FITTING, 4000, np.random.default_rng(0)))
    for found in (split, known):
        assert found["n_draws"] == 4000
        assert found["n_certified"] > 3200
        assert found["recall_mean"] == pytest.approx(found["recall_expected"], abs=0.003)
    # Four standard deviations of chance, so that a right simulation fails at no seed in practice.
    noise = 4 * np.sqrt(0.05 * 0.95 / 3200)
    assert split["share_broken"] == pytest.approx(split["share_expected"], abs=noise)
    assert 0.0 < known["share_broken"] <= known["share_expected"] + noise
    assert known["share_expected"] <= 0.05


def test_a_rule_that_holds_the_recall_on_its_own_tickets_alone_is_found_out():
    def plain(risks: np.ndarray) -> RecallThreshold:
        return RecallThreshold(float(np.quantile(risks, 0.05, method="lower")), True, len(risks), 1)

    kinds = drawn([unseen(1200)], replace(FITTING, sev1_threshold=plain), 300, np.random.default_rng(0))
    for draws in kinds:
        assert figures(draws, 0.95)["ci95"]["share_broken"][0] > 0.2


@pytest.mark.parametrize(("k", "n", "m", "target"), [(1, 4, 4, 0.75), (2, 5, 4, 0.5), (1, 3, 6, 0.9)])
def test_the_chance_on_finite_rests_is_that_of_all_ways_to_part_them(k: int, n: int, m: int, target: float):
    ways = list(combinations(range(n + m), n))
    # Tickets are numbered by rising risk: those before the k-th that calibrates, and not calibrating, are missed.
    n_broken = sum((m - (own[k - 1] - (k - 1))) / m < target for own in ways)
    assert chance_on_rest(k, n, m, target) == pytest.approx(n_broken / len(ways))


def test_who_promises_nothing_breaks_nothing():
    found = figures([Draw(True, 0.9), Draw(True, 0.95), Draw(False, 0.1)], 0.95)
    assert (found["n_draws"], found["n_certified"], found["n_broken"]) == (3, 2, 1)
    assert found["share_broken"] == 0.5
    assert found["recall_min"] == 0.9
    few = drawn([unseen(100)], FITTING, 5, np.random.default_rng(0))
    for draws in few:
        assert figures(draws, 0.95)["share_broken"] is None


def test_a_fit_is_asked_about_every_sev1_that_it_has_not_seen():
    rows = tickets(3000)
    seen: list[LabelledRows] = []

    def fit(train: LabelledRows, calibration: LabelledRows) -> FittedTriage:
        seen.extend((train, calibration))
        return FITTING.triage(train, calibration)

    found = fit_and_ask(rows, replace(FITTING, triage=fit), np.random.default_rng(0))
    own = {id(example) for part in seen for example in part.examples}
    n_seen_sev1 = sum(part.severities.count(Severity.SEV1) for part in seen)
    assert [len(part) for part in seen] == [150, 180]
    assert len(own) == 330, "no ticket is in both parts"
    assert found.n_unseen == 3000 - 330
    assert len(found.risks) == rows.severities.count(Severity.SEV1) - n_seen_sev1
    assert found.own.certified
    assert found.own.recall >= 0.9
    assert found.risks.mean() > 0.6, "those are the risks of Sev1 tickets"


@pytest.mark.parametrize("levels", [(1, 2), (0,)])
def test_what_cannot_try_the_promise_is_refused(levels: tuple[int, ...]):
    with pytest.raises(NotEnoughData, match="too few to try the promise on"):
        fit_and_ask(tickets(100, levels), FITTING, np.random.default_rng(0))
