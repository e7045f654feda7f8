"""Choose the recipe of the category model on the history's own tune tickets, by a rule that is written down.

The oldest 70 % of the training part are fitted on, the next 15 % set how much each source counts, the newest 15 % tell
the recipes apart by log-loss; what a tuned encoder has learned from is fitted on too, and the rest halved.

The rule: of the recipes whose log-loss is no worse than the best one's by more than two standard errors of the
difference (Breiman et al., Classification and Regression Trees, 1984), the one that differs from the defaults in the
fewest parameters is chosen; of equals, the best. Calibration and test tickets are not looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.errors import NotEnoughData
from features.feature_space import FeatureRows
from serving.heads import softmax
from serving.neighbours import Neighbours
from serving.triage import CATEGORY
from training.matrices import take_rows
from training.members import Members, fit_counted, fit_wide
from training.params import MACHINES, Recipe, TrainingParams
from training.pooling import fit_pool
from training.split import in_time
from training.target import UNSEEN, class_numbers, neighbour_codes
from training.triage import fit_space

DENSE_WEIGHTS = (0.75, 1.5, 3.0)
SVM_CS = (0.25, 0.5, 1.0)
_FIT = 0.7
_MIN_ROWS = 200
_STANDARD_ERRORS = 2.0  # with one, the 57 tune tickets of the sample chose a recipe that was worse on later ones
_MIN_UNSEEN = 20

Say = Callable[[str], None]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tried:
    """A recipe with its figures on tune tickets.

    Attributes
    ----------
    losses : ndarray of float64, shape (n_tune,)
        Log-loss of each ticket; of a class that was not fitted on, that of the least probable answer.
    """

    recipe: Recipe
    losses: Floats
    accuracy: float

    @property
    def log_loss(self) -> float:
        """Mean log-loss a ticket."""
        return float(self.losses.mean())

    def to_json(self) -> dict[str, object]:
        """The recipe with its figures."""
        return {**self.recipe.model_dump(), "log_loss": self.log_loss, "accuracy": self.accuracy}


@dataclass(frozen=True, slots=True)
class Search:
    """All recipes that were tried, and the chosen one; ``n_tune`` tickets told them apart."""

    tried: tuple[Tried, ...]
    chosen: Tried
    n_tune: int

    def lines(self) -> Iterator[str]:
        """What a person looks at."""
        best = min(self.tried, key=lambda tried: tried.log_loss)
        default = next(tried for tried in self.tried if tried.recipe == Recipe())
        yield f"Tried {len(self.tried)} recipes on {self.n_tune:,} tune tickets."
        for name, tried in (("default", default), ("best", best), ("chosen", self.chosen)):
            yield f"{name}: log-loss {tried.log_loss:.4f}, accuracy {tried.accuracy:.4f} ({tried.recipe})"

    def to_json(self) -> dict[str, object]:
        """Every recipe with its figures, best first."""
        ranked = sorted(self.tried, key=lambda tried: tried.log_loss)
        return {
            "n_tune": self.n_tune,
            "chosen": self.chosen.to_json(),
            "tried": [tried.to_json() for tried in ranked],
        }


@dataclass(frozen=True, slots=True)
class _Parts:
    """Features, labels and neighbours of the three parts."""

    rows: FeatureRows
    labels: tuple[str, ...]
    later: FeatureRows
    later_labels: tuple[str, ...]
    neighbours: Neighbours
    n_pool: int


def search(train: LabelledRows, params: TrainingParams, say: Say, *, learned_until: datetime | None = None) -> Search:
    """Try every recipe on the training part of a history.

    Parameters
    ----------
    train : LabelledRows
        What a release would be fitted on: nothing of it is newer than the calibration rows.
    say : callable
        Told a line for each group of recipes.
    learned_until : datetime, optional
        Creation time of the newest ticket that a tuned encoder has learned from. Its vectors of these tell their labels
        better than those of new ones, so they tell nothing of how much the embedding is worth.

    Raises
    ------
    NotEnoughData
        If fewer than 200 training tickets have a category, the oldest of them have a single one, or a tuned encoder has
        learned from all but fewer than 20.
    """
    parts = _parts(train, params, learned_until)
    tried: list[Tried] = []
    for svm_c in SVM_CS:
        at = params.model_copy(update={"svm_c": svm_c})
        everything = np.arange(len(parts.rows))
        counted = fit_counted(parts.rows, everything, parts.labels, at)
        for dense_weight in DENSE_WEIGHTS:
            rows, later = _weighted(parts.rows, dense_weight), _weighted(parts.later, dense_weight)
            classes, wide = fit_wide(rows, everything, parts.labels, at)
            for machines, uses_vote in product(MACHINES, (True, False)):
                recipe = Recipe(svm_c=svm_c, dense_weight=dense_weight, machines=machines, uses_vote=uses_vote)
                members = Members(classes, wide, counted if machines == "both" else None)
                tried.append(_try(recipe, members, later, parts))
            say(f"Tried C {svm_c:g} with the embedding at {dense_weight:g}: log-loss {tried[-4].log_loss:.4f}")
    return Search(tuple(tried), choose(tried), n_tune=len(parts.later) - parts.n_pool)


def choose(tried: Sequence[Tried]) -> Tried:
    """The chosen recipe, by the rule above.

    Examples
    --------
    >>> plain = Tried(Recipe(), np.array([0.5, 0.6, 0.4]), 0.8)
    >>> other = Tried(Recipe(svm_c=1.0), np.array([0.4, 0.65, 0.4]), 0.8)
    >>> choose([plain, other]).recipe.svm_c
    0.5
    """
    best = min(tried, key=lambda one: one.log_loss)

    def is_near(one: Tried) -> bool:
        difference = one.losses - best.losses
        error = float(difference.std(ddof=1) / np.sqrt(len(difference))) if len(difference) > 1 else 0.0
        return float(difference.mean()) <= _STANDARD_ERRORS * error

    near = [one for one in tried if is_near(one)]
    return min(near, key=lambda one: (one.recipe.n_changed, one.log_loss))


def _parts(train: LabelledRows, params: TrainingParams, learned_until: datetime | None) -> _Parts:
    created = [example.ticket.created_at for example in train.examples]
    known = [i for i in in_time(created, seed=params.seed) if train.categories[i] is not None]
    n_learned = sum(_is_learned(created[i], learned_until) for i in known)
    if len(known) < _MIN_ROWS:
        raise NotEnoughData(
            f"There are {len(known)} training tickets with a category; a search needs at least {_MIN_ROWS}: import "
            "more history, or train without --search."
        )
    n_fit = max(int(len(known) * _FIT), n_learned)
    older, newer = train.take(known[:n_fit]), train.take(known[n_fit:])
    if len(newer) < _MIN_UNSEEN:
        raise NotEnoughData(
            f"The tuned encoder has learned from all but {len(newer)} of the {len(known)} training tickets with a "
            f"category; a search needs at least {_MIN_UNSEEN} others: tune again, or train without --search."
        )
    if len(set(older.categories)) < 2:
        raise NotEnoughData(
            f"The oldest {n_fit} training tickets have the one category {older.categories[0]!r}; train without "
            "--search."
        )
    space = replace(fit_space(older.examples, params), dense_weight=1.0)
    return _Parts(
        rows=space.transform(older.examples),
        labels=tuple(str(label) for label in older.categories),
        later=space.transform(newer.examples),
        later_labels=tuple(str(label) for label in newer.categories),
        neighbours=neighbours_among(older, newer),
        n_pool=len(newer) // 2,
    )


def _is_learned(created: datetime | None, learned_until: datetime | None) -> bool:
    """Whether a tuned encoder may have learned from a ticket; an undated one it has."""
    return learned_until is not None and (created is None or created <= learned_until)


def _weighted(rows: FeatureRows, dense_weight: float) -> FeatureRows:
    """Rows of weight 1 with the embedding at another one; the structured columns stay."""
    factors = np.ones(rows.dense.shape[1], dtype=np.float32)
    factors[: rows.vectors.shape[1]] = dense_weight
    return replace(rows, dense=rows.dense * factors)


def _try(recipe: Recipe, members: Members, later: FeatureRows, parts: _Parts) -> Tried:
    truth = class_numbers(parts.later_labels, members.classes)
    codes = neighbour_codes(parts.neighbours, CATEGORY, members.classes, uses_vote=recipe.uses_vote)
    pool_rows, tune_rows = np.arange(parts.n_pool), np.arange(parts.n_pool, len(later))
    cosines = parts.neighbours.cosines
    pool = fit_pool(members.scores(take_rows(later, pool_rows)), cosines[pool_rows], codes[pool_rows], truth[pool_rows])
    scores = pool.scores(members.scores(take_rows(later, tune_rows)), cosines[tune_rows], codes[tune_rows])
    probabilities, wanted = softmax(scores), truth[tune_rows]
    given = np.where(wanted == UNSEEN, probabilities.min(axis=1), probabilities[np.arange(len(wanted)), wanted])
    correct = probabilities.argmax(axis=1) == wanted
    return Tried(recipe, -np.log(np.maximum(given, 1e-12)), float(correct.mean()))
