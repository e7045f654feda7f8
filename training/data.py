"""The training set of a history: its labelled tickets, masked, as model texts with their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from features.text import model_text

from evaluation.dataset import LabelledRows
from features.encoder import Encoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.history import History, StoredCase
from features.vectors import embed_cases

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Cases and their labelled rows, one row a case, in order of row id.

    ``content_hash`` identifies the data: every row id with its change number, so any later change shows.
    """

    cases: tuple[StoredCase, ...]
    rows: LabelledRows
    content_hash: str
    last_change: int

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        """Earliest and latest creation time."""
        created = [c.case.ticket.created_at for c in self.cases if c.case.ticket.created_at is not None]
        return (min(created), max(created)) if created else (None, None)


def load_training_data(history: History, encoder: Encoder, progress: Progress | None = None) -> TrainingData:
    """Read every ticket of a history and embed what is not embedded yet.

    Raises
    ------
    NotEnoughData
        If the history is empty.
    """
    last_change = history.last_change()
    cases = tuple(history.iter_cases())
    if not cases:
        raise NotEnoughData("The history holds no tickets: import some with 'precedent import tickets'.")
    vectors = embed_cases(history, encoder, cases, progress=progress)
    digest = hashlib.sha256()
    for stored in cases:
        digest.update(f"{stored.row_id}:{stored.change}\n".encode())
    names = sorted({name for stored in cases for name in stored.case.outcome.targets})
    return TrainingData(
        cases=cases,
        rows=LabelledRows(
            examples=tuple(
                Example(stored.case.ticket, model_text(stored.case.ticket), vectors[i])
                for i, stored in enumerate(cases)
            ),
            categories=tuple(stored.case.outcome.category for stored in cases),
            severities=tuple(stored.case.outcome.severity for stored in cases),
            targets={name: tuple(stored.case.outcome.targets.get(name) for stored in cases) for name in names},
        ),
        content_hash=digest.hexdigest(),
        last_change=last_change,
    )
