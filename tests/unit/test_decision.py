"""From probabilities to actions and reasons."""

from __future__ import annotations

import numpy as np
import pytest

from serving.decision import Thresholds, decide, too_little_text
from serving.schemas import Action

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


def test_an_abstention_keeps_its_alternatives_and_says_why() -> None:
    answer = decide(CLASSES, np.array([0.4, 0.35, 0.25]), THRESHOLDS)
    assert [item.value for item in answer.alternatives] == ["api", "login", "sync"]
    assert answer.reason == "between: api | login"


def test_three_alike_are_no_tie_of_two() -> None:
    assert decide(CLASSES, np.array([0.34, 0.33, 0.33]), THRESHOLDS).reason == "low_confidence"


def test_a_rare_class_is_suggested_but_not_automated() -> None:
    answer = decide(CLASSES, np.array([0.97, 0.02, 0.01]), THRESHOLDS, never_automate=frozenset({"api"}))
    assert (answer.action, answer.value) == (Action.SUGGEST, "api")


def test_a_block_wins_over_any_confidence() -> None:
    answer = decide(CLASSES, np.array([1.0, 0.0, 0.0]), THRESHOLDS, blocked="unlike_history")
    assert (answer.action, answer.value, answer.reason) == (Action.ABSTAIN, None, "unlike_history")


def test_without_thresholds_everything_abstains() -> None:
    assert decide(CLASSES, np.array([1.0, 0.0, 0.0]), Thresholds(None, None)).action is Action.ABSTAIN


@pytest.mark.parametrize(
    ("text", "expected"), [("", True), ("  \n", True), ("!!! 123", True), ("help", True), ("no login", False)]
)
def test_too_little_text(text: str, expected: bool) -> None:
    assert too_little_text(text) is expected
