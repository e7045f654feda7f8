"""Groups of tickets about the same thing: each ticket joins the busiest ticket that it is near to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2_048
_SAMPLE = 1_000
_COPY = 0.999


@dataclass(frozen=True, slots=True, eq=False)
class Topic:
    """A group of tickets.

    Attributes
    ----------
    centre : int
        Number of the ticket that most others are near to.
    members : ndarray of int64, shape (n,)
        Numbers of all its tickets, the centre first, then by falling cosine to it.
    """

    centre: int
    members: NDArray[np.int64]


def topics(
    vectors: NDArray[np.float32], labels: Sequence[str | None], *, min_cosine: float, min_size: int
) -> list[Topic]:
    """Group tickets of the same label by their vectors, the largest group first.

    The ticket with most others within reach becomes a centre and takes those that no centre took before (leader
    clustering in order of density: Hartigan, Clustering Algorithms, 1975, chapter 3). So every ticket is near to its
    centre, groups are no chains, and the same tickets give the same groups.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, dimension), rows of length 1
    labels : sequence of str or None, length n
        A group never spans two; those without one are grouped by themselves.
    min_cosine : float
        How near a ticket is to its centre.
    min_size : int
        Smaller groups are left out.

    Examples
    --------
    >>> vectors = np.array([[1, 0], [1, 0], [0, 1], [0.8, 0.6]], dtype=np.float32)
    >>> [topic.members.tolist() for topic in topics(vectors, ["a"] * 4, min_cosine=0.7, min_size=2)]
    [[0, 1, 3]]
    """
    found = []
    for label in sorted(set(labels), key=lambda label: (label is not None, label or "")):
        numbers = np.array([number for number, own in enumerate(labels) if own == label])
        found += [
            Topic(int(numbers[topic.centre]), numbers[topic.members])
            for topic in _topics(vectors[numbers], min_cosine, min_size)
        ]
    return sorted(found, key=lambda topic: (-len(topic.members), topic.centre))


def usual_nearness(vectors: NDArray[np.float32]) -> float:
    """Median cosine of a ticket to the one nearest to it, among up to 1,000 spread evenly; 1 where there are not two.

    Tickets as near to each other are about the same thing in a history whose wording varies as much; that cosine is
    0.52 in ``data_samples/`` and 0.70 in the public Jira tickets. Copies say nothing of wording and are not looked at.
    """
    if len(vectors) < 2:
        return 1.0
    sample = np.linspace(0, len(vectors) - 1, min(len(vectors), _SAMPLE)).astype(np.int64)
    cosines = vectors[sample] @ vectors.T
    cosines[cosines > _COPY] = -1.0
    nearest = cosines.max(axis=1)
    return float(np.median(nearest[nearest > -1.0])) if (nearest > -1.0).any() else _COPY


def _topics(vectors: NDArray[np.float32], min_cosine: float, min_size: int) -> Iterator[Topic]:
    n_near = _count_near(vectors, min_cosine)
    is_free = np.ones(len(vectors), dtype=np.bool_)
    for centre in np.lexsort((np.arange(len(vectors)), -n_near)).tolist():
        # Later ones have no more neighbours than this one.
        if n_near[centre] < min_size:
            break
        if is_free[centre]:
            members = _near(vectors, np.flatnonzero(is_free), centre, min_cosine)
            if len(members) >= min_size:
                is_free[members] = False
                yield Topic(centre, members)


def _count_near(vectors: NDArray[np.float32], min_cosine: float) -> NDArray[np.int64]:
    """Number of tickets within reach of each, itself included."""
    blocks = (vectors[start : start + _BLOCK] for start in range(0, len(vectors), _BLOCK))
    counts = [np.count_nonzero(block @ vectors.T >= min_cosine, axis=1) for block in blocks]
    return np.concatenate(counts) if counts else np.empty(0, dtype=np.int64)


def _near(vectors: NDArray[np.float32], among: NDArray[np.int64], centre: int, min_cosine: float) -> NDArray[np.int64]:
    """Those of some tickets within reach of a centre: itself first, then by falling cosine."""
    cosines = vectors[among] @ vectors[centre]
    cosines[among == centre] = np.inf
    near = np.flatnonzero(cosines >= min_cosine)
    return among[near[np.argsort(-cosines[near], kind="stable")]]
