"""The functions that public benchmarks fit with: training's own, with its parameters."""

from __future__ import annotations

from functools import partial

import numpy as np

from evaluation.benchmarks.bench import Fitting
from training.calibration import ERROR_RATE
from training.folds import fit_triage_in_folds
from training.params import TrainingParams
from training.ranker import calibrated, fit_ranker, fit_weights
from training.severity_ablation import severity_without
from training.thresholds import threshold_for_precision, threshold_for_recall
from training.triage import fit_triage


def fitting(params: TrainingParams) -> Fitting:
    """What a release is trained with, for a benchmark to train with."""
    return Fitting(
        triage=partial(fit_triage, params=params),
        triage_in_folds=partial(fit_triage_in_folds, params=params),
        severity_without=partial(severity_without, params=params),
        ranker=partial(fit_ranker, params=params),
        weights=lambda groups, regularisation: fit_weights(groups, regularisation=regularisation),
        calibrated=partial(calibrated, params=params),
        threshold=partial(threshold_for_precision, error_rate=ERROR_RATE),
        sev1_threshold=partial(threshold_for_recall, recall=params.sev1_recall, confidence=params.sev1_confidence),
        costs=np.array(params.costs, dtype=np.float64),
        sev1_recall=params.sev1_recall,
        sev1_confidence=params.sev1_confidence,
    )
