"""What every encoder must do."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from features.encoder import Encoder, HashingEncoder, load_encoder

TEXTS = [
    "login fails",
    "",
    "   \n\t ",
    "The nightly export stops after some minutes and the customer sees an empty file.",
    "Żółć, naïve, 日本語 and 🙂",
    "a lone surrogate \ud800 and a null \x00 byte",
    "word " * 3000,
    "x" * 50_000,
    "NullPointerException at org.example.Sync.run(Sync.java:42)",
    "login fails",
]


@pytest.fixture(scope="module", params=["hashing", "int8", "fp32"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    if request.param == "hashing":
        return load_encoder(HashingEncoder(64).save(tmp_path_factory.mktemp("encoders")))
    name = {"int8": "sentence_encoder_folder", "fp32": "fp32_encoder_folder"}[request.param]
    folder: Path = request.getfixturevalue(name)
    return load_encoder(folder, threads=2)


@pytest.fixture(scope="module")
def vectors(encoder: Encoder) -> np.ndarray:
    return encoder.encode(TEXTS)


def test_it_has_the_contract(encoder: Encoder) -> None:
    assert isinstance(encoder, Encoder)
    assert len(encoder.fingerprint) == 16
    assert int(encoder.fingerprint, 16) >= 0


def test_rows_are_unit_vectors_of_float32_for_any_text(encoder: Encoder, vectors: np.ndarray) -> None:
    assert vectors.shape == (len(TEXTS), encoder.dimension)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_no_text_gives_no_rows(encoder: Encoder) -> None:
    assert encoder.encode([]).shape == (0, encoder.dimension)


def test_a_text_alone_gets_what_it_gets_among_others(encoder: Encoder, vectors: np.ndarray) -> None:
    alone = np.vstack([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, vectors, atol=1e-5)


def test_order_does_not_matter(encoder: Encoder, vectors: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(len(TEXTS))
    np.testing.assert_allclose(encoder.encode([TEXTS[i] for i in order]), vectors[order], atol=1e-5)


def test_equal_texts_get_equal_vectors_and_others_differ(vectors: np.ndarray) -> None:
    np.testing.assert_allclose(vectors[0], vectors[9], atol=1e-5)
    assert float(vectors[0] @ vectors[3]) < 0.9


def test_a_short_text_does_not_feel_a_long_neighbour(encoder: Encoder) -> None:
    together = encoder.encode(["reset password", "long " * 500])
    np.testing.assert_allclose(together[:1], encoder.encode(["reset password"]), atol=1e-5)


def test_threads_do_not_disturb_each_other(encoder: Encoder, vectors: np.ndarray) -> None:
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(encoder.encode, [TEXTS[:5]] * 8):
            np.testing.assert_allclose(found, vectors[:5], atol=1e-5)


def test_in_8_bits_it_is_the_same_to_the_last_bit(sentence_encoder_folder: Path) -> None:
    encoder = load_encoder(sentence_encoder_folder, threads=2)
    alone = np.vstack([encoder.encode([text]) for text in TEXTS])
    np.testing.assert_array_equal(encoder.encode(TEXTS), alone)
