"""Fitting, on small texts whose answers are known; scikit-learn's own calibration is the oracle."""

import random
from dataclasses import replace

import numpy as np
import pytest
from sklearn.calibration import _SigmoidCalibration

from evaluation.backtest import backtest, most_likely_categories, most_likely_severities
from evaluation.dataset import LabelledRows
from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.text import model_text
from features.ticket import Severity, Ticket
from serving.heads import softmax
from serving.schemas import Action
from training.calibration import choose_thresholds, fit_platt, fit_temperature
from training.params import TrainingParams
from training.triage import fit_triage

PARAMS = TrainingParams(rare_below=5)
ENCODER = HashingEncoder()
WORDS = {
    "login": ["login", "password", "certificate", "session", "locked"],
    "export": ["export", "file", "column", "download", "spreadsheet"],
    "billing": ["invoice", "charge", "refund", "currency", "payment"],
}
FILLER = ["please", "today", "since", "customer", "again", "morning", "team", "account"]
LEVELS = {"login": Severity.SEV1, "export": Severity.SEV3, "billing": Severity.SEV4}


def rows_of(
    n: int,
    *,
    seed: int = 0,
    categories: tuple[str, ...] = ("login", "export", "billing"),
    with_severity: bool = True,
    targets: dict[str, list[str | None]] | None = None,
) -> LabelledRows:
    """Texts of three words of their category among fillers, categories in turn."""
    generator = random.Random(seed)
    examples, labels = [], []
    for i in range(n):
        label = categories[i % len(categories)]
        words = [*generator.sample(WORDS[label], 3), *generator.sample(FILLER, 4)]
        generator.shuffle(words)
        ticket = Ticket(subject=" ".join(words[:3]), description=" ".join(words[3:]))
        text = model_text(ticket)
        examples.append(Example(ticket, text, ENCODER.encode([text.text])[0]))
        labels.append(label)
    return LabelledRows(
        examples=tuple(examples),
        categories=tuple(labels),
        severities=tuple(LEVELS[label] if with_severity else None for label in labels),
        targets={name: tuple(values) for name, values in (targets or {}).items()},
    )


def test_what_can_be_told_apart_is_told_apart():
    train, calibration, test = rows_of(120, seed=1), rows_of(90, seed=2), rows_of(60, seed=3)
    fitted = fit_triage(train, calibration, PARAMS)
    result = backtest(fitted.triage, test, [example.vector for example in train.examples])
    assert most_likely_categories(fitted.triage, result) == list(test.categories)
    assert most_likely_severities(result) == [str(level) for level in test.severities]
    assert fitted.class_counts["category"] == {"login": 40, "export": 40, "billing": 40}
    assert fitted.class_counts["severity"] == {"sev1": 40, "sev3": 40, "sev4": 40}
    assert result.category_probabilities is not None
    assert result.category_probabilities.sum(axis=1) == pytest.approx(np.ones(60))


def test_an_empty_test_set_is_no_error():
    fitted = fit_triage(rows_of(60), rows_of(30, seed=1), PARAMS)
    result = backtest(fitted.triage, rows_of(0), [])
    assert result.predictions == ()
    assert most_likely_categories(fitted.triage, result) == []


def test_one_category_is_not_enough():
    with pytest.raises(NotEnoughData, match=r"The 40 training tickets with a category have 1 distinct .*\(login\)"):
        fit_triage(rows_of(40, categories=("login",)), rows_of(20, categories=("login",)), PARAMS)


def test_nothing_to_learn_is_not_enough():
    nothing = replace(rows_of(40, with_severity=False), categories=(None,) * 40)
    with pytest.raises(NotEnoughData, match=r"The 0 training tickets with a category have 0 distinct value\(s\)"):
        fit_triage(nothing, nothing, PARAMS)


def test_severities_alone_can_be_learned_from():
    train, calibration = (replace(rows_of(90, seed=s), categories=(None,) * 90) for s in (1, 2))
    fitted = fit_triage(train, calibration, PARAMS)
    assert fitted.triage.category is None
    [answer] = fitted.triage.predict(rows_of(1, seed=3).examples, [[0.9]])
    assert answer.severity.most_likely is Severity.SEV1
    assert answer.category.reason == "not_trained"


@pytest.mark.parametrize("with_severity", [False, True])
def test_one_severity_or_none_gives_no_severity_model(with_severity: bool):
    rows = [rows_of(60, seed=s, with_severity=False) for s in (1, 2)]
    if with_severity:
        rows = [replace(part, severities=(Severity.SEV2,) * len(part)) for part in rows]
    fitted = fit_triage(*rows, PARAMS)
    assert fitted.triage.severity is None
    assert fitted.sev1 is None
    [answer] = fitted.triage.predict(rows_of(1).examples, [[0.9]])
    assert answer.severity.reason == "not_trained"


def test_further_targets_are_learned_as_category_is():
    teams = {"login": "identity", "export": "data", "billing": "finance"}
    parts = []
    for seed in (1, 2):
        rows = rows_of(90, seed=seed)
        team = [teams[str(label)] for label in rows.categories]
        parts.append(replace(rows, targets={"team": tuple(team), "same for all": ("x",) * 90}))
    fitted = fit_triage(*parts, PARAMS)
    assert set(fitted.triage.targets) == {"team"}, "a target of one value has nothing to tell"
    [answer] = fitted.triage.predict(rows_of(1, seed=9).examples, [[0.9]])
    assert answer.targets["team"].value == "identity"


def test_rare_classes_are_learned_and_reported_as_rare():
    rows = rows_of(63, seed=1)
    labels = [label if label != "billing" or i > 53 else "login" for i, label in enumerate(rows.categories)]
    fitted = fit_triage(replace(rows, categories=tuple(labels)), rows_of(60, seed=2), PARAMS)
    assert fitted.triage.category is not None
    assert fitted.triage.category.rare == frozenset({"billing"})
    assert fitted.class_counts["category"]["billing"] == 3


def test_few_calibration_rows_suggest_from_a_half_and_automate_nothing():
    fitted = fit_triage(rows_of(60), rows_of(9, seed=2), PARAMS)
    assert fitted.triage.category is not None
    assert fitted.triage.category.thresholds.suggest == 0.5
    assert fitted.triage.category.thresholds.automate is None
    assert fitted.triage.category.temperature == 1.0
    assert fitted.triage.novelty.threshold is None


def test_classes_that_training_has_not_seen_count_against_the_thresholds():
    calibration = rows_of(150, seed=2)  # a third of these is of a class that is not among the training rows
    triage = fit_triage(rows_of(80, seed=1, categories=("login", "export")), calibration, PARAMS).triage
    answers = [p.category for p in triage.predict(calibration.examples, [[1.0] * 5] * 150)]
    right = [answer.value == truth for answer, truth in zip(answers, calibration.categories, strict=True)]
    answered = [ok for answer, ok in zip(answers, right, strict=True) if answer.value is not None]
    automated = [ok for answer, ok in zip(answers, right, strict=True) if answer.action is Action.AUTOMATE]
    assert 20 <= len(automated) <= len(answered) < 150
    assert np.mean(answered) >= PARAMS.suggest_precision
    assert np.mean(automated) >= PARAMS.automate_precision


def test_temperature_is_the_one_of_least_log_loss():
    generator = np.random.default_rng(0)
    scores = generator.standard_normal((400, 4)) * 3
    truth = np.array([generator.choice(4, p=softmax(row[None, :], 2.0)[0]) for row in scores])

    def log_loss(temperature: float) -> float:
        return float(-np.log(softmax(scores, temperature)[np.arange(400), truth]).mean())

    fitted = fit_temperature(scores, truth)
    assert fitted == pytest.approx(2.0, rel=0.2)
    assert log_loss(fitted) <= min(log_loss(t) for t in np.linspace(0.5, 5, 200)) + 1e-6


def test_platt_scaling_agrees_with_scikit_learn():
    generator = np.random.default_rng(0)
    scores = generator.standard_normal(500) * 2
    positive = generator.random(500) < 1 / (1 + np.exp(-(1.5 * scores - 1)))
    slope, offset = fit_platt(scores, positive)
    oracle = _SigmoidCalibration().fit(scores, positive)
    assert 1 / (1 + np.exp(-(slope * scores + offset))) == pytest.approx(oracle.predict(scores), abs=2e-3)


@pytest.mark.parametrize("n_positive", [0, 1, 4, 196, 200])
def test_platt_with_few_of_a_kind_keeps_the_slope(n_positive: int):
    scores = np.linspace(-2, 2, 200)
    slope, offset = fit_platt(scores, np.arange(200) >= 200 - n_positive)
    assert slope == 1.0
    assert offset == pytest.approx(np.log((n_positive + 0.5) / (200.5 - n_positive)), abs=1e-9)


def test_platt_of_nothing_and_of_scores_that_point_the_wrong_way():
    assert fit_platt(np.empty(0), np.empty(0, bool)) == (1.0, 0.0)
    scores = np.linspace(-2, 2, 200)
    slope, offset = fit_platt(scores, scores < 0)
    assert slope == 0.0
    assert offset == pytest.approx(0.0)


def test_nothing_is_suggested_below_the_floor_however_precise():
    params = TrainingParams(suggest_at_least=0.8)
    probabilities = np.column_stack([np.linspace(0.5, 0.9, 100), 1 - np.linspace(0.5, 0.9, 100)])
    assert choose_thresholds(probabilities, np.zeros(100, np.int64), params).suggest == 0.8
    always_wrong = choose_thresholds(probabilities, np.full(100, -1), params)
    assert (always_wrong.suggest, always_wrong.automate) == (None, None)


def test_the_same_rows_and_seed_give_the_same_weights():
    first, second = (fit_triage(rows_of(90), rows_of(60, seed=2), PARAMS).triage for _ in range(2))
    assert first.category is not None
    assert second.category is not None
    assert np.array_equal(first.category.head.sparse_weights, second.category.head.sparse_weights)
    assert first.category.temperature == second.category.temperature


@pytest.mark.parametrize("level", list(Severity))
def test_a_level_that_was_never_seen_still_has_a_probability(level: Severity):
    others = [other for other in Severity if other is not level]
    parts = []
    for seed in (1, 2):
        rows = rows_of(90, seed=seed)
        by_category = dict(zip(WORDS, others, strict=True))
        parts.append(replace(rows, severities=tuple(by_category[str(label)] for label in rows.categories)))
    triage = fit_triage(*parts, PARAMS).triage
    assert triage.severity is not None
    probabilities = triage.severity.probabilities(triage.space.transform(rows_of(30, seed=5).examples))
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(30))
    assert np.all(probabilities >= 0)
    assert np.all(probabilities[:, list(Severity).index(level)] < 0.2)


def test_the_languages_of_the_training_tickets_are_kept():
    def spoken(rows: LabelledRows, language: str) -> LabelledRows:
        examples = tuple(replace(e, ticket=replace(e.ticket, language=language)) for e in rows.examples)
        return replace(rows, examples=examples)

    fitted = fit_triage(spoken(rows_of(60), "sv"), spoken(rows_of(30, seed=1), "nb"), PARAMS)
    assert fitted.triage.languages == {"sv"}
    assert fitted.language_counts == {"sv": 60}
