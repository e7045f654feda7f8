"""Split a history by time: the past to fit on, later rows to calibrate on, the newest to test on."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from features.errors import NotEnoughData

MIN_TICKETS = 40


@dataclass(frozen=True, slots=True)
class Split:
    """Row numbers of each part.

    ``cut`` is the creation time (UTC) of the first test row; None where tickets are not dated, and then the parts are
    drawn by seed.
    """

    train: tuple[int, ...]
    calibration: tuple[int, ...]
    test: tuple[int, ...]
    cut: datetime | None

    def renumbered(self, numbers: Sequence[int]) -> Split:
        """The same split in terms of other row numbers: row i becomes ``numbers[i]``."""
        return Split(
            train=tuple(numbers[i] for i in self.train),
            calibration=tuple(numbers[i] for i in self.calibration),
            test=tuple(numbers[i] for i in self.test),
            cut=self.cut,
        )


def time_split(created: Sequence[datetime | None], *, train_share: float, calibration_share: float, seed: int) -> Split:
    """Split rows by their creation time; rows of the same time stay in one part.

    Rows without a date go to the training part when most rows are dated. Where fewer than half are, or where all have
    nearly the same date, order means nothing and all rows are drawn by seed.

    Parameters
    ----------
    created : sequence of datetime or None, length n
        Creation times, aware, UTC.
    train_share, calibration_share : float
        Shares of the dated rows; the rest is for testing.

    Raises
    ------
    NotEnoughData
        If there are fewer than 40 rows, or the shares leave a part without any.
    """
    n = len(created)
    if n < MIN_TICKETS:
        raise NotEnoughData(
            f"There are {n} labelled tickets; training needs at least {MIN_TICKETS} to fit, calibrate and test: "
            "import more history."
        )
    dated = sorted((at, i) for i, at in enumerate(created) if at is not None)
    if len(dated) >= n / 2:
        times = [at for at, _ in dated]
        # The first row of the time that the share falls on: a later part never holds a time of an earlier one.
        first, second = (bisect_left(times, times[edge]) for edge in _edges(len(dated), train_share, calibration_share))
        if 0 < first < second:
            order = [i for _, i in dated]
            undated = [i for i, at in enumerate(created) if at is None]
            return Split(
                train=tuple(sorted(undated + order[:first])),
                calibration=tuple(order[first:second]),
                test=tuple(order[second:]),
                cut=times[second],
            )
    drawn = [int(i) for i in np.random.default_rng(seed).permutation(n)]
    first, second = _edges(n, train_share, calibration_share)
    return Split(
        train=tuple(sorted(drawn[:first])), calibration=tuple(drawn[first:second]), test=tuple(drawn[second:]), cut=None
    )


def _edges(n: int, train_share: float, calibration_share: float) -> tuple[int, int]:
    """Where calibration and testing begin, among n rows in order."""
    first, second = round(n * train_share), round(n * (train_share + calibration_share))
    if not 0 < first < second < n:
        raise NotEnoughData(
            f"Of {n} tickets a train_share of {train_share:g} and a calibration_share of {calibration_share:g} leave a "
            "part without any: choose other shares, or import more history."
        )
    return first, second


def in_time(created: Sequence[datetime | None], *, seed: int) -> list[int]:
    """Row numbers in the order of creation, of one time in the order given; undated rows first, in an order by seed.

    A file is often ordered by a label, and undated rows would keep that order.

    Examples
    --------
    >>> in_time([datetime(2025, 1, 2), None, datetime(2025, 1, 1), datetime(2025, 1, 2)], seed=0)
    [1, 2, 0, 3]
    """
    undated = [i for i, at in enumerate(created) if at is None]
    drawn = np.random.default_rng(seed).permutation(len(undated)).tolist()
    dated = sorted((at, i) for i, at in enumerate(created) if at is not None)
    return [*(undated[k] for k in drawn), *(i for _, i in dated)]
