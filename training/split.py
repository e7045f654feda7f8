"""Split a history by time: the past to fit on, later rows to calibrate on, the newest to test on."""

from __future__ import annotations

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


def time_split(created: Sequence[datetime | None], *, train_share: float, calibration_share: float, seed: int) -> Split:
    """Split rows by their creation time.

    Rows without a date go to the training part when most rows are dated; when fewer than half are, order means
    nothing and all rows are drawn by seed.

    Parameters
    ----------
    created : sequence of datetime or None, length n
        Creation times, aware, UTC.
    train_share, calibration_share : float
        Shares of the dated rows; the rest is for testing.

    Raises
    ------
    NotEnoughData
        If there are fewer than 40 rows.
    """
    n = len(created)
    if n < MIN_TICKETS:
        raise NotEnoughData(
            f"There are {n} labelled tickets; training needs at least {MIN_TICKETS} to fit, calibrate and test: "
            "import more history."
        )
    dated = [i for i in range(n) if created[i] is not None]
    if len(dated) < n / 2:
        order = [int(i) for i in np.random.default_rng(seed).permutation(n)]
        undated: list[int] = []
    else:
        order = sorted(dated, key=lambda i: (created[i], i))
        undated = [i for i in range(n) if created[i] is None]
    first, second = round(len(order) * train_share), round(len(order) * (train_share + calibration_share))
    return Split(
        train=tuple(sorted(undated + order[:first])),
        calibration=tuple(order[first:second]),
        test=tuple(order[second:]),
        cut=created[order[second]] if len(dated) >= n / 2 else None,
    )
