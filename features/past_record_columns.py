"""The past records of many tickets at once, out of columns: what adding each in turn would give, soon."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.past_record import N_LEVELS, Counted, Event, Key, PastRecord, Who, weights

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class CountedColumns:
    """Tickets as they count, :class:`features.past_record.Counted`, in columns of shape (n,).

    Attributes
    ----------
    level : ndarray of int64
        Number of the severity, 0 (sev1) to 3.
    at : ndarray of float64
        Since when it was known, in seconds since the epoch.
    product, customer, reporter : ndarrays of int64
        Positions in ``labels``; -1 where unknown.
    """

    level: NDArray[np.int64]
    at: Floats
    product: Codes
    customer: Codes
    reporter: Codes
    labels: Sequence[str]

    def record(self) -> PastRecord:
        """Count them all."""
        sums: dict[Key, Floats] = {}
        n: Counter[Key] = Counter()
        for key, found, n_found in self._groups():
            sums[key], n[key] = found, n_found
        return PastRecord(sums, n, dict(self._events()), np.sort(self.at).tolist())

    def each(self) -> Iterator[Counted]:
        """One after another, as they count by themselves."""
        codes = (self.product.tolist(), self.customer.tolist(), self.reporter.tolist())
        for level, at, *who in zip(self.level.tolist(), self.at.tolist(), *codes, strict=True):
            yield Counted(Who(*(None if code < 0 else self.labels[code] for code in who)), level, at)

    def _groups(self) -> Iterator[tuple[Key, Floats, int]]:
        """Each group with its sums of weights, shape (4,), and its number of tickets."""
        by_year, ever = weights((), self.at), weights(("reporter_ever",), self.at)
        for _, found, n in self._sums(np.zeros(len(self.at), dtype=np.int64), by_year):
            yield (), found, n
        for name, codes in (("product", self.product), ("customer", self.customer), ("reporter", self.reporter)):
            for code, found, n in self._sums(codes, by_year):
                yield (name, self.labels[code]), found, n
        for code, found, n in self._sums(self.reporter, ever):
            yield ("reporter_ever", self.labels[code]), found, n
        n_labels = max(1, len(self.labels))
        both = np.where((self.reporter >= 0) & (self.product >= 0), self.reporter * n_labels + self.product, -1)
        for code, found, n in self._sums(both, by_year):
            yield ("reporter_and_product", *(self.labels[part] for part in divmod(code, n_labels))), found, n

    def _sums(self, codes: Codes, of_each: Floats) -> Iterator[tuple[int, Floats, int]]:
        is_known = codes >= 0
        groups, members, n = np.unique(codes[is_known], return_inverse=True, return_counts=True)
        cells = members * N_LEVELS + self.level[is_known]
        found = np.bincount(cells, weights=of_each[is_known], minlength=N_LEVELS * len(groups))
        yield from zip(groups.tolist(), found.reshape(-1, N_LEVELS), n.tolist(), strict=True)

    def _events(self) -> Iterator[tuple[str, list[Event]]]:
        """Each reporter with the times and levels of their tickets, in order."""
        order = np.lexsort((self.level, self.at, self.reporter))
        order = order[np.searchsorted(self.reporter[order], 0) :]
        events = list(zip(self.at[order].tolist(), self.level[order].tolist(), strict=True))
        reporters, first = np.unique(self.reporter[order], return_index=True)
        bounds = [*first.tolist(), len(order)]
        for code, (start, stop) in zip(reporters.tolist(), itertools.pairwise(bounds), strict=True):
            yield self.labels[code], events[start:stop]
