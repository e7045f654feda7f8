"""Counts, sizes and recall of an index, for people who look after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from features.case_filter import CaseFilter
from features.dense import DenseIndex
from features.index_parts import IndexParts
from features.snapshot import snapshot_bytes, snapshot_watermark, snapshots

_BLOCK = 10_000
_SAME = 1e-3  # two cosines in half precision

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class IndexStats:
    """The state of an index.

    Attributes
    ----------
    n_bytes : mapping of str to int
        By part, of memory, and of disk for ``fulltext`` and ``snapshot``.
    recall_at_10 : float or None
        See :func:`sampled_recall`.
    snapshot, snapshot_watermark : str and int, or None
        Name and watermark of the latest on disk; None where there is none, or it cannot be read.
    """

    watermark: int
    n_cases: int
    n_resolved: int
    n_dead_slots: int
    n_segments: int
    n_bytes: Mapping[str, int]
    recall_at_10: float | None
    snapshot: str | None
    snapshot_watermark: int | None


def index_stats(parts: IndexParts, watermark: int, folder: Path) -> IndexStats:
    """Count and measure; nothing may change the parts meanwhile."""
    latest = next(iter(snapshots(folder)), None)
    return IndexStats(
        watermark=watermark,
        n_cases=len(parts.entries),
        n_resolved=int(parts.entries.mask(CaseFilter(is_resolved=True)).sum()),
        n_dead_slots=parts.entries.n_slots - len(parts.entries),
        n_segments=parts.fulltext.n_segments,
        n_bytes={
            "dense": parts.dense.n_bytes,
            "forward": parts.forward.n_bytes,
            "fulltext": parts.fulltext.n_bytes,
            "snapshot": 0 if latest is None else snapshot_bytes(latest),
        },
        recall_at_10=sampled_recall(parts.dense, k=10),
        snapshot=None if latest is None else latest.name,
        snapshot_watermark=None if latest is None else snapshot_watermark(latest),
    )


def sampled_recall(dense: DenseIndex, *, k: int = 10, n_queries: int = 100) -> float | None:
    """Share of the k nearest of some of the vectors that a search finds, against comparing with every vector.

    Parameters
    ----------
    n_queries : int
        Vectors of the index itself, evenly spaced by their rows.

    Returns
    -------
    float or None
        0 to 1; None for an empty index.
    """
    rows = dense.ids
    if len(rows) == 0:
        return None
    queries = dense.reconstruct(evenly(rows, n_queries))
    k = min(k, len(rows))
    best = np.full((len(queries), k), -np.inf, dtype=np.float32)
    for start in range(0, len(rows), _BLOCK):
        cosines = queries @ dense.reconstruct(rows[start : start + _BLOCK]).T
        best = -np.sort(-np.hstack([best, cosines]), axis=1)[:, :k]
    # Equally near vectors may stand for each other, and half precision makes some so.
    found = [
        np.sum(dense.reconstruct(dense.search(query, k)[0]) @ query >= worst - _SAME)
        for query, worst in zip(queries, best[:, -1], strict=True)
    ]
    return float(np.sum(found) / (len(queries) * k))


def evenly(rows: Ids, n: int) -> Ids:
    """At most n of some rows, evenly spaced."""
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(np.int64))]
