"""Is a tuned encoder better than the one it was made of? Both are scored on tickets that neither has learned from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from evaluation.retrieval import NOT_FOUND, rank_of_best_hit
from features.errors import NotEnoughData
from training.params import TrainingParams
from training.ranker import MIN_LINKED
from training.triage import fit_triage

_LEAST_PROBABILITY = 1e-9


@dataclass(frozen=True, slots=True)
class LinkQueries:
    """Linked tickets that look for their earlier matches.

    Attributes
    ----------
    created : ndarray of float64, shape (n,)
        Seconds since the epoch at which each row was created; nan for a row that nobody may find.
    matches : mapping of int to frozenset of int
        Matches of each row that asks, itself among them or not.
    """

    created: NDArray[np.float64]
    matches: Mapping[int, frozenset[int]]

    def __len__(self) -> int:
        return len(self.matches)

    def mean_reciprocal_rank(self, vectors: NDArray[np.float32]) -> float:
        """By cosine among all earlier rows; ``vectors`` has shape (n, dimension). nan without queries."""
        gains = []
        for row, matches in self.matches.items():
            earlier = np.flatnonzero(self.created < self.created[row])
            rank = rank_of_best_hit(vectors[earlier] @ vectors[row], np.isin(earlier, list(matches)))
            gains.append(0.0 if rank == NOT_FOUND else 1.0 / rank)
        return float(np.mean(gains)) if gains else float("nan")


NO_QUERIES = LinkQueries(np.empty(0), {})


@dataclass(frozen=True, slots=True)
class TuneSplit:
    """What decides, in numbers of rows with a category: fitted on the older ones, scored on the newer ones.

    ``queries`` are linked tickets that are scored beside them.
    """

    older: tuple[int, ...]
    newer: tuple[int, ...]
    queries: LinkQueries = NO_QUERIES

    @property
    def scored(self) -> list[int]:
        """Numbers of the rows whose vectors decide."""
        found = np.flatnonzero(np.isfinite(self.queries.created)).tolist() if len(self.queries) else []
        return sorted({*self.older, *self.newer, *found})


@dataclass(frozen=True, slots=True)
class EncoderScores:
    """Figures of one encoder on the tune split.

    Attributes
    ----------
    accuracy, log_loss : float
        Of the category, by the product's own fit; log loss in nats.
    mrr : float
        Mean reciprocal rank of known matches by cosine; nan without linked tickets.
    n_category, n_links : int
        Tickets and linked tickets that were scored.
    """

    accuracy: float
    log_loss: float
    mrr: float
    n_category: int
    n_links: int

    def __str__(self) -> str:
        text = f"category accuracy {self.accuracy:.4f}, log loss {self.log_loss:.4f} (n = {self.n_category:,})"
        return f"{text}; similar cases MRR {self.mrr:.4f} (n = {self.n_links:,})" if self.n_links else text

    def to_json(self) -> dict[str, float]:
        """The figures by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the tuned encoder is kept, and why."""

    kept: bool
    reason: str


def score_encoder(
    rows: LabelledRows, vectors: NDArray[np.float32], split: TuneSplit, params: TrainingParams
) -> EncoderScores:
    """Score an encoder on the tune split.

    The newer rows weigh the machines and the vote too, as calibration rows do in training: a handful of numbers, and
    the same favour for every encoder. So the figures compare encoders, and promise nothing for new tickets.

    Parameters
    ----------
    vectors : ndarray of float32, shape (n, dimension)
        By the encoder, of all rows; those that the split leaves out may hold any numbers.

    Raises
    ------
    NotEnoughData
        If the older rows hold no two categories to tell apart.
    """
    older, newer = (_category_alone(rows.take(part), vectors[list(part)]) for part in (split.older, split.newer))
    accuracy, log_loss = _category(older, newer, params)
    mrr = split.queries.mean_reciprocal_rank(vectors)
    return EncoderScores(accuracy, log_loss, mrr, len(newer), len(split.queries))


def decide(base: EncoderScores, tuned: EncoderScores) -> Decision:
    """Keep the tuned encoder only where it wins on category and on similar cases both.

    With fewer than 20 linked tickets a mean rank says nothing, and category decides alone.
    """
    category = f"category accuracy {base.accuracy:.4f} to {tuned.accuracy:.4f} (n = {base.n_category:,})"
    wins_category = tuned.accuracy > base.accuracy
    if base.n_links < MIN_LINKED:
        alone = f"with {base.n_links} linked tickets, fewer than {MIN_LINKED}, category decides alone"
        return Decision(wins_category, f"{_verdict(wins_category)} on {category}; {alone}")
    similar = f"similar cases MRR {base.mrr:.4f} to {tuned.mrr:.4f} (n = {base.n_links:,})"
    wins_similar = tuned.mrr > base.mrr
    return Decision(
        wins_category and wins_similar,
        f"{_verdict(wins_category)} on {category}, {_verdict(wins_similar)} on {similar}",
    )


def _verdict(wins: bool) -> str:
    return "it wins" if wins else "it does not win"


def _category_alone(rows: LabelledRows, vectors: NDArray[np.float32]) -> LabelledRows:
    examples = (replace(example, vector=vector) for example, vector in zip(rows.examples, vectors, strict=True))
    return LabelledRows(tuple(examples), rows.categories, (None,) * len(rows), {})


def _category(older: LabelledRows, newer: LabelledRows, params: TrainingParams) -> tuple[float, float]:
    triage = fit_triage(older, newer, params).triage
    if triage.category is None:
        raise NotEnoughData("The training tickets have no two categories to tune an encoder by; import more history.")
    probabilities = triage.category.probabilities(
        triage.space.transform(newer.examples), neighbours_among(older, newer)
    )
    number = {name: i for i, name in enumerate(triage.category.classes)}
    # A category that the older rows lack has no column: it is answered wrongly, with no probability at all.
    truth = np.array([number.get(str(name), -1) for name in newer.categories], dtype=np.int64)
    given = np.where(truth >= 0, probabilities[np.arange(len(truth)), truth], 0.0)
    accuracy = float(np.mean(probabilities.argmax(axis=1) == truth))
    return accuracy, float(-np.log(np.maximum(given, _LEAST_PROBABILITY)).mean())
