"""Reliability curves: how sure the release was, beside how often that came true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from evaluation.calibration import expected_calibration_error, null_calibration_error, reliability_bins
from evaluation.report.parts import Calibration, CurvePoint
from evaluation.severity import exact_interval

# A point of the curve over fewer tickets says little; over more than 15 points nobody sees more.
_POINT_TICKETS = 25
_MAX_POINTS = 15


def calibration(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> Calibration:
    """Compare confidences with what came true; both arrays have shape (n,), n > 0."""
    n_points = int(np.clip(len(confidence) // _POINT_TICKETS, 1, _MAX_POINTS))
    return Calibration(
        n=len(confidence),
        mean_confidence=float(confidence.mean()),
        ece=expected_calibration_error(confidence, correct),
        ece_null_p95=null_calibration_error(confidence),
        curve=tuple(
            CurvePoint(
                point.n, point.confidence, point.accuracy, exact_interval(round(point.accuracy * point.n), point.n)
            )
            for point in reliability_bins(confidence, correct, n_bins=n_points)
        ),
    )
