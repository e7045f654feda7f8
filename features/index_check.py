"""Whether an index says what the history says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from features.case_entries import CaseEntries
from features.dense import Ids, Kind
from features.encoder import Encoder
from features.index_parts import CasePage, IndexParts, fulltext_documents
from features.index_stats import evenly, recall_on_sample
from features.lexical import DocumentTerms
from features.snapshot import damage, snapshots
from features.text import RULES_VERSION, model_text
from features.vectors import vector_key

if TYPE_CHECKING:
    from features.history import History, StoredCase

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
    kind : Kind
        Of the index of the vectors.
    recall_at_10 : float or None
        See :func:`features.index_stats.recall_on_sample`.
    problems : tuple of str
        One sentence each; empty where all is well.
    """

    watermark: int
    last_change: int
    n_cases: int
    n_history: int
    kind: Kind
    recall_at_10: float | None
    problems: tuple[str, ...]

    @property
    def is_sound(self) -> bool:
        """Whether no problem was found."""
        return not self.problems


def check_index(parts: IndexParts, watermark: int, folder: Path, history: History, encoder: Encoder) -> IndexReport:
    """Hold the parts against each other and against the history, and the snapshots against their hashes."""
    last_change = history.last_change()
    sample = _sample(parts, history)
    problems = [
        *_disagreements(parts),
        *_later_than(watermark, last_change),
        *differences(parts.entries, watermark, history),
        *_wrong_vectors(parts, sample, history, encoder),
        *_wrong_contents(parts, sample, encoder.dimension),
        *damaged_snapshots(folder),
    ]
    recall = recall_on_sample(parts.dense)
    return IndexReport(
        watermark, last_change, len(parts.entries), history.count().tickets, parts.dense.kind, recall, tuple(problems)
    )


def _sample(parts: IndexParts, history: History) -> dict[int, StoredCase]:
    """Some cases that the index has in the version that the history has, by row."""
    rows = evenly(parts.entries.row_ids, _SAMPLE)
    current = parts.entries.changes()
    return {row: case for row, case in history.cases(rows.tolist()).items() if current.get(row) == case.change}


def _disagreements(parts: IndexParts) -> Iterator[str]:
    rows = np.sort(parts.entries.row_ids)
    for what, others in (("vectors", parts.dense.ids), ("the inverted index", parts.fulltext.row_ids)):
        if len(differ := np.setxor1d(rows, others)):
            yield f"{len(differ)} rows are in only one of entries and {what} (row {differ[0]} is one); rebuild."
    if len(parts.forward) != parts.entries.n_slots:
        yield f"The forward index has {len(parts.forward)} slots, the entries {parts.entries.n_slots}; rebuild."


def _later_than(watermark: int, last_change: int) -> Iterator[str]:
    if watermark > last_change:
        yield (
            f"The index is at change {watermark} and the history at {last_change}, as after a restore of an older "
            "backup; rebuild the index."
        )


def differences(entries: CaseEntries, watermark: int, history: History) -> Iterator[str]:
    """Hold every case against the history as of the watermark: row, change, content and id, but no texts."""
    held, seen, missing, others = entries.row_ids, [], [], []
    for versions in history.iter_versions():
        wrong = versions.row_ids[(versions.changes <= watermark) & ~entries.agree(versions)]
        is_held = entries.slots(wrong) >= 0
        seen.append(versions.row_ids)
        missing.append(wrong[~is_held])
        others.append(wrong[is_held])
    # Read last, so that what was erased meanwhile is known.
    seen.append(np.array(history.erased_since(watermark), dtype=np.int64))
    for what, rows in (
        ("missing from the index", np.concatenate([*missing, held[:0]])),
        ("in the index, but not in the history", held[~np.isin(held, np.concatenate(seen))]),
        ("another version in the index", np.concatenate([*others, held[:0]])),
    ):
        if len(rows):
            yield f"{len(rows)} cases are {what} (row {rows.min()} is one); rebuild the index."


def _wrong_vectors(
    parts: IndexParts, sample: Mapping[int, StoredCase], history: History, encoder: Encoder
) -> Iterator[str]:
    """Compare with the vectors that the history keeps."""
    keys = {
        row: vector_key(encoder.fingerprint, RULES_VERSION, model_text(stored.case.ticket).text)
        for row, stored in sample.items()
    }
    vectors = history.vectors(list(keys.values()))
    held = set(parts.dense.ids.tolist())
    checked = [row for row, key in keys.items() if key in vectors and row in held]
    if not checked:
        return
    truth = np.stack([vectors[keys[row]] for row in checked])
    cosines = np.sum(parts.dense.reconstruct(np.array(checked, dtype=np.int64)) * truth, axis=1)
    if n_wrong := int(np.sum(cosines < _MIN_COSINE)):
        yield f"{n_wrong} of {len(checked)} vectors looked at are not those of the history; rebuild the index."


def _wrong_contents(parts: IndexParts, sample: Mapping[int, StoredCase], dimension: int) -> Iterator[str]:
    """Compare facts and terms with those of the cases, taken in anew."""
    if not sample or not len(parts.forward):
        return
    cases = list(sample.values())
    texts = [model_text(stored.case.ticket) for stored in cases]
    page = CasePage(cases, texts, np.zeros((len(cases), dimension), dtype=np.float32))
    rows = np.array(list(sample), dtype=np.int64)
    facts = zip(_facts(parts.entries, rows), _facts(page.entries, rows), strict=True)
    slots = np.minimum(parts.entries.slots(rows), len(parts.forward) - 1)  # of too few slots, the number is told
    terms = zip(slots.tolist(), page.documents, strict=True)
    for what, wrong in (
        ("facts", [found != expected for found, expected in facts]),
        ("terms", [not _is_same(parts.forward.document(slot), expected) for slot, expected in terms]),
        (
            "entries in the inverted index",
            [not parts.fulltext.holds(document) for document in fulltext_documents(page.entries, page.documents)],
        ),
    ):
        if any(wrong):
            yield f"The {what} of {sum(wrong)} of {len(rows)} cases looked at are not theirs; rebuild the index."


def _facts(entries: CaseEntries, rows: Ids) -> list[str]:
    """Facts in a form that can be compared, which nan cannot; without duplicates, whose rows need every case."""
    return [repr(entry._replace(duplicate_of=())) for entry in entries.entries(rows.tolist())]


def _is_same(found: DocumentTerms, expected: DocumentTerms) -> bool:
    return all(
        np.array_equal(a.hashes, b.hashes) and np.array_equal(a.counts, b.counts) and a.length == b.length
        for a, b in ((found.subject, expected.subject), (found.text, expected.text))
    )


def damaged_snapshots(folder: Path) -> Iterator[str]:
    """One sentence for each snapshot in a folder that does not pass its checks."""
    yield from filter(None, map(damage, snapshots(folder)))
