"""Text to vectors: one contract, two encoders, and the checked load of an exported one.

An exported encoder is a folder: its card (:mod:`features.encoder_card`) and, for a sentence encoder, ``model.onnx``
(pooling and L2 normalisation in the graph) and ``tokenizer.json``. Where the pooling is a mean, the graph also gives
the vectors that it is the mean of, to those who ask.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from features.encoder_card import FORMAT_VERSION, EncoderCard, read_card, write_card
from features.errors import EncoderRefused
from features.files import new_folder
from features.token_vectors import TokenVectors

Vectors = npt.NDArray[np.float32]

EMBEDDING, TOKENS = "embedding", "tokens"
"""Outputs of an exported graph; ``TOKENS`` is there from format 2 on, and only where the pooling is a mean."""

MAX_TOKENS = 256
# On AVX2 without VNNI, larger batches are no faster and take more memory: 21 texts/s and 221 MB resident at 512 tokens
# a batch, 18 texts/s and 320 MB at 2,048 (Jira tickets, one thread).
TOKENS_PER_BATCH = 512
# A token of ordinary text has 4 characters. What lies beyond this bound cannot be among the first 256 tokens, unless
# the text is one of very long words; a 5 MB text must not be tokenised to the end for the sake of its first lines.
MAX_CHARACTERS = 20_000


@runtime_checkable
class Encoder(Protocol):
    """Text to unit vectors, the same for a text alone as among a thousand others."""

    @property
    def fingerprint(self) -> str:
        """16 hex digits: equal if, and only if, two encoders give the same vectors."""
        ...

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        ...

    @property
    def max_tokens(self) -> int:
        """Tokens that are read; what follows is ignored."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts.

        Parameters
        ----------
        texts : sequence of str
            Any strings, blank ones and lone surrogates included.

        Returns
        -------
        ndarray of shape (n_texts, dimension), float32
            Rows of length 1, in the order of ``texts``.
        """
        ...

    def token_vectors(self, text: str) -> TokenVectors | None:
        """Encode a text and take its embedding apart; None where the encoder cannot."""
        ...


class HashingEncoder:
    """Words hashed to signed coordinates: deterministic, fast, without a model and without semantics.

    Texts that share words are near each other. It has the contract of the real encoder and stands in for it in tests.

    Parameters
    ----------
    dimension : int
        Length of a vector.

    Examples
    --------
    >>> encoder = HashingEncoder(64)
    >>> a, b, c = encoder.encode(["login fails", "Login FAILS again", "export is slow"])
    >>> bool(a @ b > 0.7 > a @ c)
    True
    """

    max_tokens = MAX_TOKENS

    def __init__(self, dimension: int = 64) -> None:
        self.dimension = dimension

    @property
    def fingerprint(self) -> str:
        """16 hex digits that name the hash and the dimension."""
        return hashlib.sha256(f"hashing-1:{self.dimension}:{self.max_tokens}".encode()).hexdigest()[:16]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts; see :meth:`Encoder.encode`."""
        vectors: Vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            for word in _words(text)[: self.max_tokens]:
                digest = int.from_bytes(hashlib.blake2b(word.encode("utf-8", "replace"), digest_size=8).digest())
                row[(digest >> 1) % self.dimension] += 1.0 if digest & 1 else -1.0
            length = float(np.linalg.norm(row))
            # Words can cancel out, and a blank text has none: both get the first axis.
            row[:] = row / length if length > 0 else np.eye(1, self.dimension, dtype=np.float32)[0]
        return vectors

    def token_vectors(self, text: str) -> None:
        """Nothing: what is hashed is no sum of the text's tokens where words cancel out."""

    def save(self, encoders_dir: Path) -> Path:
        """Write the encoder's folder below ``encoders_dir``, unless it is there; return it."""
        folder = encoders_dir / self.fingerprint
        if not folder.exists():
            card = EncoderCard(
                format=FORMAT_VERSION,
                kind="hashing",
                name="hashing",
                fingerprint=self.fingerprint,
                dimension=self.dimension,
                max_tokens=self.max_tokens,
            )
            with new_folder(folder) as tmp:
                write_card(tmp, card)
        return folder


class OnnxEncoder:
    """A sentence encoder on ONNX Runtime; neither torch nor transformers is needed.

    In fp32, texts are sorted by length and run in batches of at most ``TOKENS_PER_BATCH`` tokens, so that hardly a
    token is padding and memory stays within some 60 MB of the bare session. In int8 each runs alone: texts that run
    together share one scale and change each other's vectors (cosine 0.98 at 8 texts), for no gain from 64 tokens on.
    Safe to call from several threads; a call for many texts runs ``threads`` batches at a time.
    """

    def __init__(self, card: EncoderCard, tokenizer: Any, session: Any, threads: int) -> None:
        self._card = card
        self._tokenizer = tokenizer
        self._session = session
        self._threads = threads
        self._tokens_per_batch = TOKENS_PER_BATCH if card.precision == "fp32" else 1
        self._has_tokens = TOKENS in {output.name for output in session.get_outputs()}

    @classmethod
    def load(cls, folder: Path, *, threads: int = 2) -> OnnxEncoder:
        """Load an exported sentence encoder; ``threads`` is the number of cores that a call for many texts uses.

        Raises
        ------
        EncoderRefused
            If a file is missing, does not match its hash or cannot be read.
        """
        return cls.open(folder, read_card(folder), threads)

    @classmethod
    def open(cls, folder: Path, card: EncoderCard, threads: int) -> OnnxEncoder:
        """Open an encoder whose card and files have been checked; see :meth:`load`."""
        missing = {"model.onnx", "tokenizer.json"} - set(card.files)
        if card.kind != "onnx" or missing:
            raise EncoderRefused(
                f"The encoder {folder} lists no {' and no '.join(sorted(missing)) or 'ONNX model'}; "
                "remove the folder and export the encoder again with `precedent train`."
            )
        tokenizer = _open_tokenizer(folder / "tokenizer.json", card.max_tokens)
        return cls(card, tokenizer, _open_session(folder / "model.onnx"), threads)

    @property
    def fingerprint(self) -> str:
        """16 hex digits over weights, tokenizer, pooling and ``max_tokens``."""
        return self._card.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._card.dimension

    @property
    def max_tokens(self) -> int:
        """Tokens that are read; what follows is ignored."""
        return self._card.max_tokens

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts; see :meth:`Encoder.encode`."""
        token_ids = [_ids(self._tokenized(text)) for text in texts]
        vectors: Vectors = np.empty((len(texts), self.dimension), dtype=np.float32)

        def run(rows: list[int]) -> None:
            [vectors[rows]] = self._run([token_ids[row] for row in rows], EMBEDDING)

        batches = list(_batches([len(ids) for ids in token_ids], self._tokens_per_batch))
        if len(batches) < 2 or self._threads < 2:
            for rows in batches:
                run(rows)
        else:
            with ThreadPoolExecutor(self._threads) as pool:
                list(pool.map(run, batches))
        return vectors

    def token_vectors(self, text: str) -> TokenVectors | None:
        """Encode a text and take its embedding apart into its tokens.

        Returns
        -------
        TokenVectors or None
            With the embedding that :meth:`encode` gives; None where the pooling is no mean, or the export of format 1.
        """
        if not self._has_tokens:
            return None
        found = self._tokenized(text)
        [embedding], [tokens] = self._run([_ids(found)], EMBEDDING, TOKENS)
        return TokenVectors.of(embedding, np.asarray(found.offsets, dtype=np.int64), tokens)

    def _tokenized(self, text: str) -> Any:
        # The tokenizer takes no lone surrogates; each becomes one question mark, so that places stay as they are.
        return self._tokenizer.encode(text[:MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8"))

    def _run(self, token_ids: Sequence[npt.NDArray[np.int64]], *outputs: str) -> list[Vectors]:
        shape = (len(token_ids), max(len(ids) for ids in token_ids))
        input_ids = np.full(shape, self._card.pad_id, dtype=np.int64)
        mask = np.zeros(shape, dtype=np.int64)
        for row, ids in enumerate(token_ids):
            input_ids[row, : len(ids)] = ids
            mask[row, : len(ids)] = 1
        found = self._session.run(list(outputs), {"input_ids": input_ids, "attention_mask": mask})
        return [np.asarray(values, dtype=np.float32) for values in found]


def load_encoder(folder: Path, threads: int = 2) -> Encoder:
    """Load an exported encoder of either kind, after checking every file against its hash.

    Parameters
    ----------
    threads : int
        Cores that a call for many texts uses; a text alone takes one.

    Raises
    ------
    EncoderRefused
        If the folder holds no encoder, one of another format, or a file that does not match its hash.
    """
    card = read_card(folder)
    if card.kind == "onnx":
        return OnnxEncoder.open(folder, card, threads)
    encoder = HashingEncoder(card.dimension)
    if encoder.fingerprint != card.fingerprint:
        raise EncoderRefused(
            f"The hashing encoder {folder} has fingerprint {card.fingerprint}, not {encoder.fingerprint}; "
            "it was made by another version of Precedent: remove the folder and train again."
        )
    return encoder


def _batches(lengths: Sequence[int], n_tokens: int) -> Iterator[list[int]]:
    """Group rows of like length, longest first, so that memory peaks at once and then only shrinks."""
    order = sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    start = 0
    while start < len(order):
        size = max(1, n_tokens // max(1, lengths[order[start]]))
        yield order[start : start + size]
        start += size


def _ids(tokenized: Any) -> npt.NDArray[np.int64]:
    return np.asarray(tokenized.ids, dtype=np.int64)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text[:MAX_CHARACTERS].lower())


def _open_tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # noqa: BLE001  the Rust side raises bare Exception
        raise EncoderRefused(
            f"The tokenizer {path} cannot be read ({error}); export the encoder again with `precedent train`."
        ) from None
    # The default model's file asks for padding to 128 tokens, and for truncation to 128.
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer


def _open_session(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # One core a call, several calls at a time: on two cores 78 texts/s so, 63 with both on each text (Jira's lengths).
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # A memory pattern is kept for each shape that is met, and here nearly every shape is new: 230 to 760 MB.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no common base
        raise EncoderRefused(
            f"The model {path} cannot be opened ({error}); export the encoder again with `precedent train`."
        ) from None
