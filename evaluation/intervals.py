"""Intervals of figures by the bootstrap: percentile intervals over tickets or queries (Efron, 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

N_DRAWS = 2000
SEED = 0

Interval = tuple[float, float]


def bootstrap_interval(
    statistic: Callable[[NDArray[np.intp]], float], n: int, *, n_draws: int = N_DRAWS, seed: int = SEED
) -> Interval:
    """95 % percentile interval of a statistic under resampling of n rows.

    Parameters
    ----------
    statistic : callable
        Takes row numbers, ndarray of intp of shape (n,), and gives the figure of that sample.
    n : int
        Number of rows; with none the interval is (nan, nan).

    Examples
    --------
    >>> values = np.array([0.0, 1.0, 1.0, 1.0])
    >>> low, high = bootstrap_interval(lambda rows: float(values[rows].mean()), 4)
    >>> low < 0.75 <= high
    True
    """
    if n == 0:
        return (float("nan"), float("nan"))
    generator = np.random.default_rng(seed)
    draws = [statistic(generator.integers(0, n, size=n)) for _ in range(n_draws)]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return (float(low), float(high))


def mean_interval(values: NDArray[np.floating], *, n_draws: int = N_DRAWS, seed: int = SEED) -> Interval:
    """95 % percentile interval of a mean; ``values`` has shape (n,)."""
    array = np.asarray(values, dtype=np.float64)
    return bootstrap_interval(lambda rows: float(array[rows].mean()), len(array), n_draws=n_draws, seed=seed)
