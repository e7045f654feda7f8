"""The parent of labels such as ``Access > SSO``: what is answered where no single label is probable enough."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Below this a label is as good as ruled out, and its parent would only be the one label that is left.
_SOME = 0.01


@dataclass(frozen=True, slots=True)
class Parent:
    """A label that stands above others.

    Attributes
    ----------
    value : str
        Its name. Tickets may be labelled with it as well; then it is itself among the classes it stands for.
    depth : int
        Parts of its name: 1 is the top.
    classes : tuple of int
        Numbers of the classes at or below it, at least two.
    """

    value: str
    depth: int
    classes: tuple[int, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Parent:
        """Read a parent as a release has it."""
        return cls(value["value"], value["depth"], tuple(value["classes"]))

    def to_json(self) -> dict[str, Any]:
        """The parent for a release."""
        return {"value": self.value, "depth": self.depth, "classes": list(self.classes)}


def likeliest_parent(
    parents: Iterable[Parent], probabilities: NDArray[np.float64], at_least: float
) -> tuple[Parent, float] | None:
    """Find the deepest parent that is probable enough, with its probability; of equally deep ones the most probable.

    Parameters
    ----------
    probabilities : ndarray of float64, shape (n_classes,)
        Calibrated; a parent's is the sum of those of its classes, at least two of which must have one per cent.
    at_least : float
        Smallest probability to answer with: the target's common threshold to suggest (a parent has none of its own).
    """
    found = [(parent, _sum(probabilities, parent.classes)) for parent in parents]
    probable = [
        (parent, confidence)
        for parent, confidence in found
        if confidence >= at_least and (probabilities[list(parent.classes)] >= _SOME).sum() >= 2
    ]
    return min(probable, key=lambda each: (-each[0].depth, -each[1], each[0].value), default=None)


def _sum(probabilities: NDArray[np.float64], classes: Sequence[int]) -> float:
    return float(probabilities[list(classes)].sum())
