"""From calibrated probabilities to an action: automate, suggest, or abstain with a reason."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.scripts import count_script_words
from serving.parents import Parent, likeliest_parent
from serving.schemas import Action, Alternative, TargetAnswer

N_ALTERNATIVES = 4
_MIN_WORDS = 2
# Two classes are a tie when the second is nearly as probable as the first and no third comes near.
_TIE_RATIO = 0.6
_TIE_SHARE = 0.7
_WORD = re.compile(r"[^\W\d_]{2,}")


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Smallest confidence for each action; None where no confidence reaches the precision asked for."""

    suggest: float | None
    automate: float | None

    def action(self, confidence: float) -> Action:
        """The strongest action that a confidence allows."""
        if self.automate is not None and confidence >= self.automate:
            return Action.AUTOMATE
        if self.suggest is not None and confidence >= self.suggest:
            return Action.SUGGEST
        return Action.ABSTAIN

    def to_json(self) -> dict[str, float | None]:
        """The thresholds by name."""
        return {"suggest": self.suggest, "automate": self.automate}


def too_little_text(text: str) -> bool:
    """Whether a text has fewer than two words to go by; of scripts without blanks, letters for as many.

    Examples
    --------
    >>> too_little_text("help"), too_little_text("login broken"), too_little_text("无法登录")
    (True, False, False)
    """
    return len(_WORD.findall(text)) < _MIN_WORDS and count_script_words(text).n_words < _MIN_WORDS


def ranked(classes: Sequence[str], probabilities: NDArray[np.float64]) -> list[Alternative]:
    """Classes by falling probability (shape (n_classes,)), ties by name."""
    order = sorted(range(len(classes)), key=lambda k: (-float(probabilities[k]), classes[k]))
    return [Alternative(value=classes[k], confidence=round(float(probabilities[k]), 4)) for k in order]


def decide(
    classes: Sequence[str],
    probabilities: NDArray[np.float64],
    thresholds: Thresholds,
    *,
    class_thresholds: Mapping[str, Thresholds] | None = None,
    blocked: str | None = None,
    never_automate: frozenset[str] = frozenset(),
    parents: Sequence[Parent] = (),
    sure_from: float = 0.0,
) -> TargetAnswer:
    """Answer a categorical target.

    Where no class is probable enough to be suggested, or none is sure, but classes with a common parent are together,
    the parent is suggested.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n_classes,)
        Calibrated; sums to 1.
    class_thresholds : mapping of str to Thresholds, optional
        In the place of ``thresholds`` when that class is the most probable.
    blocked : str, optional
        A reason to abstain whatever the confidence: ``too_little_text``, ``language_not_trained``, ``unlike_history``.
    never_automate : frozenset of str
        Classes with too few examples to be acted on unseen.
    parents : sequence of Parent
        Labels above the classes; none where labels have no levels.
    sure_from : float
        Probability from which a class that may be suggested is suggested itself, even if its parent is surer.
    """
    order = ranked(classes, probabilities)
    best = order[0]
    # Thresholds have every digit, and the confidences that are shown have four: those are not what decides.
    confidence = float(probabilities.max())
    own = (class_thresholds or {}).get(best.value, thresholds)
    action = Action.ABSTAIN if blocked else own.action(confidence)
    if action is Action.AUTOMATE and best.value in never_automate:
        action = Action.SUGGEST
    abstains = action is Action.ABSTAIN
    is_unsure = abstains or (action is Action.SUGGEST and confidence < sure_from)
    if is_unsure and not blocked and thresholds.suggest is not None:
        found = likeliest_parent(parents, probabilities, thresholds.suggest if abstains else sure_from)
        if found is not None:
            return _parent_answer(*found, order)
    return TargetAnswer(
        value=None if abstains else best.value,
        confidence=best.confidence,
        action=action,
        reason=(blocked or _why_unsure(order, own)) if abstains else None,
        alternatives=order[: N_ALTERNATIVES + 1] if abstains else order[1 : N_ALTERNATIVES + 1],
    )


def _parent_answer(parent: Parent, confidence: float, order: Sequence[Alternative]) -> TargetAnswer:
    return TargetAnswer(
        value=parent.value,
        confidence=round(confidence, 4),
        action=Action.SUGGEST,
        is_parent=True,
        alternatives=list(order[: N_ALTERNATIVES + 1]),
    )


def why_low(thresholds: Thresholds, of: str) -> str:
    """The reason ``low_confidence``; where no confidence at all would do, it says so of what was to be answered.

    Examples
    --------
    >>> why_low(Thresholds(0.6, None), "severity"), why_low(Thresholds(None, None), "severity")
    ('low_confidence', 'low_confidence: no confidence was enough for severity in training')
    """
    if thresholds.suggest is None and thresholds.automate is None:
        return f"low_confidence: no confidence was enough for {of} in training"
    return "low_confidence"


def _why_unsure(order: Sequence[Alternative], own: Thresholds) -> str:
    first = order[0]
    if len(order) > 1:
        second = order[1]
        if second.confidence >= _TIE_RATIO * first.confidence and first.confidence + second.confidence >= _TIE_SHARE:
            return f'between: "{first.value}" | "{second.value}"'
    return why_low(own, f'"{first.value}"')
