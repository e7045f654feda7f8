"""Why a category, a severity or a target was answered: what each word and field of the ticket adds to its score.

The heads are linear, so the shares are exact. What the embedding adds belongs to no word, and is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from features.feature_space import Example, FeatureSpace
from features.sparse_rows import TermWeights
from features.ticket import SEVERITIES, Severity
from serving.heads import LinearHead
from serving.schemas import SeverityAnswer, TargetAnswer
from serving.severity_model import N_HEADS, SecondStage, SeverityModel
from serving.target_model import TargetModel
from serving.triage import Prediction, Triage

MAX_REASONS = 5
_MAX_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a ticket gives the heads, by word and by field.

    ``structured`` has the value of each structured column: ndarray of float64, shape (n_structured,).
    """

    terms: TermWeights
    names: tuple[str, ...]
    structured: NDArray[np.float64]

    @classmethod
    def of(cls, space: FeatureSpace, example: Example) -> Evidence:
        """Take an example apart."""
        return cls(
            terms=space.vectorizer.take_apart(example.text),
            names=space.structured.names,
            structured=space.structured.transform([example.ticket])[0].astype(np.float64) * space.structured_weight,
        )

    def contributions(self, head: LinearHead, outputs: NDArray[np.float64]) -> dict[str, float]:
        """What each word, phrase and field adds to ``head.scores @ outputs``.

        Parameters
        ----------
        outputs : ndarray of float64, shape (n_outputs,)
            Factor of each of the head's scores; a single 1 picks a score.
        """
        phrases = self.terms.contributions(head.sparse_weights, outputs)
        found = {_label(phrase): share for phrase, share in phrases.items()}
        # The structured columns are the last of the dense ones: the embedding comes before them.
        n_dense = len(head.dense_weights) - len(self.names)
        for column in np.flatnonzero(self.structured).tolist():
            weights = head.dense_weights[n_dense + column]
            found[self.names[column]] = float(self.structured[column] * (weights @ outputs))
        return found


def explained(triage: Triage, example: Example, prediction: Prediction) -> Prediction:
    """The same prediction with the reasons of each of its answers."""
    evidence = Evidence.of(triage.space, example)
    return replace(
        prediction,
        category=_with_target_reasons(evidence, triage.category, prediction.category),
        severity=_with_severity_reasons(evidence, triage.severity, prediction.severity),
        targets={
            name: _with_target_reasons(evidence, triage.targets[name], answer)
            for name, answer in prediction.targets.items()
        },
    )


def _with_target_reasons(evidence: Evidence, model: TargetModel | None, answer: TargetAnswer) -> TargetAnswer:
    if model is None:
        return answer
    outputs = np.zeros(len(model.classes))
    outputs[_explained_classes(model, answer)] = 1.0
    return answer.model_copy(update={"why": _strongest(evidence.contributions(model.head, outputs))})


def _explained_classes(model: TargetModel, answer: TargetAnswer) -> list[int]:
    """Numbers of the classes that an answer stands for: all of a parent's, else the most likely one."""
    if answer.is_parent:
        return [number for parent in model.parents if parent.value == answer.value for number in parent.classes]
    return [model.classes.index(answer.first_guess.value)] if answer.first_guess is not None else []


def _with_severity_reasons(evidence: Evidence, model: SeverityModel | None, answer: SeverityAnswer) -> SeverityAnswer:
    level = answer.value or answer.most_likely
    if model is None or level is None:
        return answer
    return answer.model_copy(
        update={"why": _strongest(evidence.contributions(model.head, towards(level, model.stage)))}
    )


def towards(level: Severity, stage: SecondStage) -> NDArray[np.float64]:
    """Factors of the heads' scores that add up to what speaks for a level, against the average of the levels.

    Returns
    -------
    ndarray of float64, shape (3,)
    """
    heads = stage.weights[:N_HEADS] * stage.by_scale[:N_HEADS, None]
    return np.asarray(heads[:, SEVERITIES.index(level)] - heads.mean(axis=1), dtype=np.float64)


def _strongest(contributions: Mapping[str, float]) -> list[str]:
    """The names that add most, without those that add nothing; ties by name."""
    order = sorted(contributions.items(), key=lambda item: (-item[1], item[0]))
    return [_cut(name) for name, share in order[:MAX_REASONS] if share > 0]


def _label(phrase: str) -> str:
    return f'{"phrase" if " " in phrase else "word"} "{phrase}"'


def _cut(name: str) -> str:
    return name if len(name) <= _MAX_SHOWN else name[:_MAX_SHOWN] + "…"
