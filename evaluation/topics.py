"""Groups of tickets about the same thing: each ticket joins the busiest ticket that it is near to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2_048
_SAMPLE = 1_000


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
    0.52 in ``data_samples/`` and 0.70 in the public Jira tickets.
    """
    if len(vectors) < 2:
        return 1.0
    sample = np.linspace(0, len(vectors) - 1, min(len(vectors), _SAMPLE)).astype(np.int64)
    cosines = vectors[sample] @ vectors.T
    cosines[np.arange(len(sample)), sample] = -1.0
    return float(np.median(cosines.max(axis=1)))


def _topics(vectors: NDArray[np.float32], min_cosine: float, min_size: int) -> Iterator[Topic]:
    near = _neighbours(vectors, min_cosine)
    order = sorted(range(len(near)), key=lambda number: (-len(near[number]), number))
    is_free = np.ones(len(near), dtype=np.bool_)
    for centre in order:
        # Later ones have no more neighbours than this one.
        if len(near[centre]) < min_size:
            break
        members = near[centre][is_free[near[centre]]] if is_free[centre] else near[centre][:0]
        if len(members) >= min_size:
            is_free[members] = False
            yield Topic(centre, members)


def _neighbours(vectors: NDArray[np.float32], min_cosine: float) -> list[NDArray[np.int64]]:
    """For each ticket those within reach, itself first, then by falling cosine."""
    found = []
    for start in range(0, len(vectors), _BLOCK):
        block = vectors[start : start + _BLOCK]
        cosines = block @ vectors.T
        cosines[np.arange(len(block)), np.arange(start, start + len(block))] = np.inf
        for row in cosines:
            near = np.flatnonzero(row >= min_cosine)
            found.append(near[np.argsort(-row[near], kind="stable")])
    return found
