"""The parts of the lead's report: what it says of the category, of each class, and of each ticket that it names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from evaluation.intervals import Interval
from features.taxonomy import Fate
from serving.decision import Thresholds
from serving.schemas import Action


@dataclass(frozen=True, slots=True)
class Floor:
    """A plain method on the same test tickets: ``majority``, ``tfidf_svm``."""

    name: str
    accuracy: float
    macro_f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Headline figures over n tickets, with 95 % bootstrap intervals."""

    n: int
    accuracy: float
    accuracy_ci95: Interval
    macro_f1: float
    macro_f1_ci95: Interval


@dataclass(frozen=True, slots=True)
class ActionShare:
    """How often an action was taken, and how often it was right then, with its exact interval.

    Right is the first guess, or where a parent was answered, the parent.
    """

    action: Action
    n: int
    share: float
    accuracy: float | None
    accuracy_ci95: Interval | None


@dataclass(frozen=True, slots=True)
class Guess:
    """A value and the probability that it was given."""

    value: str
    confidence: float


@dataclass(frozen=True, slots=True)
class TicketRef:
    """A ticket by its row in the history and by the id that its source uses."""

    row_id: int
    ticket_id: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True)
class ConfusionExample:
    """A ticket whose label is not the first guess.

    ``confidence`` is that of the guess, ``label_confidence`` that of the label, ``others`` are further guesses.
    """

    ticket: TicketRef
    confidence: float
    label_confidence: float
    action: Action
    reason: str | None
    others: tuple[Guess, ...]


@dataclass(frozen=True, slots=True)
class PairReport:
    """A label and another guess in its place: ``n`` of the ``n_truth`` tickets with that label."""

    truth: str
    answer: str
    n: int
    n_truth: int
    n_automated: int
    examples: tuple[ConfusionExample, ...]


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Tickets of near confidence: mean confidence, share of right guesses and its exact 95 % interval."""

    n: int
    confidence: float
    accuracy: float
    accuracy_ci95: Interval


@dataclass(frozen=True, slots=True)
class Calibration:
    """Expected calibration error, and the 95th percentile of what perfectly true confidences would show by chance.

    Of a risk, the confidence is the risk, and right is what it warned of.
    """

    n: int
    mean_confidence: float
    ece: float
    ece_null_p95: float
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Figures of one class; a ratio is None where there is nothing to divide by.

    ``thresholds`` are those in force for the class: its own or else the target's, without automation where it is rare;
    neither where it was not learned.
    """

    label: str
    n_train: int
    n_test: int
    n_answered: int
    precision: float | None
    recall: float | None
    f1: float | None
    is_rare: bool
    thresholds: Thresholds


@dataclass(frozen=True, slots=True)
class Relabelled:
    """A label of the history that is no category: ``became`` is the one that it was merged into, else None.

    ``fate`` says why, ``n_tickets`` are those of the whole history.
    """

    label: str
    fate: Fate
    became: str | None
    n_tickets: int


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """A ticket whose label the model is very sure against."""

    ticket: TicketRef
    label: str
    answer: str
    confidence: float
    label_confidence: float


@dataclass(frozen=True, slots=True)
class DoubtfulLabels:
    """Labels to look at again, the surest first.

    Of ``n_sure`` tickets with a confidence of at least ``min_confidence``, ``n_differ`` have another label;
    ``n_expected`` would differ if the confidences are true and every label is right.
    """

    min_confidence: float
    n_sure: int
    n_differ: int
    n_expected: float
    tickets: tuple[DoubtfulLabel, ...]


@dataclass(frozen=True, slots=True)
class CategoryReport:
    """How the category fares. Every figure but ``actions`` is of the first guess, shown or held back.

    Attributes
    ----------
    without_near_duplicates : Scores or None
        The same on tickets unlike any earlier one; None where no ticket is a near-duplicate, or all are.
    held_back : mapping of str to int
        Number of abstentions by reason.
    thresholds : Thresholds
        Of the categories without some of their own; those in force for each stand under ``classes``.
    unseen : mapping of str to int
        Test tickets of classes that training had no ticket of; no guess can be right there.
    labels, confusion : tuple of str, tuple of tuple of int
        Counts, rows are labels of tickets, columns guesses.
    relabelled : tuple of Relabelled
        What the taxonomy merged, retired or left outside, the most frequent first. Reports made before have none.
    """

    scores: Scores
    without_near_duplicates: Scores | None
    floors: tuple[Floor, ...]
    actions: tuple[ActionShare, ...]
    held_back: Mapping[str, int]
    thresholds: Thresholds
    labels: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    pairs: tuple[PairReport, ...]
    calibration: Calibration
    classes: tuple[ClassReport, ...]
    unseen: Mapping[str, int]
    doubtful: DoubtfulLabels
    relabelled: tuple[Relabelled, ...] = ()
