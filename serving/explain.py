"""Why a category, a severity or a target was answered: words and fields, nearest cases, what would change it.

The heads and the second stage of severity are linear, so every share is exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example
from serving.explain_cases import labelled_cases
from serving.explain_changes import Asked, Retell, risk_line, word_line
from serving.explain_severity import Neutral, Told, context_shares, towards
from serving.explain_words import Evidence
from serving.near_cases import NearCases, may_see
from serving.neighbours import Neighbours
from serving.schemas import SeverityAnswer, TargetAnswer
from serving.severity_model import N_HEADS, SeverityModel, stage_inputs
from serving.target_model import TargetModel
from serving.triage import Prediction, Triage

MAX_REASONS = 5
_MAX_SHOWN = 80
_LEAST = 1e-6  # what is less is rounding


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What reasons need besides the ticket.

    Attributes
    ----------
    groups : frozenset of str or None
        Access groups of the caller; None sees everything.
    nobodys_record : ndarray of float64, shape (len(RECORD_NAMES),)
        The past record of a ticket of which neither product, customer nor reporter is known.
    retell : callable
        Predicts the ticket with other texts, all else equal.
    """

    near: NearCases
    groups: frozenset[str] | None
    nobodys_record: NDArray[np.float64]
    retell: Retell


def explained(triage: Triage, example: Example, prediction: Prediction, around: Surroundings) -> Prediction:
    """The same prediction with the reasons of each of its answers."""
    explainer = _Explainer(
        triage, example, around, Evidence.of(triage.space, example), around.near.neighbours(triage.targets)
    )
    return replace(
        prediction,
        category=explainer.target(triage.category, prediction.category),
        severity=explainer.severity(triage.severity, prediction.severity),
        targets={name: explainer.target(triage.targets[name], answer) for name, answer in prediction.targets.items()},
    )


@dataclass(frozen=True, slots=True)
class _Explainer:
    """One ticket, taken apart once for all of its answers."""

    triage: Triage
    example: Example
    around: Surroundings
    evidence: Evidence
    neighbours: Neighbours

    def target(self, model: TargetModel | None, answer: TargetAnswer) -> TargetAnswer:
        if model is None:
            return answer
        classes = _explained_classes(model, answer)
        outputs = np.zeros(len(model.classes))
        outputs[classes] = 1.0
        words = _strongest(self.evidence.worth_telling(self.evidence.shares(model.head, outputs).named))
        cases = labelled_cases(model, classes, self.around.near, self.neighbours, self.around.groups)
        return answer.model_copy(update={"why": [*words, *cases]})

    def severity(self, model: SeverityModel | None, answer: SeverityAnswer) -> SeverityAnswer:
        level = answer.value or answer.most_likely
        if model is None or level is None:
            return answer
        rows = self.triage.space.transform([self.example])
        [inputs] = stage_inputs(model.head.scores(rows), rows, self.neighbours)
        pull = towards(level, model.stage.weights) * model.stage.by_scale
        words = self.evidence.worth_telling(self.evidence.shares(model.head, pull[:N_HEADS]).named)
        neutral = Neutral(self.around.nobodys_record)
        context = context_shares(self.example, level, inputs, neutral, model.stage, self._told()).named
        why = _strongest({**words, **context})
        # Where nothing was answered, nothing would change.
        if answer.value is not None:
            asked = Asked(self.example, self.evidence, inputs, answer.value, self.around.retell)
            changes = (risk_line(self.triage, model, asked), word_line(model, asked, words))
            why += [line for line in changes if line is not None]
        return answer.model_copy(update={"why": why})

    def _told(self) -> Told:
        groups, entries = self.around.groups, self.around.near.entries
        # Where no case has a severity, none voted. Which tickets a record is made of is not kept: to whom some are
        # hidden, none is told of.
        are_seen = all(may_see(entry.access_group, groups) for entry in entries)
        votes = are_seen and any(entry.severity for entry in entries)
        return Told(votes=votes, records=groups is None)


def _explained_classes(model: TargetModel, answer: TargetAnswer) -> list[int]:
    """Numbers of the classes that an answer stands for: all of a parent's, else the most likely one."""
    if answer.is_parent:
        return [number for parent in model.parents if parent.value == answer.value for number in parent.classes]
    return [model.classes.index(answer.first_guess.value)] if answer.first_guess is not None else []


def _strongest(shares: Mapping[str, float]) -> list[str]:
    """The names that add most, without those that add nothing; ties by name."""
    order = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    return [_cut(name) for name, share in order[:MAX_REASONS] if share > _LEAST]


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
