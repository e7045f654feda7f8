"""The ordinal severity of a ticket: what its words say, weighed with its past record and its form.

Three heads over the words give the log-odds of "at most sev1", "at most sev2", "at most sev3" (Frank and Hall, ECML
2001). A second stage, learned on what the heads say of tickets that they have not seen, turns these and the context
into calibrated probabilities of the four levels; their cumulative sums rise by construction. The answered level
minimises expected cost (Elkan, IJCAI 2001).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.feature_space import CONTEXT_NAMES, FeatureRows
from features.release import Release
from features.ticket import SEVERITIES
from serving.decision import Thresholds
from serving.heads import LinearHead, softmax

N_LEVELS = len(SEVERITIES)
N_HEADS = N_LEVELS - 1
N_INPUTS = N_HEADS + len(CONTEXT_NAMES)

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SecondStage:
    """From the heads' scores and the context to one score a level.

    Attributes
    ----------
    weights : ndarray of float64, shape (N_INPUTS, 4)
        Of the inputs as they are: first the three heads, then ``CONTEXT_NAMES``.
    intercept : ndarray of float64, shape (4,)
    """

    weights: Floats
    intercept: Floats

    def probabilities(self, inputs: Floats) -> Floats:
        """Probabilities of sev1 to sev4 of inputs of shape (n, N_INPUTS); shape (n, 4)."""
        # One row at a time, as in LinearHead.scores.
        scores = [row @ self.weights + self.intercept for row in inputs]
        return softmax(np.stack(scores)) if scores else np.empty((0, N_LEVELS))


@dataclass(frozen=True, slots=True)
class SeverityModel:
    """Heads, second stage, costs and thresholds.

    ``costs[truth][answer]``, sev1 to sev4, is the cost of an answer; ``sev1_threshold`` is a probability.
    """

    head: LinearHead
    stage: SecondStage
    costs: Floats
    thresholds: Thresholds
    sev1_threshold: float

    def inputs(self, rows: FeatureRows) -> Floats:
        """What the second stage reads, shape (n, N_INPUTS)."""
        return np.hstack([self.head.scores(rows).astype(np.float64), rows.context])

    def probabilities(self, rows: FeatureRows) -> Floats:
        """Calibrated probabilities of sev1 to sev4, shape (n, 4)."""
        return self.stage.probabilities(self.inputs(rows))

    def cheapest(self, probabilities: Floats) -> NDArray[np.intp]:
        """Level of least expected cost for each row of probabilities; shape (n,)."""
        return np.asarray(np.argmin(probabilities @ self.costs, axis=1))

    def to_arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The arrays that :meth:`from_release` reads."""
        return {
            **self.head.to_arrays(),
            "stage_weights": self.stage.weights,
            "stage_intercept": self.stage.intercept,
            "costs": self.costs,
        }

    def to_json(self) -> dict[str, object]:
        """What :meth:`from_release` reads beside the arrays."""
        return {
            "inputs": list(CONTEXT_NAMES),
            "thresholds": self.thresholds.to_json(),
            "sev1_threshold": self.sev1_threshold,
        }

    @classmethod
    def from_release(cls, release: Release) -> SeverityModel:
        """Read the severity model of a release."""
        config, arrays = release.json("severity"), release.arrays("severity")
        return cls(
            head=LinearHead.from_arrays(arrays),
            stage=SecondStage(arrays["stage_weights"].astype(np.float64), arrays["stage_intercept"].astype(np.float64)),
            costs=arrays["costs"].astype(np.float64),
            thresholds=Thresholds(**config["thresholds"]),
            sev1_threshold=float(config["sev1_threshold"]),
        )
