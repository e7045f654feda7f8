"""The gate of a promotion: a challenger that is worse than the champion on the same tickets is refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from evaluation.classification import macro_f1
from evaluation.intervals import Interval, bootstrap_interval

MIN_ROWS = 30
_NO_ANSWER = "\0"  # no label has it: the intake drops NUL


@dataclass(frozen=True, slots=True)
class GateResult:
    """What the gate saw: the difference of a figure, challenger less champion, on n tickets."""

    figure: str
    n: int
    challenger: float
    champion: float
    difference: float
    ci95: Interval
    passed: bool

    @property
    def reason(self) -> str:
        """One sentence for the analyst."""
        if self.n < MIN_ROWS:
            return f"{self.n} tickets with a {self.figure} are too few to compare on; {MIN_ROWS} would show something."
        verdict = "is not shown to be worse than" if self.passed else "is worse than"
        return (
            f"Macro-F1 of {self.figure} {self.challenger:.3f} {verdict} the champion's {self.champion:.3f} on the same "
            f"{self.n} tickets (difference {self.difference:+.3f}, 95 % interval {self.ci95[0]:+.3f} to "
            f"{self.ci95[1]:+.3f})."
        )


def compare(
    figure: str,
    truth: Sequence[str],
    challenger: Sequence[str | None],
    champion: Sequence[str | None],
    *,
    n_draws: int = 500,
) -> GateResult:
    """Compare two models' answers on the same tickets by macro-F1, with a paired bootstrap.

    The gate refuses when the whole interval lies below zero; with fewer than 30 tickets it passes, since nothing
    could be shown.

    Parameters
    ----------
    truth : sequence of str, length n
    challenger, champion : sequences of str or None, length n
        None where a model has no answer to give, which is never right.
    """
    ours, theirs = ([answer or _NO_ANSWER for answer in answers] for answers in (challenger, champion))
    t, a, b = (np.array(values, dtype=object) for values in (truth, ours, theirs))
    n = len(t)

    def difference(rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
        return macro_f1(t[rows].tolist(), a[rows].tolist()) - macro_f1(t[rows].tolist(), b[rows].tolist())

    interval = bootstrap_interval(difference, n, n_draws=n_draws)
    own = macro_f1(truth, ours) if n else float("nan")
    other = macro_f1(truth, theirs) if n else float("nan")
    return GateResult(
        figure=figure,
        n=n,
        challenger=own,
        champion=other,
        difference=own - other,
        ci95=interval,
        passed=n < MIN_ROWS or interval[1] >= 0,
    )
