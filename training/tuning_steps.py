"""The gradient steps of encoder tuning: a supervised contrastive loss, bounded by time, taken up from a checkpoint.

The loss is supervised contrastive (Khosla et al., NeurIPS 2020), asked twice: linked tickets against everything else,
and tickets of one category against those of others. What is neither known to be a match nor to be none is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.sentence_encoder import load_weights, save_weights
from training.tuning_checkpoint import Checkpoint, CheckpointFolder, damaged
from training.tuning_pairs import UNKNOWN, TuningPlan
from training.tuning_params import TuningParams

CHECKPOINT_SECONDS = 60.0
_WARM_UP_SHARE = 0.1
_COOL_DOWN_SHARE = 0.3
_MOMENTS = ("exp_avg", "exp_avg_sq")  # of AdamW
_TEXTS_AT_ONCE = 32  # of like length, so that little is padding

Clock = Callable[[], float]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StepsDone:
    """How far tuning came.

    Attributes
    ----------
    steps, planned : int
        Steps done, in all runs, and those that the plan has.
    resumed_at : int
        Step of the checkpoint that this run began from; 0 for a fresh start.
    seconds : float
        Over all runs.
    """

    steps: int
    planned: int
    resumed_at: int
    seconds: float


def run_steps(
    weights: str,
    plan: TuningPlan,
    params: TuningParams,
    checkpoints: CheckpointFolder,
    save_to: Path,
    *,
    say: Say,
    clock: Clock = time.monotonic,
) -> StepsDone:
    """Tune the weights of a sentence-transformers model, and save it in its own layout.

    On a GPU where torch sees one, else on the CPU, where the same seed gives the same weights unless time runs out.

    Parameters
    ----------
    weights : str
        Name or folder, as :func:`training.sentence_encoder.export_encoder` takes it.
    save_to : Path
        An empty folder to fill.
    clock : callable
        Seconds that only grow.

    Raises
    ------
    EncoderRefused
        If the checkpoint to go on from is damaged.
    """
    import torch

    model = load_weights(weights)
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    trained = _freeze(model)
    optimiser = torch.optim.AdamW(
        [{"params": list(trained.values())}], lr=params.learning_rate, weight_decay=params.weight_decay
    )
    found = checkpoints.load()
    first, spent = (found.step, found.seconds) if found else (0, 0.0)
    if found:
        say(f"tuning goes on from step {first:,}, after {spent / 60:.1f} minutes")
        try:
            _restore(found, trained, optimiser)
        except (KeyError, RuntimeError, TypeError):
            raise damaged(checkpoints.path_of(first), "its weights are not those of the encoder") from None
    done, planned, started, saved_at = first, len(plan.batches), clock(), clock()
    model.train()
    while done < planned and spent + clock() - started < params.minutes * 60:
        seconds = spent + clock() - started
        for group in optimiser.param_groups:
            group["lr"] = params.learning_rate * _rate(done / planned, seconds / (params.minutes * 60))
        loss = _step(model, plan, plan.batches[done], params, optimiser, seed=params.seed * 1_000_003 + done)
        done += 1
        seconds = spent + clock() - started
        say(f"tuning step {done:,} of {planned:,}: loss {loss:.4f}, {seconds / 60:.1f} of {params.minutes:g} minutes")
        if clock() - saved_at >= CHECKPOINT_SECONDS or done == planned:
            checkpoints.save(Checkpoint(done, seconds, _state(trained, optimiser)))
            saved_at = clock()
    model.eval()
    model.to("cpu")
    save_weights(model, save_to)
    return StepsDone(done, planned, first, spent + clock() - started)


def _rate(step_share: float, time_share: float) -> float:
    """Learning rate as a share of the highest: up over the first tenth, down over the last third of steps or time."""
    left = 1.0 - max(step_share, time_share)
    return max(0.02, min(1.0, (step_share + 1e-3) / _WARM_UP_SHARE, left / _COOL_DOWN_SHARE))


def _freeze(model: Any) -> dict[str, Any]:
    """The parameters that are tuned, by name: all but the embeddings of tokens, half of the weights for little gain."""
    trained = {}
    for name, parameter in model.named_parameters():
        parameter.requires_grad = ".embeddings." not in f".{name}"
        if parameter.requires_grad:
            trained[name] = parameter
    return trained


def _step(
    model: Any, plan: TuningPlan, batch: NDArray[np.int64], params: TuningParams, optimiser: Any, *, seed: int
) -> float:
    import torch

    # Dropout is drawn anew for each step, so that a step is the same whether or not the run was interrupted before it.
    torch.manual_seed(seed)
    vectors = _embed(model, [plan.texts[row] for row in batch.tolist()], params.max_tokens)
    loss = contrastive_loss(
        vectors,
        torch.from_numpy(plan.classes[batch]).to(vectors.device),
        torch.from_numpy(plan.clusters[batch]).to(vectors.device),
        temperature=params.temperature,
        link_weight=params.link_weight,
    )
    optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(optimiser.param_groups[0]["params"], 1.0)
    optimiser.step()
    return float(loss.detach())


def contrastive_loss(vectors: Any, classes: Any, clusters: Any, *, temperature: float, link_weight: float) -> Any:
    """Mean over texts of how far their matches are from being nearer than the rest.

    Parameters
    ----------
    vectors : tensor of shape (n, d)
        Unit length.
    classes, clusters : tensor of int64, shape (n,)
        Categories (:data:`training.tuning_pairs.UNKNOWN` without one) and clusters of linked texts.
    """
    import torch

    scores = vectors @ vectors.T / temperature
    is_self = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    linked = (clusters[:, None] == clusters) & ~is_self
    known = (classes[:, None] != UNKNOWN) & (classes != UNKNOWN)
    alike = known & (classes[:, None] == classes)
    by_link = _against(scores, linked, ~linked & ~is_self)
    by_category = _against(scores, alike & ~linked & ~is_self, known & ~alike & ~linked)
    return by_category + link_weight * by_link


def _against(scores: Any, positive: Any, negative: Any) -> Any:
    """Loss of the positives of each row against its negatives; zero where no row has both."""
    import torch

    rows = positive.any(dim=1) & negative.any(dim=1)
    if not rows.any():
        return scores.sum() * 0.0
    scores, positive, negative = scores[rows], positive[rows], negative[rows]
    rest = scores.masked_fill(~negative, -math.inf).logsumexp(dim=1, keepdim=True)
    losses = torch.nn.functional.softplus(rest - scores) * positive
    return (losses.sum(dim=1) / positive.sum(dim=1)).mean()


def _embed(model: Any, texts: list[str], max_tokens: int) -> Any:
    """Unit vectors of texts, with gradients, in their order; padded among texts of like length only."""
    import torch

    ids = model.tokenizer(texts, truncation=True, max_length=max_tokens)["input_ids"]
    order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
    parts = []
    for start in range(0, len(order), _TEXTS_AT_ONCE):
        chunk = [torch.tensor(ids[i]) for i in order[start : start + _TEXTS_AT_ONCE]]
        lengths = torch.tensor([len(tokens) for tokens in chunk])
        padded = torch.nn.utils.rnn.pad_sequence(chunk, batch_first=True, padding_value=model.tokenizer.pad_token_id)
        mask = (torch.arange(padded.shape[1]) < lengths[:, None]).long()
        out = model({"input_ids": padded.to(model.device), "attention_mask": mask.to(model.device)})
        parts.append(out["sentence_embedding"])
    back = torch.argsort(torch.tensor(order)).to(model.device)
    return torch.nn.functional.normalize(torch.cat(parts)[back], dim=1)


def _state(trained: dict[str, Any], optimiser: Any) -> dict[str, NDArray[np.generic]]:
    arrays: dict[str, NDArray[np.generic]] = {}
    for name, parameter in trained.items():
        arrays[f"weight:{name}"] = parameter.detach().cpu().numpy()
        # What the embedding does not depend on (a pooler of BERT's own) gets no gradient, and has no moments.
        for moment in _MOMENTS if parameter in optimiser.state else ():
            arrays[f"{moment}:{name}"] = optimiser.state[parameter][moment].cpu().numpy()
    return arrays


def _restore(checkpoint: Checkpoint, trained: dict[str, Any], optimiser: Any) -> None:
    import torch

    def tensor(name: str, like: Any) -> Any:
        return torch.from_numpy(np.array(checkpoint.arrays[name])).to(like.device)

    with torch.no_grad():
        for name, parameter in trained.items():
            parameter.copy_(tensor(f"weight:{name}", parameter))
            moments = [moment for moment in _MOMENTS if f"{moment}:{name}" in checkpoint.arrays]
            if moments:
                step = torch.tensor(float(checkpoint.step))
                optimiser.state[parameter] = {"step": step} | {m: tensor(f"{m}:{name}", parameter) for m in moments}
