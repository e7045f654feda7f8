"""Vectors of the latest texts, so that a repeat or a retry costs no second encoding."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from features.encoder import Encoder, Vectors
from features.token_vectors import TokenVectors

N_KEPT = 4096
"""6 MB with 384 dimensions."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """How many texts were looked up whose vectors were kept, and how many were not."""

    n_hits: int = 0
    n_misses: int = 0


class CachingEncoder:
    """An encoder that keeps the vectors that were used last, by the hash of their text. Safe for several threads.

    Parameters
    ----------
    encoder : Encoder
        Makes what is missing; what it tells of tokens is not kept.
    n_kept : int
        How many vectors are kept.
    """

    def __init__(self, encoder: Encoder, n_kept: int = N_KEPT) -> None:
        self._encoder = encoder
        self._n_kept = n_kept
        self._kept: OrderedDict[bytes, Vectors] = OrderedDict()
        self._lock = threading.Lock()
        self._lookups = Lookups()

    @property
    def lookups(self) -> Lookups:
        """What was looked up since it was made."""
        return self._lookups

    @property
    def fingerprint(self) -> str:
        """The encoder's."""
        return self._encoder.fingerprint

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self._encoder.dimension

    @property
    def max_tokens(self) -> int:
        """Tokens that are read; what follows is ignored."""
        return self._encoder.max_tokens

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts; see :meth:`features.encoder.Encoder.encode`."""
        keys = [hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest() for text in texts]
        with self._lock:
            known = {key: self._kept[key] for key in keys if key in self._kept}
            n_hits = sum(key in known for key in keys)
            so_far = self._lookups
            self._lookups = Lookups(so_far.n_hits + n_hits, so_far.n_misses + len(keys) - n_hits)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if missing:
            known |= zip(missing, self._encoder.encode(list(missing.values())), strict=True)
        self._keep({key: known[key] for key in keys})
        vectors: Vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for row, key in enumerate(keys):
            vectors[row] = known[key]
        return vectors

    def token_vectors(self, text: str) -> TokenVectors | None:
        """See :meth:`features.encoder.Encoder.token_vectors`."""
        return self._encoder.token_vectors(text)

    def _keep(self, used: dict[bytes, Vectors]) -> None:
        with self._lock:
            for key, vector in used.items():
                self._kept[key] = vector
                self._kept.move_to_end(key)
            while len(self._kept) > self._n_kept:
                self._kept.popitem(last=False)
