"""Category, severity and further targets of a ticket, from the numbers of a release.

Severity is ordinal: three heads give the cumulative probabilities P(severity <= sev1..sev3), each calibrated, made to
rise from one to the next (Frank and Hall, ECML 2001); the answered level minimises expected cost.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import ReleaseRefused
from features.feature_space import Example, FeatureRows, FeatureSpace
from features.language import LANGUAGE_RULES, ticket_language
from features.release import Release
from features.ticket import SEVERITIES, Severity
from serving.decision import Thresholds, decide, ranked, too_little_text
from serving.heads import LinearHead, sigmoid, softmax
from serving.schemas import Action, SeverityAnswer, TargetAnswer

CATEGORY = "category"


@dataclass(frozen=True, slots=True)
class TargetModel:
    """A categorical target: one linear score a class, a temperature, thresholds."""

    classes: tuple[str, ...]
    head: LinearHead
    temperature: float
    thresholds: Thresholds
    rare: frozenset[str]

    def probabilities(self, rows: FeatureRows) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (n, n_classes)."""
        return softmax(self.head.scores(rows), self.temperature)


@dataclass(frozen=True, slots=True)
class SeverityModel:
    """Cumulative heads, their Platt calibration (shape (3, 2): slope and offset), costs and the Sev1 threshold.

    ``costs[truth][answer]``, sev1 to sev4, is the cost of an answer; ``sev1_threshold`` is a probability.
    """

    head: LinearHead
    platt: NDArray[np.float64]
    costs: NDArray[np.float64]
    thresholds: Thresholds
    sev1_threshold: float

    def probabilities(self, rows: FeatureRows) -> NDArray[np.float64]:
        """Probabilities of sev1 to sev4, shape (n, 4)."""
        scores = self.head.scores(rows).astype(np.float64)
        cumulative = sigmoid(scores * self.platt[:, 0] + self.platt[:, 1])
        cumulative = np.maximum.accumulate(cumulative, axis=1)
        edges = np.hstack([np.zeros((len(cumulative), 1)), cumulative, np.ones((len(cumulative), 1))])
        return np.asarray(np.diff(edges, axis=1), dtype=np.float64)

    def cheapest(self, probabilities: NDArray[np.float64]) -> NDArray[np.intp]:
        """Level of least expected cost for each row of probabilities; shape (n,)."""
        return np.asarray(np.argmin(probabilities @ self.costs, axis=1))


@dataclass(frozen=True, slots=True)
class Novelty:
    """When a ticket is unlike all history: top probability plus ``weight`` times the mean cosine of the five nearest.

    A release without enough rows to set ``threshold`` calls nothing new.
    """

    weight: float
    threshold: float | None

    N_NEAREST = 5

    def score(self, confidence: float, nearest: Sequence[float]) -> float:
        """Familiarity: high for what is known, low for what is new."""
        return confidence + self.weight * (float(np.mean(nearest)) if len(nearest) else 0.0)

    def is_novel(self, confidence: float, nearest: Sequence[float]) -> bool:
        """Whether the familiarity lies below the threshold."""
        return self.threshold is not None and self.score(confidence, nearest) < self.threshold


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the models say of one ticket."""

    category: TargetAnswer
    severity: SeverityAnswer
    targets: dict[str, TargetAnswer]
    novel: bool


@dataclass(frozen=True, slots=True)
class Triage:
    """The predicting part of a release. ``category`` or ``severity`` is None where the history had no such labels.

    ``languages`` are those learned from, as ISO 639-1 codes; where none is known, tickets in every one are answered.
    """

    space: FeatureSpace
    category: TargetModel | None
    severity: SeverityModel | None
    targets: Mapping[str, TargetModel]
    novelty: Novelty
    languages: frozenset[str] = frozenset()

    @classmethod
    def from_release(cls, release: Release) -> Triage:
        """Read the models of a checked release.

        Raises
        ------
        ReleaseRefused
            If shapes of weights and feature space do not fit each other.
        """
        arrays = release.arrays("vectorizer")
        space = FeatureSpace.from_parts(arrays, release.json("vectorizer"))
        models = release.json("models")
        novelty = release.json("novelty")
        triage = cls(
            space=space,
            category=_load_target(release, CATEGORY) if models["category"] else None,
            severity=_load_severity(release) if models["severity"] else None,
            targets={name: _load_target(release, part) for name, part in models["targets"].items()},
            novelty=Novelty(weight=novelty["weight"], threshold=novelty["threshold"]),
            languages=frozenset(models.get("languages", {}).get(LANGUAGE_RULES, ())),
        )
        triage._check_shapes(release.id)
        return triage

    def _check_shapes(self, release_id: str) -> None:
        heads = [
            (name, model.head, len(model.classes))
            for name, model in ((CATEGORY, self.category), *self.targets.items())
            if model is not None
        ]
        if self.severity is not None:
            heads.append(("severity", self.severity.head, len(SEVERITIES) - 1))
        # The length of embeddings is the encoder's affair; that all heads read the same ones shows here.
        n_dense = {len(head.dense_weights) for _, head, _ in heads}
        for name, head, n_outputs in heads:
            expected = (self.space.vectorizer.n_columns, n_outputs)
            if head.sparse_weights.shape != expected or len(head.intercept) != n_outputs or len(n_dense) > 1:
                raise ReleaseRefused(
                    f"Release {release_id} has {name} weights of shape {head.sparse_weights.shape} where its "
                    f"vocabulary and classes need {expected}; train again or promote another release."
                )

    def predict(self, examples: Sequence[Example], nearest: Sequence[Sequence[float]]) -> list[Prediction]:
        """Predict tickets, each on its own.

        Parameters
        ----------
        examples : sequence of Example, length n
        nearest : sequence of sequence of float, length n
            Cosines of the (up to) five nearest cases of each, for novelty.
        """
        if not examples:
            return []
        rows = self.space.transform(examples)
        category = self.category.probabilities(rows) if self.category else None
        severity = self.severity.probabilities(rows) if self.severity else None
        targets = {name: model.probabilities(rows) for name, model in self.targets.items()}
        return [
            self._answer(
                example,
                nearest[i],
                category[i] if category is not None else None,
                severity[i] if severity is not None else None,
                {name: values[i] for name, values in targets.items()},
            )
            for i, example in enumerate(examples)
        ]

    def _answer(
        self,
        example: Example,
        nearest: Sequence[float],
        category: NDArray[np.float64] | None,
        severity: NDArray[np.float64] | None,
        targets: Mapping[str, NDArray[np.float64]],
    ) -> Prediction:
        empty = too_little_text(example.text.text)
        novel = not empty and category is not None and self.novelty.is_novel(float(category.max()), nearest)
        unread = "too_little_text" if empty else "language_not_trained" if self._is_foreign(example) else None
        blocked = unread or ("unlike_history" if novel else None)
        return Prediction(
            category=self._answer_target(self.category, category, blocked),
            severity=self._answer_severity(severity, unread),
            targets={
                name: self._answer_target(self.targets[name], values, blocked) for name, values in targets.items()
            },
            novel=novel,
        )

    def _is_foreign(self, example: Example) -> bool:
        if not self.languages:
            return False
        return (ticket_language(example.ticket, example.text) or "") not in {"", *self.languages}

    def _answer_target(
        self, model: TargetModel | None, probabilities: NDArray[np.float64] | None, blocked: str | None
    ) -> TargetAnswer:
        if model is None or probabilities is None:
            return TargetAnswer(value=None, confidence=0.0, action=Action.ABSTAIN, reason="not_trained")
        return decide(model.classes, probabilities, model.thresholds, blocked=blocked, never_automate=model.rare)

    def _answer_severity(self, probabilities: NDArray[np.float64] | None, blocked: str | None) -> SeverityAnswer:
        model = self.severity
        if model is None or probabilities is None:
            return SeverityAnswer(
                value=None,
                most_likely=None,
                confidence=0.0,
                action=Action.ABSTAIN,
                reason="not_trained",
                sev1_flag=False,
                sev1_risk=0.0,
            )
        order = ranked([str(level) for level in SEVERITIES], probabilities)
        most_likely = Severity(order[0].value)
        value = SEVERITIES[int(model.cheapest(probabilities[None, :])[0])]
        risk = float(probabilities[0])
        action = Action.ABSTAIN if blocked else model.thresholds.action(order[0].confidence)
        # A level that is answered because misses are dear, not because it is probable, is for a person to confirm.
        if action is Action.AUTOMATE and value != most_likely:
            action = Action.SUGGEST
        abstains = action is Action.ABSTAIN
        return SeverityAnswer(
            value=None if abstains else value,
            most_likely=most_likely,
            confidence=order[0].confidence,
            action=action,
            reason=(blocked or "low_confidence") if abstains else None,
            # In a language not learned, the error codes and names that are left may still tell of an outage.
            sev1_flag=blocked != "too_little_text" and risk >= model.sev1_threshold,
            sev1_risk=round(risk, 4),
            alternatives=order,
        )


def _load_target(release: Release, part: str) -> TargetModel:
    config = release.json(part)
    return TargetModel(
        classes=tuple(config["classes"]),
        head=LinearHead.from_arrays(release.arrays(part)),
        temperature=float(config["temperature"]),
        thresholds=Thresholds(**config["thresholds"]),
        rare=frozenset(config["rare"]),
    )


def _load_severity(release: Release) -> SeverityModel:
    config = release.json("severity")
    return SeverityModel(
        head=LinearHead.from_arrays(release.arrays("severity")),
        platt=np.array(config["platt"], dtype=np.float64),
        costs=np.array(config["costs"], dtype=np.float64),
        thresholds=Thresholds(**config["thresholds"]),
        sev1_threshold=float(config["sev1_threshold"]),
    )
