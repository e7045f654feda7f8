"""The severity's parts of the lead's report: levels, costs, missed tickets, and the Sev1 flag with its promise."""

from __future__ import annotations

from dataclasses import dataclass

from evaluation.intervals import Interval
from evaluation.report.parts import ActionShare, Calibration, ClassReport, Floor, Scores, TicketRef
from features.ticket import Severity
from serving.decision import Thresholds


@dataclass(frozen=True, slots=True)
class MissedTicket:
    """A Sev1 or Sev2 that was answered with a lower level, or not answered (``answered`` is None).

    ``risk`` is the probability that the model gave to its true level or a worse one.
    """

    ticket: TicketRef
    truth: Severity
    answered: Severity | None
    most_likely: Severity | None
    risk: float
    is_flagged: bool


@dataclass(frozen=True, slots=True)
class LevelFate:
    """What became of the tickets of a true level; ``n_unflagged`` of the low and unanswered raised no Sev1 flag."""

    truth: Severity
    n: int
    n_high_enough: int
    n_lower: int
    n_unanswered: int
    n_unflagged: int


@dataclass(frozen=True, slots=True)
class Sev1Promise:
    """The recall that the Sev1 threshold was chosen for, and whether calibration tickets were enough to promise it."""

    recall: float
    confidence: float
    threshold: float
    certified: bool
    n_positives: int
    n_needed: int

    @property
    def n_missing(self) -> int:
        """Sev1 tickets that lack for a promise."""
        return max(0, self.n_needed - self.n_positives)


@dataclass(frozen=True, slots=True)
class Sev1Flag:
    """How the Sev1 flag fares: recall, and how many tickets it marks for that, each with its exact interval."""

    n_sev1: int
    n_flagged: int
    n_flagged_sev1: int
    recall: float | None
    recall_ci95: Interval | None
    alert_rate: float
    alert_rate_ci95: Interval
    promise: Sev1Promise | None


@dataclass(frozen=True, slots=True)
class ConstantCost:
    """A level that is always answered, and what that costs a test ticket on average."""

    level: Severity
    cost: float


@dataclass(frozen=True, slots=True)
class CostReport:
    """What answers cost a test ticket on average, beside answering the same level always.

    Attributes
    ----------
    table : tuple of tuple of float, shape (4, 4)
        ``table[truth][answer]``, sev1 to sev4: the costs that the model minimises.
    release, release_ci95 : float, Interval
        Of the level of least expected cost, answered or held back; with its 95 % bootstrap interval.
    best_constant : ConstantCost
        The level that would have been cheapest on the training tickets.
    majority : ConstantCost
        The most frequent level of the training tickets.
    """

    table: tuple[tuple[float, ...], ...]
    release: float
    release_ci95: Interval
    best_constant: ConstantCost
    majority: ConstantCost


@dataclass(frozen=True, slots=True)
class SeverityReport:
    """How the severity fares. ``scores``, kappa, error (in levels) and ``calibration`` are of the most likely level.

    Attributes
    ----------
    confusion : tuple of tuple of int
        True levels as rows; columns are the answered levels, then no answer.
    sev1_risk : Calibration
        The predicted risk of a Sev1 against the share that were one.
    """

    scores: Scores
    without_near_duplicates: Scores | None
    floors: tuple[Floor, ...]
    quadratic_kappa: float | None
    mean_absolute_error: float
    cost: CostReport
    calibration: Calibration
    sev1_risk: Calibration
    actions: tuple[ActionShare, ...]
    thresholds: Thresholds
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassReport, ...]
    fates: tuple[LevelFate, ...]
    missed: tuple[MissedTicket, ...]
    flag: Sev1Flag
