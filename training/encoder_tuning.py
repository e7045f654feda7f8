"""``precedent train --tune-encoder``: tune the encoder on the history, and keep it only where it wins."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.dataset import LabelledRows
from features.encoder import Encoder, load_encoder
from features.errors import InvalidInput, NotEnoughData
from features.files import new_folder, write_synced
from features.history import History
from features.history_writes import pages
from features.settings import HASHING_ENCODER, Settings
from features.text import RULES_VERSION
from features.vectors import vector_key
from training.data import TrainingData, load_training_data
from training.params import TrainingParams
from training.sentence_encoder import export_encoder
from training.tuned_encoder import TunedEncoder, read_tuned, use_tuned
from training.tuning_checkpoint import CheckpointFolder
from training.tuning_data import split_for_tuning, tuning_rows
from training.tuning_pairs import TuningRows, plan_tuning
from training.tuning_params import TuningParams
from training.tuning_scores import Decision, EncoderScores, TuneSplit, decide, score_encoder
from training.tuning_steps import StepsDone, run_steps

_CHUNK = 256
_CHECKPOINTS = "checkpoints"
_STEPS = "steps.json"

Say = Callable[[str], None]
Bar = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TuningOutcome:
    """What came of tuning: how far it went, both encoders' figures on the tune split, and the decision."""

    steps: StepsDone
    base: EncoderScores
    tuned: EncoderScores
    decision: Decision

    def lines(self) -> list[str]:
        """A line each for a person."""
        what = "is kept" if self.decision.kept else "is dropped"
        return [
            f"Encoder before tuning: {self.base}",
            f"Encoder after {self.steps.steps:,} of {self.steps.planned:,} steps, {self.steps.seconds / 60:.1f} "
            f"minutes: {self.tuned}",
            f"The tuned encoder {what}: {self.decision.reason}.",
        ]

    def to_json(self) -> dict[str, object]:
        """The same for a program."""
        return {
            "kept": self.decision.kept,
            "reason": self.decision.reason,
            "steps": self.steps.steps,
            "planned_steps": self.steps.planned,
            "seconds": self.steps.seconds,
            "base": self.base.to_json(),
            "tuned": self.tuned.to_json(),
        }

    def metrics(self) -> dict[str, float]:
        """Figures by name, for the record of a run."""
        found = {"tuning_kept": float(self.decision.kept), "tuning_steps": float(self.steps.steps)}
        for name, scores in (("base", self.base), ("tuned", self.tuned)):
            found |= {f"tuning_{name}_{figure}": value for figure, value in scores.to_json().items()}
        return found


def tune_encoder(
    settings: Settings, params: TrainingParams, tuning: TuningParams, *, say: Say, bar: Bar
) -> TuningOutcome:
    """Tune the settings' encoder on the workspace's history; where it wins, training uses it from now on.

    It always starts from the settings' encoder, not from one tuned before.

    Raises
    ------
    InvalidInput
        If the settings' encoder has no weights.
    NotEnoughData
        If the history is too small, not dated, or has nothing to learn from.
    """
    if settings.encoder == HASHING_ENCODER:
        raise InvalidInput(
            f"The encoder {HASHING_ENCODER!r} of the settings has no weights to tune; set `encoder` to a "
            "sentence-transformers model, or train without --tune-encoder."
        )
    settings.encoders_dir.mkdir(parents=True, exist_ok=True)
    load = partial(load_encoder, threads=settings.service.encoder_threads)
    export = partial(export_encoder, encoders_dir=settings.encoders_dir, precision=settings.encoder_precision)
    encoder = load(export(settings.encoder))
    with closing(History.open(settings.history_url)) as history:
        say("Reading the history for tuning, and embedding what is new")
        data = load_training_data(history, encoder, bar)
        learnable = split_for_tuning(data, history, params)
        rows, split = tuning_rows(data, learnable, tuning), learnable.deciding
        candidate = tune_weights(settings.encoder, encoder, rows, tuning, settings.tuning_dir, say=say)
        tuned = load(export(str(candidate.weights)))
        say(f"Embedding {len(split.scored):,} tickets with the tuned encoder, to compare both")
        vectors = embed_rows(tuned, data.rows, split.scored, bar)
        outcome = compare(data.rows, vectors, split, candidate.steps, params)
        if outcome.decision.kept:
            _store(history, data, split.scored, tuned, vectors)
            use_tuned(
                settings,
                TunedEncoder(
                    base=settings.encoder,
                    weights=candidate.weights.name,
                    fingerprint=tuned.fingerprint,
                    learned_until=learnable.until,
                ),
            )
    if not outcome.decision.kept:
        _drop(settings, candidate, tuned)
    CheckpointFolder(settings.tuning_dir / _CHECKPOINTS, "").clear()
    return outcome


@dataclass(frozen=True, slots=True)
class Candidate:
    """Tuned weights in sentence-transformers' layout."""

    weights: Path
    steps: StepsDone


def tune_weights(
    base: str, encoder: Encoder, rows: TuningRows, tuning: TuningParams, folder: Path, *, say: Say
) -> Candidate:
    """Tune an encoder's weights on rows, going on from a checkpoint of the same rows and parameters.

    Parameters
    ----------
    base : str
        The encoder, as the settings name it.
    encoder : Encoder
        The same, exported.
    folder : Path
        Holds checkpoints and the weights.

    Raises
    ------
    NotEnoughData
        If there is no pair to learn from.
    """
    plan = plan_tuning(rows, tuning)
    if not plan.batches:
        raise NotEnoughData(
            f"The {len(rows):,} tickets that an encoder may learn from hold no two of one category and no linked "
            "ones; import more history, or train without --tune-encoder."
        )
    made_of = f"{encoder.fingerprint} {plan.key} {tuning.model_dump_json()}"
    key = hashlib.sha256(made_of.encode()).hexdigest()
    weights = folder / f"tuned-{key[:16]}"
    checkpoints = CheckpointFolder(folder / _CHECKPOINTS, key)
    if weights.exists():
        say("These very tickets and parameters have been tuned on already: the weights are there")
        return Candidate(weights, StepsDone(**json.loads((weights / _STEPS).read_bytes())))
    if checkpoints.has_others():
        say("The checkpoint is of other tickets or parameters: tuning starts afresh")
    with new_folder(weights) as tmp:
        steps = run_steps(base, plan, tuning, checkpoints, tmp, say=say)
        write_synced(tmp / _STEPS, json.dumps(asdict(steps)).encode())
    return Candidate(weights, steps)


def embed_rows(encoder: Encoder, rows: LabelledRows, numbers: Sequence[int], bar: Bar) -> NDArray[np.float32]:
    """Vectors of the rows of the given numbers in an array for all, shape (n, dimension), the others zero.

    Nothing is stored: the encoder may be dropped.
    """
    vectors = np.zeros((len(rows), encoder.dimension), dtype=np.float32)
    # Texts of like length in one chunk leave little to pad.
    order = sorted(numbers, key=lambda i: (len(rows.examples[i].text.text), i))
    for start in range(0, len(order), _CHUNK):
        chunk = order[start : start + _CHUNK]
        vectors[chunk] = encoder.encode([rows.examples[i].text.text for i in chunk])
        bar(start + len(chunk), len(order))
    return vectors


def compare(
    rows: LabelledRows, vectors: NDArray[np.float32], split: TuneSplit, steps: StepsDone, params: TrainingParams
) -> TuningOutcome:
    """Score both encoders on the tune split, and decide.

    Parameters
    ----------
    rows : LabelledRows
        With the vectors of the encoder before tuning.
    vectors : ndarray of float32, shape (n, dimension)
        Of the tuned one.
    """
    before = np.stack([example.vector for example in rows.examples])
    base, tuned = score_encoder(rows, before, split, params), score_encoder(rows, vectors, split, params)
    return TuningOutcome(steps, base, tuned, decide(base, tuned))


def _store(
    history: History, data: TrainingData, numbers: Sequence[int], tuned: Encoder, vectors: NDArray[np.float32]
) -> None:
    """Keep the vectors that were made to decide: training asks for them next."""
    for page in pages(numbers):
        uses: defaultdict[str, list[int]] = defaultdict(list)
        made = {}
        for i in page:
            key = vector_key(tuned.fingerprint, RULES_VERSION, data.rows.examples[i].text.text)
            uses[key].append(data.cases[i].row_id)
            made[key] = vectors[i]
        history.put_vectors(made, uses)


def _drop(settings: Settings, candidate: Candidate, tuned: Encoder) -> None:
    """Remove the weights and their export, unless they are in use from an earlier run."""
    in_use = read_tuned(settings)
    if in_use is None or in_use.fingerprint != tuned.fingerprint:
        shutil.rmtree(candidate.weights, ignore_errors=True)
        shutil.rmtree(settings.encoders_dir / tuned.fingerprint, ignore_errors=True)
