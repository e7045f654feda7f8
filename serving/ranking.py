"""Rank candidates by signals that can be explained, as a calibrated probability of being the same problem.

The ranker is a logistic regression over the signals below, in the line of REP (Sun et al., ASE 2011). A history without
links uses :data:`UNTRAINED`, whose constants were chosen once on two public projects (``docs/benchmarks.md``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from features.case_entries import CaseBasics
from features.case_index import Candidate, CaseFilter, CaseIndex, CaseQuery, Nearest
from features.errors import ReleaseRefused
from features.feature_space import Example
from features.ticket import Ticket
from serving.heads import sigmoid

SIGNALS: tuple[str, ...] = (
    "bm25",
    "bm25_subject",
    "cosine",
    "cosine_share",
    "bm25_share",
    "agreement",
    "subject_coverage",
    "case_subject_coverage",
    "rarest_shared",
    "rarest_here",
    "recency_1000",
    "recency_180",
    "recency_20",
    "same_product",
    "same_customer",
    "length_ratio",
    "log_length",
    "uncrowded",
    "first_dense",
    "first_lexical",
    "nearest_cosine",
)
"""Names of the signals, in column order of :func:`signals`.

``bm25*`` are divided by the query's score against itself and ``cosine`` is as it is; ``*_share`` are relative to the
best candidate; ``agreement`` is the product of both shares; ``*_coverage`` and ``rarest_*`` are those of
:class:`features.forward.Overlap`; ``recency_d`` is exp(-age / d days); ``log_length`` is of the case's characters;
``uncrowded`` is 1 less the crowding of :class:`features.case_index.Candidate`; ``first_*`` mark the best of
one method. ``nearest_cosine`` is the same for all candidates of a ticket: it tells how near the history comes to it,
and moves what a relevance is worth but not the order.
"""

DAY_SECONDS = 86_400.0
MAX_CANDIDATES = 200
Tier = Literal["strong", "possible"]


def signals(
    candidates: Sequence[Candidate],
    basics: Sequence[CaseBasics],
    ticket: Ticket,
    *,
    now: float,
    text_length: int,
) -> NDArray[np.float64]:
    """Compute the signals of candidates.

    Parameters
    ----------
    candidates, basics : sequences of length n
        Raw scores of each candidate and what the index knows of it.
    now : float
        Seconds since the epoch at which the ticket was created.
    text_length : int
        Length of the ticket's model text in characters.

    Returns
    -------
    ndarray of float64, shape (n, len(SIGNALS))
    """
    if not candidates:
        return np.empty((0, len(SIGNALS)))
    # Twice as fast as an array of the tuples.
    numbers = np.fromiter(chain.from_iterable(candidates), np.float64, len(candidates) * len(Candidate._fields))
    raw = dict(zip(Candidate._fields, numbers.reshape(len(candidates), -1).T, strict=True))
    bm25, cosine = raw["bm25"], raw["cosine"]
    created = np.array([e.created_at for e in basics])
    # A case without a date counts as a year old: neither news nor archive.
    age = np.where(np.isnan(created), 365.0, np.maximum(now - np.nan_to_num(created), 0.0) / DAY_SECONDS)
    lengths = np.maximum(np.array([e.text_length for e in basics], dtype=np.float64), 1.0)
    own = max(float(text_length), 1.0)
    cosine_share, bm25_share = _share(cosine), _share(bm25)
    columns = {
        "bm25": bm25,
        "bm25_subject": raw["bm25_subject"],
        "cosine": cosine,
        "cosine_share": cosine_share,
        "bm25_share": bm25_share,
        "agreement": cosine_share * bm25_share,
        "subject_coverage": raw["subject_coverage"],
        "case_subject_coverage": raw["case_subject_coverage"],
        "rarest_shared": raw["rarest_shared"],
        "rarest_here": raw["rarest_here"],
        "recency_1000": np.exp(-age / 1000.0),
        "recency_180": np.exp(-age / 180.0),
        "recency_20": np.exp(-age / 20.0),
        "same_product": _same(ticket.product, [e.product for e in basics]),
        "same_customer": _same(ticket.customer, [e.customer for e in basics]),
        "length_ratio": np.minimum(lengths, own) / np.maximum(lengths, own),
        "log_length": np.log(lengths),
        "uncrowded": 1.0 - raw["crowding"],
        "first_dense": (cosine_share >= 1.0).astype(np.float64),
        "first_lexical": (bm25_share >= 1.0).astype(np.float64),
        "nearest_cosine": np.full(len(cosine), cosine.max()),
    }
    return np.column_stack([columns[name] for name in SIGNALS])


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of a ticket, and their signals, shape (n, len(SIGNALS))."""

    candidates: tuple[Candidate, ...]
    matrix: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        index: CaseIndex,
        example: Example,
        where: CaseFilter,
        *,
        now: float,
        nearest: Nearest | None = None,
    ) -> Pool:
        """Search an index for an example.

        Parameters
        ----------
        now : float
            Seconds since the epoch at which the ticket was created.
        nearest : Nearest, optional
            Of the example's vector, where they are known.
        """
        query = CaseQuery(text=example.text, vector=example.vector, now=now, nearest=nearest)
        found = index.search(query, where, MAX_CANDIDATES)
        # A case may be erased between the two questions; then it is no candidate any more.
        known = {basics.row_id: basics for basics in index.basics([candidate.row_id for candidate in found])}
        candidates = tuple(candidate for candidate in found if candidate.row_id in known)
        text_length = len(example.text.text)
        return cls(candidates, signals(candidates, [*known.values()], example.ticket, now=now, text_length=text_length))


def _share(values: NDArray[np.float64]) -> NDArray[np.float64]:
    best = float(values.max())
    return np.clip(values / best, 0.0, 1.0) if best > 0 else np.zeros_like(values)


def _same(own: str | None, others: Sequence[str | None]) -> NDArray[np.float64]:
    return np.array([float(own is not None and own == other) for other in others])


@dataclass(frozen=True, slots=True)
class Ranker:
    """Weights over the signals, and the relevance from which a case is shown.

    ``relevance = sigmoid(weights @ signals + intercept)``; ``strong`` and ``possible`` are relevances.
    """

    weights: tuple[float, ...]
    intercept: float
    strong: float
    possible: float
    trained: bool

    def score(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Linear scores, shape (n,): the order, without the rounding of a probability near 1."""
        return np.asarray(matrix @ np.array(self.weights) + self.intercept, dtype=np.float64)

    def relevance(self, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
        """Calibrated probabilities, shape (n,)."""
        return sigmoid(self.score(matrix))

    def tier(self, relevance: float) -> Tier | None:
        """How a case of this relevance is shown; None when it is not."""
        if relevance >= self.strong:
            return "strong"
        return "possible" if relevance >= self.possible else None

    def to_json(self) -> dict[str, object]:
        """JSON that :meth:`from_json` makes the same ranker of; weights by name of signal."""
        return {
            "weights": dict(zip(SIGNALS, self.weights, strict=True)),
            "intercept": self.intercept,
            "strong": self.strong,
            "possible": self.possible,
            "trained": self.trained,
        }

    @classmethod
    def from_json(cls, config: Mapping[str, Any]) -> Ranker:
        """Restore a ranker; a signal that the release did not know has weight 0.

        Raises
        ------
        ReleaseRefused
            If the release weighs a signal that this version does not compute.
        """
        weights: Mapping[str, float] = config["weights"]
        if unknown := sorted(name for name, weight in weights.items() if weight and name not in SIGNALS):
            raise ReleaseRefused(
                f"The release ranks by {', '.join(unknown)}, which this version of Precedent does not compute; train "
                "again, or serve it with the version that wrote it."
            )
        return cls(
            weights=tuple(float(weights.get(name, 0.0)) for name in SIGNALS),
            intercept=float(config["intercept"]),
            strong=float(config["strong"]),
            possible=float(config["possible"]),
            trained=bool(config["trained"]),
        )


def _untrained() -> Ranker:
    # What 'precedent benchmark tune-untrained' prints; signals relative to the best candidate are left out on purpose.
    # Relevance is the probability of a match given that there is one: how often there is, only links can tell.
    weights = {
        "bm25": 0.09,
        "cosine": 4.25,
        "subject_coverage": 1.68,
        "case_subject_coverage": 2.32,
        "rarest_shared": 3.07,
        "recency_1000": 1.56,
        "recency_180": 1.29,
        "recency_20": 0.10,
    }
    return Ranker(
        weights=tuple(weights.get(name, 0.0) for name in SIGNALS),
        intercept=-10.22,
        strong=0.90,
        possible=0.013,
        trained=False,
    )


UNTRAINED = _untrained()
"""The fusion that ships for histories without links."""
