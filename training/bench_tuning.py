"""Encoder tuning for public benchmarks: on a set's training rows alone, decided on a tenth of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from evaluation.benchmarks.bench import Tuned
from evaluation.benchmarks.vectors import VectorStore
from evaluation.dataset import LabelledRows
from features.encoder import Encoder, load_encoder
from features.settings import DEFAULT_ENCODER
from training.encoder_tuning import compare, embed_rows, tune_weights
from training.params import TrainingParams
from training.sentence_encoder import export_encoder
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
    """Tune the default encoder on training rows, drawn by seed into nine tenths to learn from and one to decide on.

    Parameters
    ----------
    folder : Path
        Holds checkpoints, weights and the export.
    vectors : Path
        Folder of the benchmark's vectors.
    """
    drawn = np.random.default_rng(params.seed).permutation(len(rows))
    first = round(len(rows) * TUNE_SHARE)
    newer, older = sorted(drawn[:first].tolist()), sorted(drawn[first:].tolist())
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
