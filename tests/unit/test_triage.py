"""The predicting part of a release, on weights made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from features.errors import ReleaseRefused
from features.feature_space import Example, FeatureSpace
from features.ngrams import NgramVectorizer
from features.release import load_release, write_release
from features.structured import StructuredColumns
from features.text import ModelText
from features.ticket import Severity, Ticket
from serving.decision import Thresholds
from serving.heads import LinearHead
from serving.neighbours import Neighbours, Vote
from serving.novelty import SIGNALS, Familiarity, Novelty
from serving.parents import Parent
from serving.ranking import UNTRAINED
from serving.runbook_map import RunbookMap
from serving.schemas import Action
from serving.severity_model import INPUT_NAMES, N_INPUTS, SecondStage, SeverityModel
from serving.target_model import TargetModel
from serving.triage import Triage
from training.linked import FromLinks, LinkedFigures
from training.params import DEFAULT_COSTS
from training.parts import release_parts
from training.runbook_links import NO_FIGURES

NOTHING_LEARNED = FromLinks(UNTRAINED, RunbookMap(), LinkedFigures({}, NO_FIGURES))


def head(weights: list[list[float]]) -> LinearHead:
    """A head over an empty vocabulary and two dense columns; ``weights`` has shape (2, n_outputs)."""
    dense = np.array(weights, dtype=np.float32)
    return LinearHead(np.zeros((0, dense.shape[1]), np.float32), dense, np.zeros(dense.shape[1], np.float32))


def stage_of(weights: np.ndarray, intercept: np.ndarray) -> SecondStage:
    """A second stage of the inputs as they are: so wide a scale holds none of them back."""
    n = len(weights)
    return SecondStage(np.zeros(n), np.full(n, 1e-4), weights * 1e4, intercept)


def by_heads_alone() -> SecondStage:
    """Each head speaks for every level up to its own; what else is known of a ticket counts for nothing."""
    weights = np.zeros((N_INPUTS, 4))
    for number in range(3):
        weights[number, : number + 1] = 1.0
    return stage_of(weights, np.zeros(4))


def near(*cosines: list[float], labels: tuple[str | None, ...] = ()) -> Neighbours:
    """Neighbours of tickets by their cosines, a list each; the labels are those of their cases, in that order."""
    numbers = np.tile(np.arange(len(cosines[0]) if cosines else 0), (len(cosines), 1))
    labels = labels or (None,) * numbers.shape[1]
    return Neighbours(np.array(cosines, np.float32).reshape(numbers.shape), numbers, {"category": labels})


def novelty(*, threshold: float | None) -> Novelty:
    """Top probability plus the mean cosine of the five nearest."""
    plain = Familiarity.untrained()
    even = replace(plain, form=np.minimum(plain.form, 1.0))
    return Novelty(even, centroids=np.zeros((2, 2), np.float32), threshold=threshold)


def severity_model(**changes: object) -> SeverityModel:
    model = SeverityModel(
        head=head([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
        stage=by_heads_alone(),
        costs=np.array(DEFAULT_COSTS),
        thresholds=Thresholds(suggest=0.4, automate=0.9),
        sev1_threshold=0.5,
    )
    return replace(model, **changes)


@pytest.fixture
def triage() -> Triage:
    return Triage(
        space=FeatureSpace(NgramVectorizer.fit([]), StructuredColumns(()), dense_weight=1.0, structured_weight=1.0),
        category=TargetModel(
            name="category",
            classes=("exports", "login"),
            head=head([[-1.0, 1.0], [0.0, 0.0]]),
            vote=Vote(temperature=0.1, weight=1.0),
            thresholds=Thresholds(suggest=0.6, automate=0.9),
        ),
        severity=severity_model(),
        targets={},
        novelty=novelty(threshold=0.7),
    )


def example(first: float, second: float = 0.0, text: str = "login page broken") -> Example:
    return Example(Ticket(), ModelText(text, ""), np.array([first, second], dtype=np.float32))


def test_confidence_decides_the_action(triage: Triage):
    answers = [p.category for p in triage.predict([example(x) for x in (3.0, 0.5, 0.01)], near(*[[0.9]] * 3))]
    assert [a.action for a in answers] == [Action.AUTOMATE, Action.SUGGEST, Action.ABSTAIN]
    assert [a.value for a in answers] == ["login", "login", None]
    assert answers[2].reason == 'between: "login" | "exports"'
    assert [a.value for a in answers[2].alternatives] == ["login", "exports"]


def test_a_parent_is_answered_where_its_labels_disagree(triage: Triage):
    assert triage.category is not None
    triage = replace(triage, category=replace(triage.category, parents=(Parent("all", 1, (0, 1)),)))
    [sure, unsure] = [p.category for p in triage.predict([example(0.5), example(0.01)], near([0.9], [0.9]))]
    assert (sure.value, sure.is_parent) == ("login", False)
    assert (unsure.value, unsure.is_parent, unsure.confidence) == ("all", True, 1.0)


def test_a_rare_class_is_never_automated(triage: Triage):
    assert triage.category is not None
    triage = replace(triage, category=replace(triage.category, rare=frozenset({"login"})))
    assert triage.predict([example(3.0)], near([0.9]))[0].category.action is Action.SUGGEST
    assert triage.predict([example(-3.0)], near([0.9]))[0].category.action is Action.AUTOMATE


def test_what_is_unlike_history_is_said_to_be_new(triage: Triage):
    known, far = triage.predict([example(0.5, 5.0)] * 2, near([0.9, 0.8], [-0.1, -0.2]))
    [alone] = triage.predict([example(0.5, 5.0)], near([]))
    assert (known.novel, far.novel, alone.novel) == (False, True, False)
    assert far.category.value is None
    assert far.category.reason == "unlike_history"
    assert far.severity.value is not None, "how bad it is can be told of a new problem too"


def test_without_a_threshold_nothing_is_new(triage: Triage):
    triage = replace(triage, novelty=novelty(threshold=None))
    assert not triage.predict([example(0.5)], near([-1.0]))[0].novel


@pytest.mark.parametrize("text", ["", " ", "help", "12345 678", "??? !!!"])
def test_too_little_text_is_answered_by_abstaining(triage: Triage, text: str):
    [answer] = triage.predict([example(3.0, text=text)], near([-1.0]))
    assert answer.category.reason == answer.severity.reason == "too_little_text"
    assert answer.category.value is None
    assert answer.severity.value is None
    assert answer.severity.sev1_flag, "the promise of the flag is of every ticket"
    assert not answer.novel


def test_a_vote_of_the_nearest_cases_counts_and_can_turn_the_answer(triage: Triage):
    labels = ("exports", "exports", "login", None)
    [alone] = triage.predict([example(0.5)], near([]))
    [among] = triage.predict([example(0.5)], near([0.9, 0.9, 0.2, 0.1], labels=labels))
    assert alone.category.value == "login"
    assert among.category.value == "exports"


def test_each_class_has_its_own_thresholds(triage: Triage):
    assert triage.category is not None
    strict = {"login": Thresholds(suggest=None, automate=None)}
    triage = replace(triage, category=replace(triage.category, class_thresholds=strict))
    login, exports = triage.predict([example(3.0), example(-3.0)], near([0.9], [0.9]))
    assert (login.category.action, login.category.value) == (Action.ABSTAIN, None)
    assert (exports.category.action, exports.category.value) == (Action.AUTOMATE, "exports")


@pytest.mark.parametrize("first", [6.0, -6.0, 400.0])
def test_cumulative_probabilities_rise_whatever_the_heads_say(triage: Triage, first: float):
    # The heads contradict each other: sev1 for sure, and not even sev3.
    rows = triage.space.transform([example(first, -first)])
    probabilities = severity_model().probabilities(rows, near([]))
    assert np.all(probabilities >= 0)
    assert probabilities.sum(axis=1) == pytest.approx([1.0])
    assert np.all(np.diff(np.cumsum(probabilities, axis=1)) >= 0)


def test_the_level_of_least_cost_is_answered():
    model = severity_model()
    costs = np.array(DEFAULT_COSTS)
    for probabilities in np.random.default_rng(0).dirichlet(np.ones(4), size=200):
        expected = [sum(probabilities[truth] * costs[truth][answer] for truth in range(4)) for answer in range(4)]
        assert expected[int(model.cheapest(probabilities[None, :])[0])] == min(expected)


def test_a_level_chosen_for_its_cost_is_not_automated(triage: Triage):
    # sev3 is most probable by far, and a miss of sev1 so dear that sev1 is answered.
    dear = np.array(DEFAULT_COSTS)
    dear[0, 1:] = 1000.0
    triage = replace(triage, severity=severity_model(costs=dear, thresholds=Thresholds(suggest=0.1, automate=0.2)))
    [answer] = triage.predict([example(-4.0, -1.0)], near([0.9]))
    assert answer.severity.most_likely is not Severity.SEV1
    assert answer.severity.value is Severity.SEV1
    assert answer.severity.action is Action.SUGGEST


def test_a_milder_level_is_not_automated_beside_the_sev1_flag(triage: Triage):
    even = np.ones((4, 4)) - np.eye(4)
    triage = replace(triage, severity=severity_model(costs=even, thresholds=Thresholds(0.5, 0.6), sev1_threshold=0.2))
    flagged, silent, grave = (
        triage.answer_severity(np.array(p)) for p in ([0.3, 0, 0.7, 0], [0.1, 0.2, 0.7, 0], [0.7, 0, 0.3, 0])
    )
    assert (flagged.value, flagged.sev1_flag, flagged.action) == (Severity.SEV3, True, Action.SUGGEST)
    assert (silent.value, silent.sev1_flag, silent.action) == (Severity.SEV3, False, Action.AUTOMATE)
    assert (grave.value, grave.sev1_flag, grave.action) == (Severity.SEV1, True, Action.AUTOMATE)


def test_the_level_of_what_is_unlike_history_is_not_automated(triage: Triage):
    sure = replace(triage, severity=severity_model(thresholds=Thresholds(suggest=0.2, automate=0.25)))
    known, new = sure.predict([example(3.0), example(3.0)], near([0.9], [-0.9]))
    assert (known.novel, new.novel) == (False, True)
    assert known.severity.value == new.severity.value
    assert (known.severity.action, new.severity.action) == (Action.AUTOMATE, Action.SUGGEST)


def test_the_probability_of_a_level_is_not_rounded_before_it_decides(triage: Triage):
    triage = replace(triage, severity=severity_model(thresholds=Thresholds(suggest=0.5, automate=0.99997)))
    below, at = (triage.answer_severity(np.array([p, 1 - p, 0.0, 0.0])) for p in (0.99996, 0.99997))
    assert (below.action, at.action) == (Action.SUGGEST, Action.AUTOMATE)


def test_the_sev1_flag_follows_its_own_threshold(triage: Triage):
    risks = [p.severity for p in triage.predict([example(x, 5.0) for x in (1.0, -1.0)], near([0.9], [0.9]))]
    assert [answer.sev1_flag for answer in risks] == [True, False]
    assert risks[0].sev1_risk == pytest.approx(np.e / (np.e + 1 + np.exp(-5) + np.exp(-10)), abs=1e-4)
    never = replace(triage, severity=severity_model(sev1_threshold=2.0))
    assert not never.predict([example(50.0, 5.0)], near([0.9]))[0].severity.sev1_flag


def test_what_was_not_trained_says_so(triage: Triage):
    [answer] = replace(triage, category=None, severity=None).predict([example(1.0)], near([-1.0]))
    assert answer.category.reason == answer.severity.reason == "not_trained"
    assert answer.severity.most_likely is None
    assert not answer.novel


def test_no_tickets_have_no_predictions(triage: Triage):
    assert triage.predict([], near()) == []


def test_a_release_gives_the_same_models_back(triage: Triage, release_of):
    again = Triage.from_release(load_release(release_of(triage)))
    examples = [example(x, y) for x, y in np.random.default_rng(0).standard_normal((30, 2))]
    nearest = near(*[[0.5, 0.4]] * 30, labels=("login", "exports"))
    assert again.predict(examples, nearest) == triage.predict(examples, nearest)


def test_a_release_gives_back_every_number(triage: Triage, release_of):
    assert triage.category is not None
    generator = np.random.default_rng(0)
    stage = stage_of(generator.standard_normal((N_INPUTS, 4)), generator.standard_normal(4))
    own = {"login": Thresholds(suggest=0.2, automate=None), "exports": Thresholds(suggest=None, automate=None)}
    n = len(SIGNALS)
    weighed = Familiarity(*generator.standard_normal((2, n)), form=generator.standard_normal((1 + n, 1 + n)))
    learned = Novelty(weighed, np.eye(2, dtype=np.float32), threshold=-0.25)
    category = replace(triage.category, vote=Vote(0.05, 0.7), class_thresholds=own, rare=frozenset({"login"}))
    category = replace(category, sure_from=0.65)
    severity = severity_model(stage=stage, sev1_certified=True)
    triage = replace(triage, category=category, severity=severity, novelty=learned)
    again = Triage.from_release(load_release(release_of(triage)))
    assert again.category is not None
    assert again.severity is not None
    assert again.novelty is not None
    assert again.category.to_json() == category.to_json()
    assert again.category.class_thresholds == own
    assert again.category.sure_from == 0.65
    assert again.severity.sev1_certified
    assert np.array_equal(again.severity.stage.weights, stage.weights)
    assert np.array_equal(again.severity.stage.intercept, stage.intercept)
    for name in ("mean", "by_scale", "form"):
        assert np.array_equal(getattr(again.novelty.familiarity, name), getattr(weighed, name))
    assert np.array_equal(again.novelty.centroids, learned.centroids)
    assert again.novelty.threshold == learned.threshold


@pytest.fixture
def release_of(tmp_path):
    from features.lexical import LexicalStatistics

    def write(triage: Triage):
        parts = release_parts(triage, NOTHING_LEARNED, LexicalStatistics.fit([]))
        return write_release(tmp_path, release_id="r1", parts=parts)

    return write


def test_further_targets_with_odd_names_are_kept_apart(triage: Triage, release_of):
    assert triage.category is not None
    other = replace(triage.category, classes=("a", "b"), parents=(Parent("top", 1, (0, 1)),))
    triage = replace(triage, targets={"Zuständige Gruppe / Team": other, "zust-ndige gruppe team": triage.category})
    again = Triage.from_release(load_release(release_of(triage)))
    assert set(again.targets) == set(triage.targets)
    assert again.targets["Zuständige Gruppe / Team"].classes == ("a", "b")
    assert again.targets["Zuständige Gruppe / Team"].parents == other.parents


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head": head([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]])}, "category weights of shape"),
        ({"classes": ("one",)}, "category weights of shape"),
        ({"head": replace(head([[1.0, 1.0]] * 2), sparse_weights=np.zeros((9, 2), np.float32))}, "category weights"),
        ({"head": head([[1.0, 1.0]] * 3)}, "weights of shape"),
    ],
)
def test_weights_that_do_not_fit_are_refused(triage: Triage, release_of, change: dict[str, object], message: str):
    assert triage.category is not None
    broken = replace(triage, category=replace(triage.category, **change))
    release = load_release(release_of(broken))
    with pytest.raises(ReleaseRefused, match=f"r1 has .*{message}"):
        Triage.from_release(release)


def test_a_second_stage_over_other_inputs_is_refused(triage: Triage, release_of):
    stage = stage_of(np.zeros((N_INPUTS - 1, 4)), np.zeros(4))
    release = load_release(release_of(replace(triage, severity=severity_model(stage=stage))))
    with pytest.raises(ReleaseRefused, match=r"r1 has severity stage of .* train again or promote another"):
        Triage.from_release(release)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [([*INPUT_NAMES[:-1], "moon"], r"\(moon, weekend\); train again"), (INPUT_NAMES[::-1], "in another order")],
)
def test_a_second_stage_over_inputs_of_other_names_is_refused(triage: Triage, tmp_path, inputs, message: str):
    from features.lexical import LexicalStatistics

    parts = release_parts(triage, NOTHING_LEARNED, LexicalStatistics.fit([]))
    parts["severity.json"] = {**parts["severity.json"], "inputs": list(inputs)}
    release = load_release(write_release(tmp_path, release_id="r1", parts=parts))
    with pytest.raises(ReleaseRefused, match=f"r1 weighs other signals of severity .*{message}"):
        Triage.from_release(release)


FRENCH = "Depuis ce matin personne ne peut se connecter, la page dit que nous n'avons pas le droit."
ENGLISH = "Since this morning nobody can log in, and the page says that we are not allowed to."


def in_language(given: str | None, text: str) -> Example:
    return Example(Ticket(language=given), ModelText(text, ""), np.array([3.0, 5.0], dtype=np.float32))


@pytest.mark.parametrize(
    ("given", "text", "reason"),
    [
        ("fr", "SSO page broken", "language_not_trained"),
        ("fr-CA", ENGLISH, "language_not_trained"),
        (None, FRENCH, "language_not_trained"),
        ("fr", "SSO", "too_little_text"),
        ("en", FRENCH, None),
        (None, ENGLISH, None),
        (None, "SSO page broken", None),
    ],
)
def test_a_language_not_learned_is_not_answered(triage: Triage, given: str | None, text: str, reason: str | None):
    triage = replace(triage, languages=frozenset({"en"}), targets={"team": triage.category})
    [answer] = triage.predict([in_language(given, text)], near([0.9]))
    for part in (answer.category, answer.severity, answer.targets["team"]):
        assert part.reason == reason
        assert (part.value is None) == (reason is not None)
    assert answer.category.alternatives[0].value == "login" or reason is None


def test_where_no_language_is_known_every_one_is_answered(triage: Triage):
    [answer] = triage.predict([in_language("fr", FRENCH)], near([0.9]))
    assert answer.category.value == "login"


def test_a_language_not_learned_does_not_silence_the_sev1_flag_and_has_no_promise(triage: Triage):
    certified = replace(triage, languages=frozenset({"en"}), severity=severity_model(sev1_certified=True))
    [foreign] = certified.predict([in_language("fr", FRENCH)], near([0.9]))
    assert foreign.severity.reason == "language_not_trained"
    assert foreign.severity.sev1_flag
    assert not foreign.severity.sev1_certified
    assert certified.answer_severity(np.array([0.6, 0.2, 0.1, 0.1])).sev1_certified


def test_a_foreign_ticket_unlike_history_is_new_and_foreign(triage: Triage):
    [answer] = replace(triage, languages=frozenset({"en"})).predict([in_language("fr", FRENCH)], near([-0.9]))
    assert answer.novel
    assert answer.category.reason == "language_not_trained"


def test_a_release_gives_its_languages_back(triage: Triage, release_of):
    trained = replace(triage, languages=frozenset({"de", "en"}))
    assert Triage.from_release(load_release(release_of(trained))).languages == {"de", "en"}


@pytest.mark.parametrize("languages", [None, {"0": ["en"]}], ids=["before languages", "other rules"])
def test_a_release_of_other_language_rules_answers_every_language(triage: Triage, tmp_path, languages):
    from features.lexical import LexicalStatistics

    parts = release_parts(replace(triage, languages=frozenset({"en"})), NOTHING_LEARNED, LexicalStatistics.fit([]))
    models = {key: value for key, value in parts["models.json"].items() if key != "languages"}
    parts["models.json"] = models if languages is None else {**models, "languages": languages}
    release = load_release(write_release(tmp_path, release_id="r1", parts=parts))
    assert Triage.from_release(release).languages == frozenset()
