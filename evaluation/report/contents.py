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

from evaluation.report.parts import CategoryReport
from evaluation.report.severity_parts import SeverityReport
from features.errors import SourceUnreadable

FORMAT_VERSION = 2


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
class NextStep:
    """One thing to do, why, how many tickets it concerns, and the section of the page that shows them.

    ``urgency`` runs from 0, which stops a release, to 3, which weakens a promise.
    """

    title: str
    why: str
    n: int
    urgency: int
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
                f"{FORMAT_VERSION}; train again: 'precedent train' writes one."
            )
        try:
            return _ADAPTER.validate_python(data)
        except ValidationError as error:
            first = error.errors(include_input=False)[0]
            name = ".".join(str(part) for part in first["loc"])
            raise SourceUnreadable(
                f"The misclassification report has a wrong field {name} ({first['msg']}); train again: "
                "'precedent train' writes one."
            ) from None


_ADAPTER = TypeAdapter(MisclassificationReport)
