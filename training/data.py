"""The training set of a history: its labelled tickets, masked, as model texts with their vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from evaluation.dataset import LabelledRows
from features.encoder import Encoder
from features.errors import NotEnoughData
from features.feature_space import Example
from features.history import History, StoredCase
from features.label_cleaning import LabelCleaning
from features.past_record import records_in_time
from features.structured import indicators
from features.taxonomy import Taxonomy
from features.text import model_text
from features.vectors import embed_cases
from training.params import TrainingParams
from training.split import Split, time_split

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class CleanedLabels:
    """How the labels of the category, and of each further target of the history, were cleaned."""

    taxonomy: Taxonomy
    category: LabelCleaning
    targets: Mapping[str, LabelCleaning]

    @classmethod
    def of(cls, taxonomy: Taxonomy, cases: Sequence[StoredCase]) -> CleanedLabels:
        """Learn from the labels that the cases have."""
        names = sorted({name for stored in cases for name in stored.case.outcome.targets})
        return cls(
            taxonomy=taxonomy,
            category=LabelCleaning.of(taxonomy.category, [stored.case.outcome.category for stored in cases]),
            targets={
                name: LabelCleaning.of(
                    taxonomy.target(name), [stored.case.outcome.targets.get(name) for stored in cases]
                )
                for name in names
            },
        )


@dataclass(frozen=True, slots=True)
class TrainingData:
    """Cases as the history has them and their rows with cleaned labels, one row a case, in order of row id.

    ``content_hash`` identifies what is learned from, whatever history it comes from: ids, times, model texts, fields,
    labels and links. ``last_change`` is the history's change number when it was read.
    """

    cases: tuple[StoredCase, ...]
    rows: LabelledRows
    labels: CleanedLabels
    content_hash: str
    last_change: int

    @property
    def window(self) -> tuple[datetime | None, datetime | None]:
        """Earliest and latest creation time."""
        created = [c.case.ticket.created_at for c in self.cases if c.case.ticket.created_at is not None]
        return (min(created), max(created)) if created else (None, None)


def load_training_data(
    history: History, encoder: Encoder, progress: Progress | None = None, *, taxonomy: Taxonomy | None = None
) -> TrainingData:
    """Read every ticket of a history, clean its labels, and embed what is not embedded yet.

    Parameters
    ----------
    progress : callable, optional
        Called with the number of tickets that are embedded, and of all.
    taxonomy : Taxonomy, optional
        Which labels are learned from; without one, all.

    Raises
    ------
    NotEnoughData
        If the history is empty, or none of its categories is one of the taxonomy's.
    """
    last_change = history.last_change()
    cases = tuple(history.iter_cases())
    if not cases:
        raise NotEnoughData("The history holds no tickets: import some with 'precedent import tickets'.")
    labels = CleanedLabels.of(taxonomy or Taxonomy(), cases)
    _check_some_left(labels.category)
    texts = [model_text(stored.case.ticket) for stored in cases]
    counting = _counting(progress, len(cases)) if progress else None
    vectors = embed_cases(history, encoder, cases, counting, texts=texts)
    records = records_in_time([s.case.ticket for s in cases], [s.case.outcome for s in cases])
    rows = LabelledRows(
        examples=tuple(
            Example(stored.case.ticket, text, vector, record)
            for stored, text, vector, record in zip(cases, texts, vectors, records, strict=True)
        ),
        categories=tuple(labels.category.clean(stored.case.outcome.category) for stored in cases),
        severities=tuple(stored.case.outcome.severity for stored in cases),
        targets={
            name: tuple(cleaning.clean(stored.case.outcome.targets.get(name)) for stored in cases)
            for name, cleaning in labels.targets.items()
        },
    )
    return TrainingData(
        cases=cases, rows=rows, labels=labels, content_hash=_content_hash(cases, rows), last_change=last_change
    )


def _check_some_left(cleaning: LabelCleaning) -> None:
    if cleaning.counts and not cleaning.spellings:
        frequent = max(sorted(cleaning.counts), key=lambda label: cleaning.counts[label])
        raise NotEnoughData(
            f"None of the {sum(cleaning.counts.values())} tickets with a category has one that the taxonomy answers "
            f"(the most frequent is {frequent!r}): mend the labels of the taxonomy file."
        )


def labelled_split(data: TrainingData, params: TrainingParams) -> tuple[list[int], Split]:
    """Numbers of the labelled rows, and their split by time, in terms of places among them.

    Raises
    ------
    NotEnoughData
        If there are too few of them.
    """
    labelled = data.rows.labelled()
    split = time_split(
        [data.cases[i].case.ticket.created_at for i in labelled],
        train_share=params.train_share,
        calibration_share=params.calibration_share,
        seed=params.seed,
    )
    return labelled, split


def first_calibration_time(data: TrainingData, params: TrainingParams) -> datetime | None:
    """Creation time from which on tickets are held out to calibrate and test on; None where rows are drawn by seed."""
    labelled, split = labelled_split(data, params)
    created = (data.cases[labelled[i]].case.ticket.created_at for i in split.calibration)
    return min((at for at in created if at is not None), default=None) if split.cut else None


def _counting(progress: Progress, total: int) -> Callable[[int], None]:
    done = 0

    def advance(n: int) -> None:
        nonlocal done
        done += n
        progress(done, total)

    return advance


def _content_hash(cases: Sequence[StoredCase], rows: LabelledRows) -> str:
    digest = hashlib.sha256()
    for i, (stored, example) in enumerate(zip(cases, rows.examples, strict=True)):
        ticket = stored.case.ticket
        read = [
            stored.case.system,
            stored.case.id,
            ticket.created_at,
            example.text.text,
            *sorted(indicators(ticket)),
            ticket.customer,
            ticket.reporter,
            stored.case.outcome.resolved_at,
            rows.categories[i],
            rows.severities[i],
            *sorted((name, value) for name, values in rows.targets.items() if (value := values[i]) is not None),
            *sorted((link.type, link.id) for link in stored.case.links),
        ]
        digest.update(repr(read).encode() + b"\n")
    return digest.hexdigest()
