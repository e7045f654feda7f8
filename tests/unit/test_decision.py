"""From probabilities to actions and reasons."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.taxonomy import LabelRules
from serving.decision import Thresholds, decide, too_little_text
from serving.schemas import Action, Alternative, TargetAnswer
from training.parents import parents_of

CLASSES = ("api", "login", "sync")
THRESHOLDS = Thresholds(suggest=0.5, automate=0.9)


@pytest.mark.parametrize(
    ("probabilities", "action"),
    [([0.95, 0.03, 0.02], "automate"), ([0.7, 0.2, 0.1], "suggest"), ([0.4, 0.3, 0.3], "abstain")],
)
def test_the_confidence_decides_the_action(probabilities: list[float], action: str) -> None:
    answer = decide(CLASSES, np.array(probabilities), THRESHOLDS)
    assert answer.action == action
    assert (answer.value is None) == (action == "abstain")


def test_what_decides_is_not_rounded() -> None:
    thresholds = Thresholds(suggest=0.87654, automate=0.99997)
    actions = [
        decide(CLASSES[:2], np.array([p, 1 - p]), thresholds).action for p in (0.87653, 0.87654, 0.99996, 0.99997)
    ]
    assert actions == [Action.ABSTAIN, Action.SUGGEST, Action.SUGGEST, Action.AUTOMATE]


def test_an_abstention_keeps_its_alternatives_and_says_why() -> None:
    answer = decide(CLASSES, np.array([0.4, 0.35, 0.25]), THRESHOLDS)
    assert [item.value for item in answer.alternatives] == ["api", "login", "sync"]
    assert answer.reason == 'between: "api" | "login"'


def test_three_alike_are_no_tie_of_two() -> None:
    assert decide(CLASSES, np.array([0.34, 0.33, 0.33]), THRESHOLDS).reason == "low_confidence"


def test_a_class_that_no_confidence_would_do_for_says_so() -> None:
    own = {"api": Thresholds(None, None)}
    told = 'low_confidence: no confidence was enough for "api" in training'
    assert decide(CLASSES, np.array([0.99, 0.01, 0.0]), THRESHOLDS, class_thresholds=own).reason == told
    assert decide(CLASSES, np.array([0.99, 0.01, 0.0]), Thresholds(None, None)).reason == told
    # Of another class, and where one is merely too high, the confidence is to blame.
    assert decide(CLASSES, np.array([0.26, 0.48, 0.26]), THRESHOLDS, class_thresholds=own).reason == "low_confidence"
    high = {"api": Thresholds(0.999, None)}
    assert decide(CLASSES, np.array([0.99, 0.01, 0.0]), THRESHOLDS, class_thresholds=high).reason == "low_confidence"


def test_a_rare_class_is_suggested_but_not_automated() -> None:
    answer = decide(CLASSES, np.array([0.97, 0.02, 0.01]), THRESHOLDS, never_automate=frozenset({"api"}))
    assert (answer.action, answer.value) == (Action.SUGGEST, "api")


def test_a_block_wins_over_any_confidence() -> None:
    answer = decide(CLASSES, np.array([1.0, 0.0, 0.0]), THRESHOLDS, blocked="unlike_history")
    assert (answer.action, answer.value, answer.reason) == (Action.ABSTAIN, None, "unlike_history")


def test_without_thresholds_everything_abstains() -> None:
    assert decide(CLASSES, np.array([1.0, 0.0, 0.0]), Thresholds(None, None)).action is Action.ABSTAIN


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  \n", True),
        ("!!! 123", True),
        ("help", True),
        ("no login", False),
        ("今朝からログインできません", False),
        ("登录", True),
        ("Помогите", True),
    ],
)
def test_too_little_text(text: str, expected: bool) -> None:
    assert too_little_text(text) is expected


# Labels with levels

LEAVES = ("Access", "Access > SSO > OIDC", "Access > SSO > SAML", "Billing", "Sync > Lag", "Sync > Loss")
PARENTS = parents_of(LEAVES, LabelRules())


def test_the_parents_of_labels() -> None:
    assert [(each.value, each.depth, each.classes) for each in PARENTS] == [
        ("Access", 1, (0, 1, 2)),
        ("Access > SSO", 2, (1, 2)),
        ("Sync", 1, (4, 5)),
    ]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        (("a", "b"), []),
        (("A > b", "A > c"), []),  # above every label: says nothing
        (("A > b", "C > d", "E"), []),  # above one label alone
        (("a>b", "A > c", "D"), ["A"]),
        (("A > B > c", "a>b>d", "a", "E"), ["a", "A > B"]),
    ],
)
def test_which_labels_are_parents(classes: tuple[str, ...], expected: list[str]) -> None:
    assert [each.value for each in parents_of(classes, LabelRules())] == expected


def test_a_parent_is_written_as_the_taxonomy_has_it_and_not_answered_when_retired() -> None:
    classes = ("a > b", "a > c", "D")
    assert [each.value for each in parents_of(classes, LabelRules(spellings={("a",): "A!"}))] == ["A!"]
    rules = LabelRules(retired=frozenset([("a",)]), allowed=frozenset([("a", "b"), ("a", "c"), ("d",)]))
    assert parents_of(classes, rules) == ()


def leveled(*probabilities: float, suggest: float | None = 0.5) -> TargetAnswer:
    return decide(LEAVES, np.array(probabilities), Thresholds(suggest=suggest, automate=0.6), parents=PARENTS)


def test_a_leaf_that_is_probable_enough_is_answered_as_ever() -> None:
    answer = leveled(0.0, 0.55, 0.4, 0.05, 0.0, 0.0)
    assert (answer.value, answer.action, answer.is_parent) == ("Access > SSO > OIDC", Action.SUGGEST, False)
    assert answer.first_guess == Alternative(value="Access > SSO > OIDC", confidence=0.55)


def test_the_deepest_parent_that_is_probable_enough_is_suggested() -> None:
    answer = leveled(0.1, 0.45, 0.4, 0.05, 0.0, 0.0)
    assert (answer.value, answer.confidence, answer.is_parent) == ("Access > SSO", 0.85, True)
    assert (answer.action, answer.reason) == (Action.SUGGEST, None), "a parent is never automated"
    assert [each.value for each in answer.alternatives][:3] == ["Access > SSO > OIDC", "Access > SSO > SAML", "Access"]
    assert answer.first_guess == Alternative(value="Access > SSO > OIDC", confidence=0.45)


@pytest.mark.parametrize(
    ("oidc", "saml", "expected"),
    [
        (0.55, 0.40, "Access > SSO"),  # as good as a coin's toss between two leaves
        (0.70, 0.28, "Access > SSO > OIDC"),  # as sure as was asked
        (0.55, 0.10, "Access > SSO > OIDC"),  # the parent is no surer than was asked either
    ],
)
def test_of_leaves_that_disagree_the_surer_parent_is_answered(oidc: float, saml: float, expected: str) -> None:
    rest = (1.0 - oidc - saml) / 2
    answer = decide(
        LEAVES,
        np.array([0.0, oidc, saml, rest, rest, 0.0]),
        Thresholds(suggest=0.5, automate=0.9),
        parents=PARENTS,
        sure_from=0.7,
    )
    assert (answer.value, answer.action, answer.is_parent) == (expected, Action.SUGGEST, expected == "Access > SSO")


def test_a_parent_that_is_a_label_too_counts_its_own_tickets() -> None:
    answer = leveled(0.3, 0.2, 0.1, 0.4, 0.0, 0.0)
    assert (answer.value, answer.confidence, answer.is_parent) == ("Access", 0.6, True)
    assert answer.first_guess == Alternative(value="Billing", confidence=0.4)
    alone = leveled(0.7, 0.2, 0.1, 0.0, 0.0, 0.0)
    assert (alone.value, alone.action, alone.is_parent) == ("Access", Action.AUTOMATE, False)


def test_of_equally_deep_parents_the_more_probable_one_is_suggested() -> None:
    answer = leveled(0.25, 0.1, 0.1, 0.0, 0.3, 0.25, suggest=0.4)
    assert (answer.value, answer.confidence) == ("Sync", 0.55)


def test_leaves_of_different_parents_are_told_as_a_tie() -> None:
    answer = leveled(0.0, 0.45, 0.0, 0.45, 0.1, 0.0)
    assert (answer.value, answer.reason) == (None, 'between: "Access > SSO > OIDC" | "Billing"')


def test_a_parent_of_one_label_that_is_left_is_not_answered() -> None:
    assert leveled(0.0, 0.0, 0.001, 0.3, 0.499, 0.2).value == "Sync"
    assert leveled(0.0, 0.0, 0.496, 0.496, 0.004, 0.004).value is None
    assert leveled(0.0, 0.005, 0.496, 0.499, 0.0, 0.0).value is None


def test_a_block_or_a_missing_threshold_holds_the_parent_back_too() -> None:
    probabilities = np.array([0.1, 0.45, 0.4, 0.05, 0.0, 0.0])
    assert leveled(*probabilities, suggest=None).value is None
    held = decide(LEAVES, probabilities, THRESHOLDS, blocked="unlike_history", parents=PARENTS)
    assert (held.value, held.reason) == (None, "unlike_history")


@given(st.lists(st.floats(0.001, 1), min_size=len(LEAVES), max_size=len(LEAVES)), st.floats(0.05, 0.95))
def test_labels_without_levels_are_answered_as_before_and_a_parent_only_where_they_are_held_back(
    weights: list[float], suggest: float
) -> None:
    probabilities = np.array(weights) / sum(weights)
    thresholds = Thresholds(suggest=suggest, automate=None)
    flat = decide(LEAVES, probabilities, thresholds)
    answer = decide(LEAVES, probabilities, thresholds, parents=PARENTS)
    if answer.is_parent:
        assert flat.action is Action.ABSTAIN
        assert answer.value in {each.value for each in PARENTS}
        assert suggest - 5e-5 <= answer.confidence <= 1, "what is shown is rounded"
        assert answer.alternatives == flat.alternatives
    else:
        assert answer == flat
