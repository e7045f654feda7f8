"""Whether an index says what the history says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.encoder import Encoder
from features.errors import IndexDamaged
from features.index_parts import IndexParts
from features.snapshot import check_snapshot, snapshots
from features.text import RULES_VERSION, model_text
from features.vectors import vector_key

if TYPE_CHECKING:
    from features.history import History

_SAMPLE = 200
_MIN_COSINE = 0.999  # half precision is off by less


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a check found.

    Attributes
    ----------
    watermark, last_change : int
        Of the index and of the history; changes in between are not held against the index.
    n_cases, n_history : int
        Cases in the index and in the history.
    problems : tuple of str
        One sentence each; empty where all is well.
    """

    watermark: int
    last_change: int
    n_cases: int
    n_history: int
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def check_index(parts: IndexParts, watermark: int, folder: Path, history: History, encoder: Encoder) -> IndexReport:
    """Hold the parts against each other and against the history, and the snapshots against their hashes."""
    last_change = history.last_change()
    truth = {stored.row_id: stored.change for stored in history.iter_cases()}
    problems = [
        *_disagreements(parts),
        *_differences(parts.entries.changes(), truth, watermark),
        *_wrong_vectors(parts, history, encoder),
        *damaged_snapshots(folder),
    ]
    return IndexReport(watermark, last_change, len(parts.entries), len(truth), tuple(problems))


def _disagreements(parts: IndexParts) -> Iterator[str]:
    rows = np.sort(parts.entries.rows(parts.entries.live_slots))
    if not np.array_equal(rows, parts.dense.ids):
        yield f"{len(np.setxor1d(rows, parts.dense.ids))} rows are in only one of entries and vectors."
    if len(parts.fulltext) != len(rows):
        yield f"The full text index holds {len(parts.fulltext)} cases, the entries {len(rows)}."
    if len(parts.forward) != parts.entries.n_slots:
        yield f"The forward index has {len(parts.forward)} slots, the entries {parts.entries.n_slots}."


def _differences(found: dict[int, int], truth: dict[int, int], watermark: int) -> Iterator[str]:
    known = {row for row, change in truth.items() if change <= watermark}
    for what, rows in (
        ("missing from the index", known - found.keys()),
        ("in the index, but not in the history", found.keys() - truth.keys()),
        ("another version in the index", {row for row in known & found.keys() if found[row] != truth[row]}),
    ):
        if rows:
            yield f"{len(rows)} cases are {what} (row {min(rows)} is one); rebuild the index."


def _wrong_vectors(parts: IndexParts, history: History, encoder: Encoder) -> Iterator[str]:
    """Compare an evenly spaced sample with the vectors that the history keeps."""
    rows = parts.dense.ids
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(_SAMPLE, len(rows))).astype(np.int64))]
    current = parts.entries.changes()
    cases = {row: case for row, case in history.cases(sample.tolist()).items() if current.get(row) == case.change}
    keys = {
        row: vector_key(encoder.fingerprint, RULES_VERSION, model_text(stored.case.ticket).text)
        for row, stored in cases.items()
    }
    vectors = history.vectors(list(keys.values()))
    checked = [row for row, key in keys.items() if key in vectors]
    if not checked:
        return
    truth = np.stack([vectors[keys[row]] for row in checked])
    cosines = np.sum(parts.dense.reconstruct(np.array(checked, dtype=np.int64)) * truth, axis=1)
    if n_wrong := int(np.sum(cosines < _MIN_COSINE)):
        yield f"{n_wrong} of {len(checked)} vectors looked at are not those of the history; rebuild the index."


def damaged_snapshots(folder: Path) -> Iterator[str]:
    """One sentence for each snapshot in a folder that does not pass its checks."""
    for path in snapshots(folder):
        try:
            check_snapshot(path)
        except IndexDamaged as error:
            yield error.message
