"""Category, severity and further targets of a ticket, from the numbers of a release."""

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
from serving.decision import decide, ranked, too_little_text, why_low
from serving.heads import softmax
from serving.neighbours import Neighbours
from serving.novelty import SIGNALS, Novelty, signals
from serving.schemas import Action, SeverityAnswer, TargetAnswer
from serving.severity_model import N_HEADS, N_INPUTS, N_LEVELS, SeverityModel
from serving.target_model import TargetModel

CATEGORY = "category"


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
    novelty: Novelty | None
    languages: frozenset[str] = frozenset()

    @classmethod
    def from_release(cls, release: Release) -> Triage:
        """Read the models of a checked release.

        Raises
        ------
        ReleaseRefused
            If shapes of weights and feature space do not fit each other.
        """
        space = FeatureSpace.from_parts(release.arrays("vectorizer"), release.json("vectorizer"))
        models = release.json("models")
        category = TargetModel.from_release(release, CATEGORY) if models["category"] else None
        triage = cls(
            space=space,
            category=category,
            severity=SeverityModel.from_release(release) if models["severity"] else None,
            targets={name: TargetModel.from_release(release, part) for name, part in models["targets"].items()},
            novelty=Novelty.from_release(release) if category is not None else None,
            languages=frozenset(models.get("languages", {}).get(LANGUAGE_RULES, ())),
        )
        triage._check_shapes(release.id)
        triage._check_stage(release.id)
        return triage

    def _check_shapes(self, release_id: str) -> None:
        heads = [
            (name, model.head, len(model.classes))
            for name, model in ((CATEGORY, self.category), *self.targets.items())
            if model is not None
        ]
        if self.severity is not None:
            heads.append(("severity", self.severity.head, N_HEADS))
        # The length of embeddings is the encoder's affair; that all heads read the same ones shows here.
        n_dense = {len(head.dense_weights) for _, head, _ in heads}
        for name, head, n_outputs in heads:
            expected = (self.space.vectorizer.n_columns, n_outputs)
            if head.sparse_weights.shape != expected or len(head.intercept) != n_outputs or len(n_dense) > 1:
                raise ReleaseRefused(
                    f"Release {release_id} has {name} weights of shape {head.sparse_weights.shape} where its "
                    f"vocabulary and classes need {expected}; train again or promote another release."
                )

    def _check_stage(self, release_id: str) -> None:
        found: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
        if self.severity is not None:
            found["severity stage"] = (self.severity.stage.weights.shape, (N_INPUTS, N_LEVELS))
        if self.novelty is not None and self.category is not None:
            found["novelty form"] = (self.novelty.familiarity.form.shape, (1 + len(SIGNALS), 1 + len(SIGNALS)))
            n_classes = len(self.category.classes)
            found["novelty centroids"] = (self.novelty.centroids.shape[:1], (n_classes,))
        for name, (shape, expected) in found.items():
            if shape != expected:
                raise ReleaseRefused(
                    f"Release {release_id} has {name} of shape {shape} where this version reads {expected}; "
                    "train again or promote another release."
                )

    def predict(self, examples: Sequence[Example], neighbours: Neighbours) -> list[Prediction]:
        """Predict tickets, each on its own.

        Parameters
        ----------
        examples : sequence of Example, length n
        neighbours : Neighbours
            The nearest cases of each, without itself.
        """
        if not examples:
            return []
        rows = self.space.transform(examples)
        scores = self.category.scores(rows, neighbours) if self.category else None
        category = softmax(scores) if scores is not None else None
        severity = self.severity.probabilities(rows, neighbours) if self.severity else None
        targets = {name: model.probabilities(rows, neighbours) for name, model in self.targets.items()}
        novel = self._novel(scores, rows, neighbours)
        return [
            self._answer(
                example,
                bool(novel[i]),
                category[i] if category is not None else None,
                severity[i] if severity is not None else None,
                {name: values[i] for name, values in targets.items()},
            )
            for i, example in enumerate(examples)
        ]

    def _novel(
        self, scores: NDArray[np.float64] | None, rows: FeatureRows, neighbours: Neighbours
    ) -> NDArray[np.bool_]:
        if self.novelty is None or self.category is None or scores is None:
            return np.zeros(len(rows), dtype=np.bool_)
        return self.novelty.is_novel(signals(scores, self.novelty.centroid_cosines(rows), neighbours, self.category))

    def _answer(
        self,
        example: Example,
        is_novel: bool,
        category: NDArray[np.float64] | None,
        severity: NDArray[np.float64] | None,
        targets: Mapping[str, NDArray[np.float64]],
    ) -> Prediction:
        empty = too_little_text(example.text.text)
        novel = is_novel and not empty
        unread = "too_little_text" if empty else "language_not_trained" if self._is_foreign(example) else None
        blocked = unread or ("unlike_history" if novel else None)
        return Prediction(
            category=self._answer_target(self.category, category, blocked),
            severity=self.answer_severity(severity, unread, is_novel=novel),
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
        return decide(
            model.classes,
            probabilities,
            model.thresholds,
            class_thresholds=model.class_thresholds,
            blocked=blocked,
            never_automate=model.rare,
            parents=model.parents,
            sure_from=model.sure_from,
        )

    def answer_severity(
        self, probabilities: NDArray[np.float64] | None, blocked: str | None = None, *, is_novel: bool = False
    ) -> SeverityAnswer:
        """The answer for probabilities of sev1 to sev4, shape (4,).

        ``blocked`` is a reason not to give one. That of a novel ticket, of which the history knows little, is for a
        person to confirm.
        """
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
        action = Action.ABSTAIN if blocked else model.thresholds.action(float(probabilities.max()))
        is_flagged = risk >= model.sev1_threshold
        # A level that is answered because misses are dear, not because it is probable, is for a person to confirm, and
        # so is a milder one beside the flag.
        is_doubtful = is_novel or value != most_likely or (is_flagged and value is not Severity.SEV1)
        if action is Action.AUTOMATE and is_doubtful:
            action = Action.SUGGEST
        abstains = action is Action.ABSTAIN
        return SeverityAnswer(
            value=None if abstains else value,
            most_likely=most_likely,
            confidence=order[0].confidence,
            action=action,
            reason=(blocked or why_low(model.thresholds, "severity")) if abstains else None,
            # Its promise is of every ticket: one that says "OUTAGE" and nothing more, or says it in a language that was
            # not learned, may be a Sev1.
            sev1_flag=is_flagged,
            sev1_risk=round(risk, 4),
            # What was promised is of the languages that were learned.
            sev1_certified=model.sev1_certified and blocked != "language_not_trained",
            alternatives=order,
        )
