"""The nearest cases of a ticket by embedding, and how they vote on its labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

N_NEIGHBOURS = 50
_LEAST_SHARE = 0.01
"""Added to every share of a vote before the logarithm: no neighbour with a label does not make the label impossible."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Neighbours:
    """The nearest cases of n tickets.

    Attributes
    ----------
    cosines : ndarray of float32, shape (n, k)
        Falling; k is at most ``N_NEIGHBOURS``, less where fewer cases are known.
    numbers : ndarray of int64, shape (n, k)
        Which case each is: its place in the labels.
    labels : mapping of str to sequence of str or None
        Label of each case, by target; None where unknown.
    """

    cosines: NDArray[np.float32]
    numbers: NDArray[np.int64]
    labels: Mapping[str, Sequence[str | None]]

    def __len__(self) -> int:
        return len(self.cosines)

    def codes(self, target: str, classes: Sequence[str], sources: Mapping[str, str] | None = None) -> NDArray[np.int64]:
        """Class number of each neighbour, -1 for none of them; shape (n, k).

        Parameters
        ----------
        sources : mapping of str to str, optional
            Labels that the source writes otherwise, with the class that each stands for.
        """
        number = {label: i for i, label in enumerate(classes)}
        number |= {label: number[name] for label, name in (sources or {}).items() if name in number}
        labels = self.labels.get(target, ())
        known = np.array([-1 if label is None else number.get(label, -1) for label in labels], dtype=np.int64)
        return known[self.numbers] if len(known) else np.full(self.numbers.shape, -1, dtype=np.int64)


@dataclass(frozen=True, slots=True)
class Vote:
    """Votes of the nearest cases, each counting by its cosine, as evidence beside a linear model's.

    Attributes
    ----------
    temperature : float
        Difference in cosine at which a vote counts 1/e of the nearest one's.
    weight : float
        Factor of the logarithm of the shares in the score of a class.
    """

    temperature: float
    weight: float

    def scores(self, cosines: NDArray[np.float32], codes: NDArray[np.int64], n_classes: int) -> Floats:
        """What the vote of neighbours of the given classes adds to the score of each class, shape (n, n_classes)."""
        shares = vote_shares(cosines, codes, n_classes, self.temperature)
        return self.weight * np.log(shares + _LEAST_SHARE)


def nearest_cosine(neighbours: Neighbours) -> Floats:
    """Cosine of the nearest case of each ticket, 0 where there is none, or none on its side; shape (n,)."""
    cosines = neighbours.cosines.astype(np.float64)
    return np.maximum(cosines[:, 0], 0.0) if cosines.shape[1] else np.zeros(len(cosines))


def vote_shares(cosines: NDArray[np.float32], codes: NDArray[np.int64], n_classes: int, temperature: float) -> Floats:
    """Share of each class in the vote of the nearest cases that have a label.

    Parameters
    ----------
    cosines : ndarray of float32, shape (n, k)
    codes : ndarray of int64, shape (n, k)
        Class of each neighbour; -1 does not vote.

    Returns
    -------
    ndarray of float64, shape (n, n_classes)
        Rows sum to 1, or are even where nobody votes.

    Examples
    --------
    >>> vote_shares(np.array([[0.9, 0.9, 0.8]], np.float32), np.array([[1, -1, 1]]), 2, 0.1).tolist()
    [[0.0, 1.0]]
    """
    n = len(cosines)
    shares = np.zeros((n, n_classes))
    if cosines.shape[1]:
        # Relative to the nearest one, so that far neighbours of a far ticket still vote.
        weights = np.exp((cosines.astype(np.float64) - cosines[:, :1]) / temperature)
        rows, places = np.nonzero(codes >= 0)
        np.add.at(shares, (rows, codes[rows, places]), weights[rows, places])
    total = shares.sum(axis=1, keepdims=True)
    even = np.full_like(shares, 1.0 / n_classes)
    return np.asarray(np.divide(shares, total, out=even, where=total > 0), dtype=np.float64)
