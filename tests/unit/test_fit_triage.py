"""Fitting, on small texts whose answers are known; scikit-learn's own calibration is the oracle."""

import random
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.calibration import _SigmoidCalibration

from evaluation.backtest import backtest, most_likely_categories, most_likely_severities
from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.encoder import HashingEncoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.text import model_text
from features.ticket import Severity, Ticket
from serving.neighbours import Neighbours
from serving.schemas import Action
from training.calibration import choose_class_thresholds, choose_thresholds, fit_platt
from training.params import TrainingParams
from training.pooling import usual_pool
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


def alone(n: int) -> Neighbours:
    """No neighbours for any of n tickets."""
    return Neighbours(np.empty((n, 0), np.float32), np.empty((n, 0), np.int64), {})


def test_what_can_be_told_apart_is_told_apart():
    train, calibration, test = rows_of(120, seed=1), rows_of(90, seed=2), rows_of(60, seed=3)
    fitted = fit_triage(train, calibration, PARAMS)
    result = backtest(fitted.triage, test, train)
    assert most_likely_categories(fitted.triage, result) == list(test.categories)
    assert most_likely_severities(result) == [str(level) for level in test.severities]
    assert fitted.class_counts["category"] == {"login": 40, "export": 40, "billing": 40}
    assert fitted.class_counts["severity"] == {"sev1": 40, "sev3": 40, "sev4": 40}
    assert result.category_probabilities is not None
    assert result.category_probabilities.sum(axis=1) == pytest.approx(np.ones(60))


def test_an_empty_test_set_is_no_error():
    fitted = fit_triage(rows_of(60), rows_of(30, seed=1), PARAMS)
    result = backtest(fitted.triage, rows_of(0), rows_of(60))
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
    [answer] = fitted.triage.predict(rows_of(1, seed=3).examples, alone(1))
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
    [answer] = fitted.triage.predict(rows_of(1).examples, alone(1))
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
    asked = rows_of(1, seed=9)
    [answer] = fitted.triage.predict(asked.examples, neighbours_among(parts[0], asked))
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
    assert fitted.triage.category.class_thresholds == {}
    assert fitted.triage.category.vote == usual_pool(2).vote
    assert fitted.triage.novelty is not None
    assert fitted.triage.novelty.threshold is None


def test_classes_that_training_has_not_seen_count_against_the_thresholds():
    calibration = rows_of(150, seed=2)  # a third of these is of a class that is not among the training rows
    train = rows_of(80, seed=1, categories=("login", "export"))
    triage = fit_triage(train, calibration, PARAMS).triage
    answers = [p.category for p in triage.predict(calibration.examples, neighbours_among(train, calibration))]
    right = [answer.value == truth for answer, truth in zip(answers, calibration.categories, strict=True)]
    answered = [ok for answer, ok in zip(answers, right, strict=True) if answer.value is not None]
    automated = [ok for answer, ok in zip(answers, right, strict=True) if answer.action is Action.AUTOMATE]
    assert 20 <= len(automated) <= len(answered) < 150
    assert np.mean(answered) >= PARAMS.suggest_precision
    assert np.mean(automated) >= PARAMS.automate_precision


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


@pytest.mark.parametrize(
    ("n_right", "suggests", "automates"), [(76, False, False), (77, True, False), (98, True, False), (99, True, True)]
)
def test_thresholds_hold_their_precision_by_its_lower_bound(n_right: int, suggests: bool, automates: bool):
    # Of 100 answers of one confidence 70 are enough by the share, and 77 by the bound of Clopper and Pearson.
    probabilities = np.tile([0.6, 0.4], (100, 1))
    thresholds = choose_thresholds(probabilities, (np.arange(100) >= n_right).astype(np.int64), PARAMS)
    assert thresholds.suggest == (0.6 if suggests else None)
    assert thresholds.automate == (0.6 if automates else None)


def _answered(classes: list[int], confidence: list[float]) -> NDArray[np.float64]:
    """Probabilities of three classes, of which one has a confidence and the others share the rest."""
    rows = np.array(confidence)[:, None]
    return np.where(np.eye(3, dtype=bool)[classes], rows, (1 - rows) / 2)


def test_a_class_that_is_answered_badly_is_not_automated_while_another_is():
    # "a" is always right, "b" half the time.
    truth = np.array([0] * 100 + [1, 2] * 25)
    found = choose_class_thresholds(("a", "b", "c"), _answered([0] * 100 + [1] * 50, [0.96] * 150), truth, PARAMS)
    assert found["a"].automate == pytest.approx(0.96)
    assert (found["b"].suggest, found["b"].automate) == (None, None)
    assert choose_class_thresholds(("a", "b", "c"), np.empty((0, 3)), np.empty(0, np.int64), PARAMS) == {}


def test_a_class_of_few_rows_is_trusted_as_far_as_the_others_are():
    others = _answered([0] * 300, list(np.linspace(0.6, 1.0, 300)))
    few = _answered([1] * 5, [0.9] * 5)
    right = np.array([0] * 300 + [1] * 5)
    found = choose_class_thresholds(("a", "b", "c"), np.vstack([others, few]), right, PARAMS)
    assert found["b"].automate == found["c"].automate == pytest.approx(0.6)
    # Where the others are wrong, so it may be with a class of which nothing is known.
    wrong = np.array([0, 2] * 150 + [1] * 5)
    assert choose_class_thresholds(("a", "b", "c"), np.vstack([others, few]), wrong, PARAMS)["c"].automate is None


def test_a_class_whose_own_share_falls_short_is_not_rescued_by_the_others():
    # 27 of 30 are right, which alone could be chance; 300 others always are.
    truth = np.array([0] * 300 + [1] * 27 + [2] * 3)
    found = choose_class_thresholds(("a", "b", "c"), _answered([0] * 300 + [1] * 30, [0.9] * 330), truth, PARAMS)
    assert found["b"].automate is None
    assert found["b"].suggest == pytest.approx(0.9)
    assert found["c"].automate == pytest.approx(0.9)


def test_a_class_among_bad_ones_is_trusted_no_further_down_than_it_was_seen():
    # The others are right half the time, "b" always, and never less sure than 0.9.
    confidence = [*np.linspace(0.4, 1.0, 300), *np.linspace(0.9, 1.0, 60)]
    truth = np.array([0, 2] * 150 + [1] * 60)
    found = choose_class_thresholds(("a", "b", "c"), _answered([0] * 300 + [1] * 60, confidence), truth, PARAMS)
    assert found["b"].automate == pytest.approx(0.9)


def test_a_class_that_was_never_wrong_is_not_held_back_below_the_lowest_confidence_seen():
    # All classes are right from 0.8 on; "b", of which there are many, was by chance never less sure than 0.95.
    confidence = [*np.linspace(0.5, 1.0, 500), *np.linspace(0.95, 1.0, 60)]
    truth = np.array([0 if sure > 0.8 else 2 for sure in confidence[:500]] + [1] * 60)
    found = choose_class_thresholds(("a", "b", "c"), _answered([0] * 500 + [1] * 60, confidence), truth, PARAMS)
    assert found["b"].suggest is not None
    assert found["b"].suggest < 0.9


def test_a_fitted_model_automates_the_class_that_it_answers_well_alone():
    generator = random.Random(5)
    train, later = rows_of(240, seed=1), rows_of(450, seed=2)
    # What is said to be of export is, as often as not, billing: nobody can tell from the words.
    swapped = tuple(
        generator.choice(["export", "billing"]) if label != "login" else label for label in later.categories
    )
    model = fit_triage(train, replace(later, categories=swapped), PARAMS).triage.category
    assert model is not None
    assert model.class_thresholds["login"].automate is not None
    assert model.class_thresholds["export"].automate is None
    assert model.class_thresholds["billing"].automate is None


def test_the_same_rows_and_seed_give_the_same_weights():
    first, second = (fit_triage(rows_of(90), rows_of(60, seed=2), PARAMS).triage for _ in range(2))
    assert first.category is not None
    assert second.category is not None
    assert first.category.to_json() == second.category.to_json()
    assert first.severity is not None
    assert second.severity is not None
    assert first.novelty is not None
    assert second.novelty is not None
    for one, other in ((first.category.head, second.category.head), (first.severity, second.severity)):
        for name, values in one.to_arrays().items():
            assert np.array_equal(values, other.to_arrays()[name]), name
    assert np.array_equal(first.novelty.familiarity.form, second.novelty.familiarity.form)
    assert first.novelty.threshold == second.novelty.threshold


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
    probabilities = triage.severity.probabilities(triage.space.transform(rows_of(30, seed=5).examples), alone(30))
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
