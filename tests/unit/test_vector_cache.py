"""Vectors of the latest texts are kept, and are those that the encoder gives."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from features.encoder import Encoder, HashingEncoder, Vectors
from serving.vector_cache import CachingEncoder, Lookups


class Counting(HashingEncoder):
    """Tells which texts it encoded."""

    def __init__(self) -> None:
        super().__init__(16)
        self.encoded: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.encoded.extend(texts)
        return super().encode(texts)


def test_a_text_is_encoded_once() -> None:
    inner = Counting()
    cache = CachingEncoder(inner)
    first, again = cache.encode(["login fails"]), cache.encode(["login fails"])
    np.testing.assert_array_equal(first, again)
    assert inner.encoded == ["login fails"]


def test_known_and_unknown_texts_come_in_their_order() -> None:
    cache = CachingEncoder(Counting())
    cache.encode(["b"])
    texts = ["a", "b", "a", "\ud800", ""]
    np.testing.assert_array_equal(cache.encode(texts), HashingEncoder(16).encode(texts))


def test_what_was_used_longest_ago_goes() -> None:
    inner = Counting()
    cache = CachingEncoder(inner, n_kept=2)
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.encode([text])
    assert inner.encoded == ["a", "b", "c", "b"]


def test_what_a_caller_does_to_its_vectors_stays_with_it() -> None:
    cache = CachingEncoder(Counting())
    cache.encode(["a"])[:] = 0.0
    cache.encode(["a"])[:] = 0.0
    np.testing.assert_array_equal(cache.encode(["a"]), HashingEncoder(16).encode(["a"]))


def test_it_is_an_encoder() -> None:
    cache = CachingEncoder(HashingEncoder(16))
    assert isinstance(cache, Encoder)
    assert (cache.dimension, cache.fingerprint) == (16, HashingEncoder(16).fingerprint)
    assert cache.encode([]).shape == (0, 16)


def test_threads_get_what_they_asked_for() -> None:
    cache = CachingEncoder(HashingEncoder(16), n_kept=3)
    texts = [f"text {i % 7}" for i in range(400)]
    with ThreadPoolExecutor(4) as pool:
        found = np.vstack(list(pool.map(lambda text: cache.encode([text]), texts)))
    np.testing.assert_array_equal(found, HashingEncoder(16).encode(texts))


def test_it_counts_what_was_kept_and_what_was_made() -> None:
    cache = CachingEncoder(HashingEncoder(16))
    cache.encode(["a", "b"])
    cache.encode(["b", "c", "b"])
    assert cache.lookups == Lookups(n_hits=2, n_misses=3)
