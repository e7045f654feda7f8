"""Counts, sizes and recall of an index, for people who look after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from features.case_filter import CaseFilter
from features.dense import DenseIndex, Ids, Kind
from features.index_parts import IndexParts
from features.snapshot import snapshot_bytes, snapshot_watermark, snapshots

K = 10
_RECALL_SAMPLE = 100
_ROUNDING = 1e-5  # of a cosine that is summed in another order


@dataclass(frozen=True, slots=True)
class IndexStats:
    """The state of an index.

    Attributes
    ----------
    kind : Kind
        Of the index of the vectors.
    n_bytes : mapping of str to int
        By part, of memory, and of disk for ``dense_on_disk``, ``fulltext`` and ``snapshot``.
    recall_at_10 : float or None
        See :func:`recall_on_sample`.
    snapshot, snapshot_watermark : str and int, or None
        Name and watermark of the latest on disk; None where there is none, or it cannot be read.
    """

    watermark: int
    n_cases: int
    n_resolved: int
    n_dead_slots: int
    n_segments: int
    kind: Kind
    n_bytes: Mapping[str, int]
    recall_at_10: float | None
    snapshot: str | None
    snapshot_watermark: int | None

    @property
    def dense_bytes_a_case(self) -> float:
        """Memory of a case's vector; 0 where there are no cases."""
        return self.n_bytes["dense"] / self.n_cases if self.n_cases else 0.0


def index_stats(parts: IndexParts, watermark: int, folder: Path) -> IndexStats:
    """Count and measure; nothing may change the parts meanwhile."""
    latest = next(iter(snapshots(folder)), None)
    return IndexStats(
        watermark=watermark,
        n_cases=len(parts.entries),
        n_resolved=int(parts.entries.mask(CaseFilter(is_resolved=True)).sum()),
        n_dead_slots=parts.entries.n_slots - len(parts.entries),
        n_segments=parts.fulltext.n_segments,
        kind=parts.dense.kind,
        n_bytes={
            "dense": parts.dense.n_bytes,
            "dense_on_disk": parts.dense.n_bytes_on_disk,
            "forward": parts.forward.n_bytes,
            "fulltext": parts.fulltext.n_bytes,
            "snapshot": 0 if latest is None else snapshot_bytes(latest),
        },
        recall_at_10=recall_on_sample(parts.dense),
        snapshot=None if latest is None else latest.name,
        snapshot_watermark=None if latest is None else snapshot_watermark(latest),
    )


def recall_on_sample(dense: DenseIndex) -> float | None:
    """Share of the ten nearest other vectors that a search finds, for a sample of the vectors.

    Every vector is compared with every one of the sample, which takes some seconds a million.

    Returns
    -------
    float or None
        0 to 1; None where there are not two vectors.
    """
    sample = evenly(dense.ids, _RECALL_SAMPLE)
    if len(sample) < 2:
        return None
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


def evenly(ids: Ids, n: int) -> Ids:
    """At most n of some ids, evenly spaced."""
    return ids[np.unique(np.linspace(0, len(ids) - 1, min(n, len(ids))).astype(np.int64))]
