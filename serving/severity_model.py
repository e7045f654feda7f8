"""The ordinal severity of a ticket: what its words and the nearest cases say, weighed with past record and form.

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

from features.errors import ReleaseRefused
from features.feature_space import CONTEXT_NAMES, FeatureRows
from features.release import Release
from features.ticket import SEVERITIES
from serving.decision import Thresholds
from serving.heads import LinearHead, softmax
from serving.neighbours import Neighbours, nearest_cosine, vote_shares

N_LEVELS = len(SEVERITIES)
N_HEADS = N_LEVELS - 1
SEVERITY = "severity"
VOTE_NAMES: tuple[str, ...] = (*(f"neighbours_{level}" for level in SEVERITIES), "nearest_cosine")
INPUT_NAMES: tuple[str, ...] = (
    *(f"words_at_most_{level}" for level in SEVERITIES[:N_HEADS]),
    *VOTE_NAMES,
    *CONTEXT_NAMES,
)
N_INPUTS = len(INPUT_NAMES)

_LEVELS = tuple(str(level) for level in SEVERITIES)
MOST = 3.0
_VOTE_TEMPERATURE = 0.1
LEAST_SHARE = 0.02

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SecondStage:
    """From the heads' scores and the context to one score a level.

    Attributes
    ----------
    mean, by_scale : ndarray of float64, shape (N_INPUTS,)
        Mean of each input, in the order of ``INPUT_NAMES``, and one over its standard deviation; 0 for an input that
        never varied.
    weights : ndarray of float64, shape (N_INPUTS, 4)
        Of the standard inputs.
    intercept : ndarray of float64, shape (4,)
    """

    mean: Floats
    by_scale: Floats
    weights: Floats
    intercept: Floats

    def standard(self, inputs: Floats) -> Floats:
        """Inputs in standard deviations from the mean, held within ``MOST``: nothing is known of what lies beyond."""
        return np.clip((inputs - self.mean) * self.by_scale, -MOST, MOST)

    def probabilities(self, inputs: Floats) -> Floats:
        """Probabilities of sev1 to sev4 of inputs of shape (n, N_INPUTS); shape (n, 4)."""
        # One row at a time, as in LinearHead.scores.
        scores = [row @ self.weights + self.intercept for row in self.standard(inputs)]
        return softmax(np.stack(scores)) if scores else np.empty((0, N_LEVELS))


@dataclass(frozen=True, slots=True)
class SeverityModel:
    """Heads, second stage, costs and thresholds.

    ``costs[truth][answer]``, sev1 to sev4, is the cost of an answer; ``sev1_threshold`` is a probability, and
    ``sev1_certified`` says whether it comes with a promised recall.
    """

    head: LinearHead
    stage: SecondStage
    costs: Floats
    thresholds: Thresholds
    sev1_threshold: float
    sev1_certified: bool = False

    def probabilities(self, rows: FeatureRows, neighbours: Neighbours) -> Floats:
        """Calibrated probabilities of sev1 to sev4, shape (n, 4)."""
        return self.stage.probabilities(stage_inputs(self.head.scores(rows), rows, neighbours))

    def cheapest(self, probabilities: Floats) -> NDArray[np.intp]:
        """Level of least expected cost for each row of probabilities; shape (n,)."""
        return np.asarray(np.argmin(probabilities @ self.costs, axis=1))

    def to_arrays(self) -> Mapping[str, NDArray[np.generic]]:
        """The arrays that :meth:`from_release` reads."""
        return {
            **self.head.to_arrays(),
            "stage_mean": self.stage.mean,
            "stage_by_scale": self.stage.by_scale,
            "stage_weights": self.stage.weights,
            "stage_intercept": self.stage.intercept,
            "costs": self.costs,
        }

    def to_json(self) -> dict[str, object]:
        """What :meth:`from_release` reads beside the arrays."""
        return {
            "inputs": list(INPUT_NAMES),
            "thresholds": self.thresholds.to_json(),
            "sev1_threshold": self.sev1_threshold,
            "sev1_certified": self.sev1_certified,
        }

    @classmethod
    def from_release(cls, release: Release) -> SeverityModel:
        """Read the severity model of a release.

        Raises
        ------
        ReleaseRefused
            If its second stage was fitted on other inputs than this version computes.
        """
        config, arrays = release.json("severity"), release.arrays("severity")
        if config["inputs"] != list(INPUT_NAMES):
            other = sorted({*config["inputs"]} ^ {*INPUT_NAMES}) or ["the same in another order"]
            raise ReleaseRefused(
                f"Release {release.id} weighs other signals of severity than this version of Precedent computes "
                f"({', '.join(other)}); train again, or serve it with the version that wrote it."
            )
        return cls(
            head=LinearHead.from_arrays(arrays),
            stage=SecondStage(
                **{name: arrays[f"stage_{name}"].astype(np.float64) for name in SecondStage.__dataclass_fields__}
            ),
            costs=arrays["costs"].astype(np.float64),
            thresholds=Thresholds(**config["thresholds"]),
            sev1_threshold=float(config["sev1_threshold"]),
            # Releases made before it was kept promise nothing here; their report does.
            sev1_certified=bool(config.get("sev1_certified", False)),
        )


def stage_inputs(scores: NDArray[np.floating], rows: FeatureRows, neighbours: Neighbours) -> Floats:
    """What the second stage reads, shape (n, N_INPUTS).

    Parameters
    ----------
    scores : ndarray of float, shape (n, 3)
        Of the heads.
    neighbours : Neighbours
        Cases that were there before each row, with their severities under ``severity``.
    """
    shares = vote_shares(neighbours.cosines, neighbours.codes(SEVERITY, _LEVELS), N_LEVELS, _VOTE_TEMPERATURE)
    return np.hstack(
        [
            np.asarray(scores, dtype=np.float64).reshape(len(rows), N_HEADS),
            np.log(shares + LEAST_SHARE),
            nearest_cosine(neighbours)[:, None],
            rows.context,
        ]
    )
