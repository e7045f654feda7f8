"""A categorical target (category, or any further one): linear scores and the vote of the nearest cases, calibrated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from features.feature_space import FeatureRows
from features.release import Release
from serving.decision import Thresholds
from serving.heads import LinearHead, softmax
from serving.neighbours import Neighbours, Vote
from serving.parents import Parent


@dataclass(frozen=True, slots=True)
class TargetModel:
    """One score a class: log-odds up to a constant, so that their softmax is the calibrated probability.

    Attributes
    ----------
    name : str
        The target, by which neighbours have their labels.
    thresholds : Thresholds
        Over all classes alike; a parent is answered by them, and so is a class without some of its own.
    class_thresholds : mapping of str to Thresholds
        Of every class, where there were calibration rows enough.
    rare : frozenset of str
        Classes with too few examples to be acted on unseen.
    parents : tuple of Parent
        The labels above the classes, which are answered where no class is sure enough.
    sure_from : float
        Probability from which a class is suggested even if its parent is surer: the precision that was asked for.
    sources : mapping of str to str
        Labels of the history that were cleaned, with the class that each became: neighbours have them as they were.
    """

    name: str
    classes: tuple[str, ...]
    head: LinearHead
    vote: Vote
    thresholds: Thresholds
    class_thresholds: Mapping[str, Thresholds] = field(default_factory=dict)
    rare: frozenset[str] = frozenset()
    parents: tuple[Parent, ...] = ()
    sure_from: float = 0.0
    sources: Mapping[str, str] = field(default_factory=dict)

    def scores(self, rows: FeatureRows, neighbours: Neighbours) -> NDArray[np.float64]:
        """Scores, shape (n, n_classes)."""
        votes = self.vote.scores(neighbours.cosines, self.codes(neighbours), len(self.classes))
        return self.head.scores(rows) + votes

    def codes(self, neighbours: Neighbours) -> NDArray[np.int64]:
        """Class number of each neighbour, -1 for none; shape (n, k)."""
        return neighbours.codes(self.name, self.classes, self.sources)

    def probabilities(self, rows: FeatureRows, neighbours: Neighbours) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (n, n_classes)."""
        return softmax(self.scores(rows, neighbours))

    def to_json(self) -> dict[str, Any]:
        """What :meth:`from_release` reads beside the head's arrays."""
        return {
            "name": self.name,
            "classes": list(self.classes),
            "vote": {"temperature": self.vote.temperature, "weight": self.vote.weight},
            "thresholds": self.thresholds.to_json(),
            "class_thresholds": {name: found.to_json() for name, found in sorted(self.class_thresholds.items())},
            "rare": sorted(self.rare),
            "parents": [parent.to_json() for parent in self.parents],
            "sure_from": self.sure_from,
            "sources": dict(sorted(self.sources.items())),
        }

    @classmethod
    def from_release(cls, release: Release, part: str) -> TargetModel:
        """Read the model of a release's part."""
        config = release.json(part)
        return cls(
            name=config["name"],
            classes=tuple(config["classes"]),
            head=LinearHead.from_arrays(release.arrays(part)),
            vote=Vote(**config["vote"]),
            thresholds=Thresholds(**config["thresholds"]),
            class_thresholds={name: Thresholds(**found) for name, found in config["class_thresholds"].items()},
            rare=frozenset(config["rare"]),
            parents=tuple(map(Parent.from_json, config["parents"])),
            sure_from=config["sure_from"],
            sources=config["sources"],
        )
