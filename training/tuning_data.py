"""What an encoder may learn from in a history, and what it is judged on: all of it before what a release is tested on.

Of the training part of the split, the newest tenth is the tune split: both encoders are scored on it. Tickets created
before it may be learned from, and links and verdicts whose tickets are both among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from evaluation.ranking_data import duplicate_clusters
from features.errors import NotEnoughData
from features.history import History
from training.data import TrainingData, first_calibration_time, labelled_split
from training.linked import link_verdicts
from training.params import TrainingParams
from training.tuning_pairs import TuningRows
from training.tuning_params import TuningParams
from training.tuning_scores import LinkQueries, TuneSplit

TUNE_SHARE = 0.1
"""Newest share of the training part that decides."""
MIN_DECIDING = 20
"""Tickets with a category that it takes to decide."""

_MAX_QUERIES = 1_000

Pairs = Sequence[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Learnable:
    """What may be learned from, and what decides, in row numbers of the training data.

    Attributes
    ----------
    learned : tuple of int
        Tickets, the oldest first.
    matches, denied : tuple of pairs of int
        Links and verdicts between them.
    until : datetime
        Creation time (UTC) of the newest of them.
    deciding : TuneSplit
        Its older rows are those learned from that have a category; its newer ones and its queries come after them.
    """

    learned: tuple[int, ...]
    matches: tuple[tuple[int, int], ...]
    denied: tuple[tuple[int, int], ...]
    until: datetime
    deciding: TuneSplit


def split_for_tuning(data: TrainingData, history: History, params: TrainingParams) -> Learnable:
    """Choose what to learn from and what to decide on.

    Raises
    ------
    NotEnoughData
        If the tickets are not dated, or too few of them have a category.
    """
    labelled, split = labelled_split(data, params)
    created = [stored.case.ticket.created_at for stored in data.cases]
    end = first_calibration_time(data, params)
    if end is None:
        raise NotEnoughData(
            "Encoder tuning needs dated tickets, to keep what it learns from apart from what later runs test on; "
            "import them with their creation times, or train without --tune-encoder."
        )
    train = [labelled[i] for i in split.train]
    dated = sorted(at for i in train if (at := created[i]) is not None)
    begin = dated[min(int(len(dated) * (1 - TUNE_SHARE)), len(dated) - 1)]
    undated = {i for i in train if created[i] is None}
    times = np.array([np.nan if at is None else at.timestamp() for at in created])
    before = [i for i in np.argsort(times, kind="stable").tolist() if (at := created[i]) is not None and at < begin]
    learned = (*sorted(undated), *before)
    is_learned, has_category = set(learned), [name is not None for name in data.rows.categories]
    older = tuple(i for i in train if i in is_learned and has_category[i])
    newer = tuple(i for i in train if i not in is_learned and has_category[i])
    if not before or len(newer) < MIN_DECIDING:
        raise NotEnoughData(
            f"The newest {TUNE_SHARE:.0%} of the training tickets hold {len(newer)} with a category; deciding whether "
            f"a tuned encoder is better needs at least {MIN_DECIDING}: import more history, or train without "
            "--tune-encoder."
        )
    matches, denied = _verdicts(data, history)
    queries = _queries(matches, np.where(times < end.timestamp(), times, np.nan), begin.timestamp())
    return Learnable(
        learned=learned,
        matches=_within(matches, is_learned),
        denied=_within(denied, is_learned),
        until=max(at for i in before if (at := created[i]) is not None),
        deciding=TuneSplit(older, newer, queries),
    )


def tuning_rows(data: TrainingData, learnable: Learnable, params: TuningParams) -> TuningRows:
    """The newest of the tickets that may be learned from, and of the pairs those between them."""
    kept = learnable.learned[-params.max_rows :]
    number = {row: i for i, row in enumerate(kept)}

    def renumbered(pairs: Pairs) -> tuple[tuple[int, int], ...]:
        return tuple((number[a], number[b]) for a, b in pairs if a in number and b in number)

    return TuningRows(
        texts=tuple(data.rows.examples[i].text.text for i in kept),
        categories=tuple(data.rows.categories[i] for i in kept),
        vectors=np.stack([data.rows.examples[i].vector for i in kept]),
        matches=renumbered(learnable.matches),
        denied=renumbered(learnable.denied),
    )


def _verdicts(data: TrainingData, history: History) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs that are matches and pairs that are none, in row numbers of the data; a denial wins."""
    number = {stored.row_id: i for i, stored in enumerate(data.cases)}
    verdicts = link_verdicts(history)

    def numbered(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        # Each pair once, whichever of its tickets names the other.
        known = {tuple(sorted((number[a], number[b]))) for a, b in pairs if a in number and b in number}
        return sorted((a, b) for a, b in known)

    return numbered(verdicts.matches), numbered(verdicts.denied)


def _within(pairs: Pairs, rows: set[int]) -> tuple[tuple[int, int], ...]:
    return tuple((a, b) for a, b in pairs if a in rows and b in rows)


def _queries(matches: Pairs, created: NDArray[np.float64], begin: float) -> LinkQueries:
    """Linked tickets created from ``begin`` on, the newest of them; a link to a row without a time is not known yet."""
    clusters = duplicate_clusters([pair for pair in matches if np.isfinite(created[list(pair)]).all()])
    asking = sorted((row for row in clusters if created[row] >= begin), key=lambda row: (created[row], row))
    earlier = {row: frozenset(other for other in clusters[row] if created[other] < created[row]) for row in asking}
    return LinkQueries(created, {row: earlier[row] for row in asking[-_MAX_QUERIES:] if earlier[row]})
