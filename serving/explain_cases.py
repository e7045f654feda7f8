"""The nearest cases that have the answered label, as reasons: those that the caller may see."""

from __future__ import annotations

from collections.abc import Collection

from serving.near_cases import NearCases, may_see
from serving.neighbours import Neighbours
from serving.target_model import TargetModel

MAX_CASES = 3


def labelled_cases(
    model: TargetModel,
    classes: Collection[int],
    near: NearCases,
    neighbours: Neighbours,
    groups: frozenset[str] | None,
) -> list[str]:
    """Name the nearest cases of some classes, nearest first, as ``case TCK-123 (Access > SSO, cosine 0.83)``.

    Parameters
    ----------
    classes : collection of int
        Numbers of the classes that were answered.
    neighbours : Neighbours
        Of the same cases.
    groups : frozenset of str or None
        Access groups of the caller; of a case that only others may see nothing is told.
    """
    codes = model.codes(neighbours)[0].tolist()
    shown = [
        f"case {entry.id} ({model.classes[code]}, cosine {cosine:.2f})"
        for entry, code, cosine in zip(near.entries, codes, near.cosines.tolist(), strict=True)
        if code in classes and may_see(entry.access_group, groups)
    ]
    return shown[:MAX_CASES]
