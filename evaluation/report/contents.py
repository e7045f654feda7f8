"""What the lead's report holds: figures and ids, never the text of a ticket, so that it may lie beside a release.

It goes to JSON and back without loss; texts are joined from the history only when a page is made for a person
(:mod:`evaluation.report.page`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from evaluation.intervals import Interval
from features.errors import SourceUnreadable
from features.ticket import Severity
from serving.decision import Thresholds
from serving.schemas import Action

FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Period:
    """A number of tickets and the creation times, UTC, of the first and the last; None where none is dated."""

    n: int
    since: datetime | None
    until: datetime | None

    @classmethod
    def of(cls, created: Iterable[datetime | None]) -> Period:
        """The period that creation times span.

        Examples
        --------
        >>> Period.of([None, None])
        Period(n=2, since=None, until=None)
        """
        times = list(created)
        dated = [time for time in times if time is not None]
        return cls(len(times), min(dated, default=None), max(dated, default=None))


@dataclass(frozen=True, slots=True)
class DataWindow:
    """Which tickets were fitted on, calibrated on, and tested on."""

    train: Period
    calibration: Period
    test: Period


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
    """How often an action was taken, and how often the first guess was right then, with its exact interval."""

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
    """Expected calibration error, and what perfectly true confidences would show by chance in 19 of 20 cases."""

    n: int
    ece: float
    ece_null_p95: float
    curve: tuple[CurvePoint, ...]


@dataclass(frozen=True, slots=True)
class ClassReport:
    """Figures of one class; a ratio is None where there is nothing to divide by."""

    label: str
    n_train: int
    n_test: int
    n_answered: int
    precision: float | None
    recall: float | None
    f1: float | None
    is_rare: bool


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
    unseen : mapping of str to int
        Test tickets of classes that training had no ticket of; no guess can be right there.
    labels, confusion : tuple of str, tuple of tuple of int
        Counts, rows are labels of tickets, columns guesses.
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


@dataclass(frozen=True, slots=True)
class Sev1Flag:
    """How the Sev1 flag fares: recall with its exact interval, and how many tickets it marks for that."""

    n_sev1: int
    n_flagged: int
    n_flagged_sev1: int
    recall: float | None
    recall_ci95: Interval | None
    alert_rate: float
    promise: Sev1Promise | None


@dataclass(frozen=True, slots=True)
class SeverityReport:
    """How the severity fares. ``scores``, kappa and error (in levels) are of the most likely level.

    ``confusion`` has the true levels as rows; its columns are the answered levels, then no answer.
    """

    scores: Scores
    without_near_duplicates: Scores | None
    floors: tuple[Floor, ...]
    quadratic_kappa: float | None
    mean_absolute_error: float
    actions: tuple[ActionShare, ...]
    thresholds: Thresholds
    confusion: tuple[tuple[int, ...], ...]
    classes: tuple[ClassReport, ...]
    fates: tuple[LevelFate, ...]
    missed: tuple[MissedTicket, ...]
    flag: Sev1Flag


@dataclass(frozen=True, slots=True)
class NextStep:
    """One thing to do, why, how many tickets it concerns, and the section of the page that shows them."""

    title: str
    why: str
    n: int
    section: str


@dataclass(frozen=True, slots=True)
class MisclassificationReport:
    """Where a release is wrong, on which tickets. ``category`` or ``severity`` is None where there was none to test."""

    release_id: str
    data_window: DataWindow
    n: int
    n_near_duplicates: int
    category: CategoryReport | None
    severity: SeverityReport | None
    next_steps: tuple[NextStep, ...]
    format_version: int = FORMAT_VERSION

    @property
    def row_ids(self) -> tuple[int, ...]:
        """Rows of all tickets that the report names, each once, in the order of the page."""
        missed = self.severity.missed if self.severity else ()
        pairs = self.category.pairs if self.category else ()
        doubtful = self.category.doubtful.tickets if self.category else ()
        rows = [
            *(item.ticket.row_id for item in missed),
            *(example.ticket.row_id for pair in pairs for example in pair.examples),
            *(item.ticket.row_id for item in doubtful),
        ]
        return tuple(dict.fromkeys(rows))

    def to_json(self) -> dict[str, Any]:
        """The report as JSON's own types."""
        dumped: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return dumped

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> MisclassificationReport:
        """Read what :meth:`to_json` gave.

        Raises
        ------
        SourceUnreadable
            If the report is of another format version, or a field of it is missing or wrong.
        """
        version = data.get("format_version")
        if version != FORMAT_VERSION:
            raise SourceUnreadable(
                f"The misclassification report has format version {version!r} and this Precedent reads "
                f"{FORMAT_VERSION}; make it again with 'precedent report misclassification'."
            )
        try:
            return _ADAPTER.validate_python(data)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SourceUnreadable(
                f"The misclassification report has a wrong field {name} ({first['msg']}); make it again with "
                "'precedent report misclassification'."
            ) from None


_ADAPTER = TypeAdapter(MisclassificationReport)
