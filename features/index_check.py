"""Whether an index says what the history says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.dense import DenseIndex, Ids, Kind
from features.encoder import Encoder
from features.errors import IndexDamaged
from features.index_parts import IndexParts
from features.snapshot import check_snapshot, snapshots
from features.text import RULES_VERSION, model_text
from features.vectors import vector_key

if TYPE_CHECKING:
    from features.history import History

K = 10
_SAMPLE = 200
_RECALL_SAMPLE = 100
_ROUNDING = 1e-5  # of a cosine that is summed in another order
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
    kind : Kind
        Of the index of the vectors.
    recall_at_10 : float
        Of its searches against exact ones, for a sample of the cases; 1 where there are none.
    problems : tuple of str
        One sentence each; empty where all is well.
    """

    watermark: int
    last_change: int
    n_cases: int
    n_history: int
    kind: Kind
    recall_at_10: float
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
    recall = recall_on_sample(parts.dense)
    return IndexReport(
        watermark, last_change, len(parts.entries), len(truth), parts.dense.kind, recall, tuple(problems)
    )


def recall_on_sample(dense: DenseIndex) -> float:
    """Share of the ten nearest other vectors that a search finds, for a sample of the vectors; 1 where there is none.

    Every vector is compared with every one of the sample, which takes some seconds a million.
    """
    sample = _evenly(dense.ids, _RECALL_SAMPLE)
    if len(sample) < 2:
        return 1.0
    vectors = dense.reconstruct(sample)
    hits = n_wanted = 0
    for own, vector, nearest in zip(sample, vectors, dense.search_exactly(vectors, K + 1), strict=True):
        wanted = nearest[nearest != own][:K]
        found, cosines = dense.search(vector, K + 1)
        # By cosine and not by id: of cases with one text any is as good as the other.
        least = np.min(dense.reconstruct(wanted) @ vector) - _ROUNDING
        hits += int(np.sum(cosines[found != own][:K] >= least))
        n_wanted += len(wanted)
    return hits / n_wanted


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
    sample = _evenly(parts.dense.ids, _SAMPLE)
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


def _evenly(ids: Ids, n: int) -> Ids:
    """At most n of some ids, evenly spaced."""
    return ids[np.unique(np.linspace(0, len(ids) - 1, min(n, len(ids))).astype(np.int64))]


def damaged_snapshots(folder: Path) -> Iterator[str]:
    """One sentence for each snapshot in a folder that does not pass its checks."""
    for path in snapshots(folder):
        try:
            check_snapshot(path)
        except IndexDamaged as error:
            yield error.message
