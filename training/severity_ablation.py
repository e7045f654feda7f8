"""What each kind of input adds to the severity: second stages that are fitted without one of them."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from evaluation.neighbours import neighbours_among
from features.form import FORM_NAMES
from features.past_record import RECORD_NAMES
from serving.severity_model import INPUT_NAMES, VOTE_NAMES, stage_inputs
from training.params import TrainingParams
from training.severity import fit_chosen_stage, stage_rows
from training.triage import fit_space

_TIME = ("hour_sine", "hour_cosine", "weekend")

KINDS = MappingProxyType(
    {
        "words": tuple(name for name in INPUT_NAMES if name.startswith("words_")),
        "nearest_cases": VOTE_NAMES,
        "record_of_reporter": tuple(name for name in RECORD_NAMES if name.startswith("reporter")),
        "record_of_product_and_customer": tuple(name for name in RECORD_NAMES if not name.startswith("reporter")),
        "form": tuple(name for name in FORM_NAMES if name not in _TIME),
        "time_of_day": _TIME,
    }
)
"""Inputs of the second stage by what they are taken from."""


def severity_without(
    train: LabelledRows, calibration: LabelledRows, asked: LabelledRows, params: TrainingParams
) -> dict[str, NDArray[np.float64]]:
    """Probabilities of sev1 to sev4 of rows, by the kind of input that the second stage was fitted without.

    Returns
    -------
    dict of str to ndarray of float64, shape (n_asked, 4)
    """
    space = fit_space(train.examples, params)
    known = stage_rows(space, train, calibration, params)
    rows = space.transform(asked.examples)
    inputs = stage_inputs(known.head.scores(rows), rows, neighbours_among(train.joined(calibration), asked))
    found = {}
    for kind, names in KINDS.items():
        is_kept = ~np.isin(INPUT_NAMES, names)
        stage, _ = fit_chosen_stage(replace(known, inputs=known.inputs * is_kept))
        found[kind] = stage.probabilities(inputs * is_kept)
    return found
