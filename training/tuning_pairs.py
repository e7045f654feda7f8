"""What an encoder is tuned on: batches of tickets, their matches and hard negatives, planned before the first step.

The plan is drawn from the seed alone, so a run that was killed takes up the same batches again.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.ranking_data import duplicate_clusters
from training.tuning_params import TuningParams

NEAR_IDENTICAL = 0.9
"""Share of common words from which two texts are one: as a pair they teach nothing, as a negative they mislead."""
UNKNOWN = -1
_WORD = re.compile(r"\w+")
_BLOCK_NUMBERS = 2**25  # 128 MB of cosines at once

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class TuningRows:
    """Tickets that an encoder may learn from; pairs are of row numbers.

    Attributes
    ----------
    texts : tuple of str, length n
        Model texts, masked.
    categories : tuple of str or None, length n
    vectors : ndarray of float32, shape (n, dimension)
        By the untuned encoder, L2-normalised.
    matches : tuple of pairs of int
        Duplicate and related tickets, and suggested cases that an agent accepted.
    denied : tuple of pairs of int
        What somebody has said is no match.
    """

    texts: tuple[str, ...]
    categories: tuple[str | None, ...]
    vectors: NDArray[np.float32]
    matches: tuple[tuple[int, int], ...] = ()
    denied: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class TuningPlan:
    """Everything that a run of steps reads.

    Attributes
    ----------
    classes, clusters : ndarray of int64, shape (n,)
        Number of each row's category, :data:`UNKNOWN` without one, and of its cluster of linked tickets; a row without
        a link is a cluster of its own.
    batches : tuple of ndarray of int64
        Row numbers of each step.
    """

    texts: tuple[str, ...]
    classes: Rows
    clusters: Rows
    batches: tuple[Rows, ...]

    @property
    def key(self) -> str:
        """Hash of all of it: what a checkpoint must have been made of to go on from it."""
        digest = hashlib.sha256()
        for text in self.texts:
            digest.update(hashlib.sha256(text.encode()).digest())
        for array in (self.classes, self.clusters, *self.batches):
            digest.update(array.tobytes() + b"\n")
        return digest.hexdigest()


def plan_tuning(rows: TuningRows, params: TuningParams) -> TuningPlan:
    """Draw the batches of every epoch.

    Returns
    -------
    TuningPlan
        Without batches when there is no pair to learn from.
    """
    classes, clusters = _classes(rows.categories), _clusters(len(rows), rows.matches)
    batches: list[Rows] = []
    for epoch in range(params.epochs):
        generator = np.random.default_rng([params.seed, epoch])
        triples = [
            *linked_triples(rows, clusters, params, generator),
            *category_triples(rows, classes, params, generator),
        ]
        order = generator.permutation(len(triples))
        for start in range(0, len(order), params.batch_triples):
            chosen = order[start : start + params.batch_triples]
            batches.append(np.unique([row for i in chosen.tolist() for row in triples[i]]))
    return TuningPlan(rows.texts, classes, clusters, tuple(batches))


def category_triples(
    rows: TuningRows, classes: Rows, params: TuningParams, generator: np.random.Generator
) -> list[tuple[int, ...]]:
    """Pairs of one category, each row once at most, with a row near the first that is of another category.

    Parameters
    ----------
    classes : ndarray of int64, shape (n,)
        Number of each row's category; :data:`UNKNOWN` is no category.
    """
    pairs: list[tuple[int, int]] = []
    known = np.unique(classes[classes != UNKNOWN])
    share = math.ceil(params.category_pairs / max(1, len(known)))
    for number in known:
        drawn = generator.permutation(np.flatnonzero(classes == number)).tolist()
        together = zip(drawn[0::2], drawn[1::2], strict=False)
        pairs += [(a, b) for a, b in together if not is_near_identical(rows.texts[a], rows.texts[b])][:share]
    negatives = hard_negatives(rows, [first for first, _ in pairs], classes, params, generator)
    return [(*pair, *negative) for pair, negative in zip(pairs, negatives, strict=True)]


def linked_triples(
    rows: TuningRows, clusters: Rows, params: TuningParams, generator: np.random.Generator
) -> list[tuple[int, ...]]:
    """Linked pairs, each with a row that is no match of the first: one that somebody denied, else a near one."""
    pairs = [(a, b) for a, b in rows.matches if not is_near_identical(rows.texts[a], rows.texts[b])]
    denied: defaultdict[int, list[int]] = defaultdict(list)
    for a, b in rows.denied:
        if clusters[a] != clusters[b]:
            denied[a].append(b)
            denied[b].append(a)
    negatives = hard_negatives(rows, [first for first, _ in pairs], clusters, params, generator)
    for i, (first, _) in enumerate(pairs):
        if first in denied:
            negatives[i] = (int(generator.choice(denied[first])),)
    return [(*pair, *negative) for pair, negative in zip(pairs, negatives, strict=True)]


def hard_negatives(
    rows: TuningRows,
    anchors: Sequence[int],
    groups: Rows,
    params: TuningParams,
    generator: np.random.Generator,
) -> list[tuple[int, ...]]:
    """For each anchor one of the rows nearest to it that are of another group; none where there is no other group.

    Parameters
    ----------
    groups : ndarray of int64, shape (n,)
        Rows of one number belong together; a row whose group is :data:`UNKNOWN` is nobody's negative.
    """
    pool = np.flatnonzero(groups != UNKNOWN)
    found: list[tuple[int, ...]] = []
    size = max(1, _BLOCK_NUMBERS // max(1, len(pool)))
    for start in range(0, len(anchors), size):
        block = np.array(anchors[start : start + size], dtype=np.int64)
        cosines = rows.vectors[block] @ rows.vectors[pool].T
        cosines[groups[pool] == groups[block][:, None]] = -np.inf
        k = min(params.n_nearest, len(pool))
        nearest = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        for anchor, near, given in zip(block.tolist(), nearest, cosines, strict=True):
            others = pool[np.sort(near[np.isfinite(given[near])])].tolist()
            allowed = [row for row in others if not is_near_identical(rows.texts[anchor], rows.texts[row])]
            found.append((int(generator.choice(allowed)),) if allowed else ())
    return found


def is_near_identical(first: str, second: str) -> bool:
    """Whether two texts have nearly the same words.

    Examples
    --------
    >>> is_near_identical("Login fails!", "login FAILS"), is_near_identical("Login fails", "Login works")
    (True, False)
    """
    a, b = (set(_WORD.findall(text.lower())) for text in (first, second))
    return len(a & b) >= NEAR_IDENTICAL * len(a | b)


def _classes(categories: Sequence[str | None]) -> Rows:
    numbers = {name: i for i, name in enumerate(sorted({name for name in categories if name is not None}))}
    return np.array([UNKNOWN if name is None else numbers[name] for name in categories], dtype=np.int64)


def _clusters(n: int, matches: Sequence[tuple[int, int]]) -> Rows:
    """Number of each row's cluster: its smallest row."""
    members = duplicate_clusters(matches)
    return np.array([min(members.get(row, (row,))) for row in range(n)], dtype=np.int64)
