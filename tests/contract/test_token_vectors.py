"""An embedding is the sum of what its tokens give: the same embedding, and each token where it stands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from features.encoder import Encoder, HashingEncoder, load_encoder
from training.sentence_encoder import export_encoder

TEXTS = [
    "Login FAILS with SAML",
    "",
    "Żółć, naïve, 日本語 and 🙂 \ud800 unaffordable",
    "word " * 3000,
    "NullPointerException at org.example.Sync.run(Sync.java:42)",
]


@pytest.fixture(scope="module")
def encoder(sentence_encoder_folder: Path) -> Encoder:
    return load_encoder(sentence_encoder_folder, threads=1)


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_sum_to_the_embedding(encoder: Encoder, text: str) -> None:
    found = encoder.token_vectors(text)
    assert found is not None
    np.testing.assert_array_equal(found.embedding, encoder.encode([text])[0])
    np.testing.assert_allclose(found.vectors.sum(axis=0), found.embedding, atol=1e-6)
    assert len(found.vectors) == len(found.spans) <= encoder.max_tokens


def test_spans_are_places_of_the_text(encoder: Encoder) -> None:
    text = "Żółć 🙂\ud800 export FAILS"
    found = encoder.token_vectors(text)
    assert found is not None
    pieces = [text[start:end] for start, end in found.spans.tolist()]
    assert (pieces[0], pieces[-1]) == ("", "")
    assert pieces[-3:-1] == ["export", "FAILS"]


def test_hashed_words_are_no_tokens() -> None:
    assert HashingEncoder(32).token_vectors("login fails") is None


def _as_format_1(folder: Path, to: Path) -> None:
    """A card of the first format beside the graph."""
    shutil.copytree(folder, to)
    card = json.loads((to / "encoder.json").read_text())
    (to / "encoder.json").write_text(json.dumps({**card, "format": 1}))


def test_an_older_card_still_loads(sentence_encoder_folder: Path, tmp_path: Path) -> None:
    _as_format_1(sentence_encoder_folder, tmp_path / "old")
    assert load_encoder(tmp_path / "old").fingerprint == sentence_encoder_folder.name


@pytest.mark.slow
def test_an_older_export_is_made_again(sentence_encoder_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / sentence_encoder_folder.name
    _as_format_1(sentence_encoder_folder, folder)
    assert export_encoder("all-MiniLM-L6-v2", tmp_path) == folder
    assert json.loads((folder / "encoder.json").read_text())["format"] == 3
