"""Encoder tuning for public benchmarks: on a set's training rows alone, decided on a tenth of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.benchmarks.bench import Tuned
from evaluation.benchmarks.splits import grouped_folds
from evaluation.benchmarks.vectors import VectorStore
from evaluation.dataset import LabelledRows
from evaluation.near_duplicates import near_duplicate_groups
from features.encoder import Encoder, load_encoder
from features.settings import DEFAULT_ENCODER
from training.encoder_tuning import compare, embed_rows, tune_weights
from training.params import TrainingParams
from training.sentence_encoder import export_encoder
from training.split import in_time
from training.tuning_data import TUNE_SHARE
from training.tuning_pairs import TuningRows
from training.tuning_params import TuningParams
from training.tuning_scores import TuneSplit


def tune_for_benchmark(
    rows: LabelledRows,
    *,
    encoder: Encoder,
    folder: Path,
    vectors: Path,
    params: TrainingParams,
    tuning: TuningParams,
    say: Callable[[str], None],
) -> Tuned:
    """Tune the default encoder on nine tenths of the training rows, and decide on the last.

    The last tenth is the newest where all rows are dated; elsewhere it is drawn by seed, near-duplicates together.

    Parameters
    ----------
    folder : Path
        Holds checkpoints, weights and the export.
    vectors : Path
        Folder of the benchmark's vectors.
    """
    decides = deciding_rows(rows, params.seed)
    newer, older = np.flatnonzero(decides).tolist(), np.flatnonzero(~decides).tolist()
    learned = rows.take(older)
    candidate = tune_weights(
        DEFAULT_ENCODER,
        encoder,
        TuningRows(
            texts=tuple(example.text.text for example in learned.examples),
            categories=learned.categories,
            vectors=np.stack([example.vector for example in learned.examples]),
        ),
        tuning,
        folder,
        say=say,
    )
    tuned = load_encoder(export_encoder(str(candidate.weights), folder / "exported"))
    split = TuneSplit(tuple(older), tuple(newer))
    made = embed_rows(tuned, rows, split.scored, lambda done, total: say(f"embedded {done:,} of {total:,} texts"))
    outcome = compare(rows, made, split, candidate.steps, params)
    for line in outcome.lines():
        say(line)
    store = VectorStore(vectors, tuned, say) if outcome.decision.kept else None
    return Tuned(store, outcome.to_json())


def deciding_rows(rows: LabelledRows, seed: int) -> NDArray[np.bool_]:
    """Which rows decide whether a tuned encoder is kept, shape (n,); the others are learned from."""
    created = [example.ticket.created_at for example in rows.examples]
    if None not in created:
        decides = np.zeros(len(rows), dtype=np.bool_)
        decides[in_time(created, seed=seed)[len(rows) - round(len(rows) * TUNE_SHARE) :]] = True
        return decides
    groups = near_duplicate_groups([example.text.text for example in rows.examples])
    folds = grouped_folds([str(label) for label in rows.categories], groups, round(1 / TUNE_SHARE), seed=seed)
    return np.asarray(folds == 0)
