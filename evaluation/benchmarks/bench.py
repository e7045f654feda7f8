"""What every public benchmark works with: the product's intake, text and encoder, and the functions that fit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.vectors import Progress, VectorStore
from evaluation.dataset import (
    CalibrateRanker,
    ChooseRecallThreshold,
    FitInFolds,
    FitRanker,
    FitTriage,
    FitWeights,
    LabelledRows,
    SeverityWithout,
)
from features.encoder import Encoder
from features.errors import InvalidTicket
from features.feature_space import Example
from features.intake import Intake
from features.past_record import records_in_time
from features.text import model_text
from features.ticket import Case

On = Literal["tune", "test"]


class ChooseThreshold(Protocol):
    """The product's rule for a threshold: the smallest confidence that holds a precision on calibration rows."""

    def __call__(self, confidence: NDArray[np.float64], correct: NDArray[np.bool_], precision: float) -> float | None:
        """Threshold, or None where no confidence holds the precision."""
        ...


@dataclass(frozen=True, slots=True)
class Fitting:
    """Training's functions, handed over by the caller, with the parameters that the figures name.

    ``costs[truth][answer]`` has shape (4, 4), sev1 to sev4.
    """

    triage: FitTriage
    triage_in_folds: FitInFolds
    severity_without: SeverityWithout
    ranker: FitRanker
    weights: FitWeights
    calibrated: CalibrateRanker
    threshold: ChooseThreshold
    sev1_threshold: ChooseRecallThreshold
    costs: NDArray[np.float64]
    sev1_recall: float
    sev1_confidence: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of tuning an encoder: its vectors where it won, and the figures of both on the rows that decided."""

    vectors: VectorStore | None
    figures: dict[str, object]


Tune = Callable[[LabelledRows], Tuned]
"""Tunes the bench's encoder on labelled training rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """A case as the source has it, as an import would store it, and as the models see it."""

    raw: Case
    stored: Case
    example: Example

    @property
    def raw_text(self) -> str:
        """Subject and description as the source has them: what the frozen references and the floors read."""
        return f"{self.raw.ticket.subject}\n{self.raw.ticket.description}"

    @property
    def created(self) -> float:
        """Seconds since the epoch at which the ticket was created; nan where unknown."""
        at = self.raw.ticket.created_at
        return at.timestamp() if at is not None else math.nan

    @property
    def resolved(self) -> float:
        """Seconds since the epoch at which it was resolved; nan where it was not."""
        at = self.raw.outcome.resolved_at
        return at.timestamp() if at is not None else math.nan


@dataclass(frozen=True, slots=True)
class Bench:
    """One run's tools; ``seconds`` gathers the time of each step, ``tune`` is None where the encoder stays as it is."""

    intake: Intake
    encoder: Encoder
    vectors: VectorStore
    fitting: Fitting
    scratch: Path
    progress: Progress
    tune: Tune | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    def fresh(self) -> Bench:
        """The same tools with the clock at zero, for the next folder."""
        return replace(self, seconds={})

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Announce a step and add its time under its name."""
        self.progress(name)
        started = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - started, 3)

    def rows(self, cases: Sequence[Case]) -> list[Row]:
        """Mask cases as an import would, make their model texts, embed them; what an import rejects is left out."""
        kept: list[tuple[Case, Case]] = []
        with self.step("mask"):
            for case in cases:
                try:
                    kept.append((case, self.intake.prepare(case)))
                except InvalidTicket as error:
                    self.progress(f"left out {case.id}: {error.message}")
        with self.step("text"):
            texts = [model_text(stored.ticket) for _, stored in kept]
        with self.step("embed"):
            vectors = self.vectors.embed([text.text for text in texts])
        records = records_in_time([stored.ticket for _, stored in kept], [stored.outcome for _, stored in kept])
        return [
            Row(raw, stored, Example(stored.ticket, text, vector, record))
            for (raw, stored), text, vector, record in zip(kept, texts, vectors, records, strict=True)
        ]

    def raw_vectors(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """Vectors of the raw texts, for the frozen references; shape (n, dimension)."""
        with self.step("embed for references"):
            return self.vectors.embed([row.raw_text for row in rows])
