"""How often the promise of the Sev1 flag is broken: the product's own fits and many draws of calibration tickets.

The promise: in ``sev1_confidence`` of all draws of calibration tickets, the flag catches at least ``sev1_recall`` of
further Sev1 tickets. It holds for tickets that are exchangeable, so tickets are drawn at random here, not by time; what
becomes of it when habits drift is the question of the severity benchmark. Nothing here is a figure of the model.

A fit learns on a random part of the tickets, calibrates on another, and is asked about every Sev1 ticket of the rest,
some eight ninths of all that there are. Its risks are looked at in three ways:

``whole_fits``
    The recall of the flag just as it was fitted. The product calibrates across blocks and serves a model that has seen
    the calibration tickets too, so the bound on order statistics is a proof for another procedure, and this is the
    evidence for the product's; but a fit is slow, and the draws are few.
``split``
    For this one model, the unseen tickets are parted again and again into those that the product's rule sets the
    threshold on and those that the recall is measured on. Neither has been seen, so the bound is a proof; but the
    second part is finite, and a recall measured on it lies below the target by chance more often than the true one
    does. How often exactly is known (``share_expected``): with the k-th smallest of n risks as threshold, the number
    of misses among m others is beta-binomial with parameters k and n + 1 - k.
``known_recall``
    As before, but the unseen tickets are the population: calibration tickets are drawn from it with replacement, as
    often as ``split`` draws them, and the recall is that over all of it, which has no noise. Here ``share_expected`` is
    the bound itself, P(Binomial(n, 1 - recall) < k), which equal risks can only lower.

A draw with too few Sev1 tickets to certify promises nothing and does not count. ``recall_expected`` is the mean of
1 - k / (n + 1), what the recall is on average where the bound is a proof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import betabinom, binom

from evaluation.benchmarks.bench import Bench, Fitting
from evaluation.benchmarks.readers import read_issues
from evaluation.benchmarks.severity import labelled
from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from evaluation.severity import exact_interval
from features.errors import NotEnoughData
from features.ticket import Severity

N_DRAWS = 1000
N_FITS = 20
FIT_SHARE = 0.05
FIT_CALIBRATION_SHARE = 0.06
"""Of Jira's 19,403 tickets, so that some 92 Sev1 calibrate a fit, where 59 certify: more would be slower."""
DRAWN_SHARE = 0.2
"""Of the unseen tickets, to set a threshold on: the product's share of a history."""

Risks = NDArray[np.float64]
Chance = Callable[[int, int, int, float], float]
"""Probability that the k-th smallest of n risks keeps less than a target of m others: of k, n, m and the target."""


@dataclass(frozen=True, slots=True)
class Draw:
    """What one threshold made of its promise.

    Attributes
    ----------
    certified : bool
        Whether its calibration tickets were enough to promise.
    recall : float
        Share flagged of the Sev1 tickets that it is judged by; this and the rest count where it is certified.
    expected_recall, chance : float
        Mean recall of the k-th smallest of n risks as threshold, and the probability of one below the target, where
        the risks are exchangeable.
    """

    certified: bool
    recall: float
    expected_recall: float = 0.0
    chance: float = 0.0


@dataclass(frozen=True, slots=True)
class Fitted:
    """One fit: its own flag, and the risks of the Sev1 tickets that it has not seen, ``n_unseen`` tickets in all."""

    own: Draw
    risks: Risks
    n_unseen: int


def sev1_promise(bench: Bench, folder: Path, *, n_draws: int = N_DRAWS, n_fits: int = N_FITS) -> dict[str, object]:
    """Fit and draw on a folder of the ``jira`` layout.

    Parameters
    ----------
    n_draws : int
        Of ``split`` and of ``known_recall`` each, shared out evenly among the fits and rounded up.
    n_fits : int

    Raises
    ------
    NotEnoughData
        If a fit finds one severity only, or leaves no Sev1 ticket to ask about.
    """
    cases = read_issues(folder).cases
    rows = labelled(bench.rows([case for case in cases if case.outcome.severity is not None]))
    generator = np.random.default_rng(0)
    fitted = []
    for number in range(1, n_fits + 1):
        with bench.step("fit"):
            fitted.append(fit_and_ask(rows, bench.fitting, generator))
        bench.progress(f"fitted {number} of {n_fits}")
    with bench.step("draw"):
        split, known = drawn(fitted, bench.fitting, -(-n_draws // n_fits), generator)
    target = bench.fitting.sev1_recall
    return {
        "target_recall": target,
        "confidence": bench.fitting.sev1_confidence,
        "promised_share": 1 - bench.fitting.sev1_confidence,
        "n_tickets": len(rows),
        "n_sev1": rows.severities.count(Severity.SEV1),
        "whole_fits": figures([fit.own for fit in fitted], target),
        "split": figures(split, target),
        "known_recall": figures(known, target),
        "seconds": dict(bench.seconds),
    }


def fit_and_ask(rows: LabelledRows, fitting: Fitting, generator: np.random.Generator) -> Fitted:
    """Fit on random tickets, calibrate on others, and ask about every Sev1 ticket of the rest.

    Raises
    ------
    NotEnoughData
        If the tickets to fit on have one severity only, or the rest no Sev1.
    """
    order = generator.permutation(len(rows))
    first, end = round(len(rows) * FIT_SHARE), round(len(rows) * (FIT_SHARE + FIT_CALIBRATION_SHARE))
    train, calibration = (rows.take(part.tolist()) for part in (order[:first], order[first:end]))
    unseen = order[end:].tolist()
    asked = rows.take([i for i in unseen if rows.severities[i] is Severity.SEV1])
    fitted = fitting.triage(train, calibration) if len(asked) and len(set(train.severities)) > 1 else None
    if fitted is None or (model := fitted.triage.severity) is None or (promise := fitted.sev1) is None:
        raise NotEnoughData(
            f"Of {len(rows)} tickets, {len(train)} to fit on with {len(set(train.severities))} severities and "
            f"{len(asked)} unseen Sev1 to ask about: too few to try the promise on; give a folder that has more."
        )
    features = fitted.triage.space.transform(asked.examples)
    risks = model.probabilities(features, neighbours_among(train.joined(calibration), asked))[:, 0]
    own = Draw(certified=False, recall=0.0)
    if promise.certified:
        own = _draw(fitting, model.sev1_threshold, promise.n_positives, risks, chance_on_rest)
    return Fitted(own, risks, len(unseen))


def drawn(
    fitted: Sequence[Fitted], fitting: Fitting, n_each: int, generator: np.random.Generator
) -> tuple[list[Draw], list[Draw]]:
    """Draw calibration tickets among those that each fit has not seen: ``split`` and ``known_recall``.

    Parameters
    ----------
    n_each : int
        Draws of each kind for each fit.
    """
    split, known = [], []
    for fit in fitted:
        for calibration in _calibrations(fit, n_each, generator):
            own, rest = fit.risks[calibration], fit.risks[~calibration]
            split.append(_judged(fitting, own, rest, chance_on_rest))
            again = generator.choice(fit.risks, len(own))
            known.append(_judged(fitting, again, fit.risks, chance_on_population))
    return split, known


def chance_on_rest(k: int, n: int, m: int, target: float) -> float:
    """Probability that the k-th smallest of n risks keeps fewer than the target of m further ones.

    Examples
    --------
    >>> round(chance_on_rest(1, 1, 1, 0.95), 3)
    0.5
    """
    # A recall of the target itself is no breach.
    allowed = m - np.ceil(target * m - 1e-9)
    return float(betabinom.sf(allowed, m, k, n + 1 - k))


def chance_on_population(k: int, n: int, _: int, target: float) -> float:
    """Probability that the k-th smallest of n risks keeps less than the target of a population without equal risks.

    Examples
    --------
    >>> round(chance_on_population(1, 59, 0, 0.95), 4)
    0.0485
    """
    return float(binom.cdf(k - 1, n, 1 - target))


def _calibrations(fit: Fitted, n: int, generator: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Which of the unseen Sev1 tickets are in a random part of the unseen tickets."""
    for _ in range(n):
        part = generator.permutation(fit.n_unseen)[: round(fit.n_unseen * DRAWN_SHARE)]
        # The Sev1 tickets have the first numbers.
        marked = np.zeros(len(fit.risks), dtype=np.bool_)
        marked[part[part < len(fit.risks)]] = True
        yield marked


def _judged(fitting: Fitting, calibration: Risks, test: Risks, chance: Chance) -> Draw:
    """Set a threshold on some risks by the product's rule, and judge it by others."""
    promise = fitting.sev1_threshold(calibration)
    if not promise.certified or not len(test):
        return Draw(certified=False, recall=0.0)
    return _draw(fitting, promise.threshold, len(calibration), test, chance)


def _draw(fitting: Fitting, threshold: float, n: int, test: Risks, chance: Chance) -> Draw:
    """Judge a threshold that was set on n risks."""
    # Which of n risks the rule takes depends on n alone; among equal ones it could not be told.
    distinct = np.arange(n) / n
    k = int((distinct <= fitting.sev1_threshold(distinct).threshold).sum())
    return Draw(
        certified=True,
        recall=float(np.mean(test >= threshold)),
        expected_recall=1 - k / (n + 1),
        chance=chance(k, n, len(test), fitting.sev1_recall),
    )


def figures(draws: Sequence[Draw], target: float) -> dict[str, object]:
    """How many certified draws have a recall below the target, with the exact interval of their share."""
    certified = [draw for draw in draws if draw.certified]
    recalls = [draw.recall for draw in certified]
    n, n_broken = len(certified), sum(recall < target for recall in recalls)
    return {
        "n_draws": len(draws),
        "n_certified": n,
        "n_broken": n_broken,
        "share_broken": n_broken / n if n else None,
        "share_expected": float(np.mean([draw.chance for draw in certified])) if n else None,
        "recall_mean": float(np.mean(recalls)) if n else None,
        "recall_expected": float(np.mean([draw.expected_recall for draw in certified])) if n else None,
        "recall_min": min(recalls, default=None),
        "ci95": {"share_broken": list(exact_interval(n_broken, n)) if n else None},
    }
