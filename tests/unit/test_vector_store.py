"""Vectors of benchmarks are embedded once, and a killed run goes on where it was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from evaluation.benchmarks import vectors
from evaluation.benchmarks.vectors import VectorStore
from features.encoder import HashingEncoder, Vectors


class Counting(HashingEncoder):
    """Counts what it encodes, and stops like a killed process when it has done enough."""

    def __init__(self, limit: int = 1_000_000) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._limit = limit

    def encode(self, texts: Sequence[str]) -> Vectors:
        if len(self.texts) + len(texts) > self._limit:
            raise KeyboardInterrupt
        self.texts.extend(texts)
        return super().encode(texts)


def test_texts_come_back_in_order_and_are_embedded_once(tmp_path: Path):
    encoder, lines = Counting(), []
    store = VectorStore(tmp_path / "made", encoder, lines.append)
    texts = ["export fails", "login", "export fails", " login\n"]
    first = store.embed(texts)
    again = VectorStore(tmp_path / "made", encoder, lines.append).embed(texts)
    assert first == pytest.approx(HashingEncoder().encode([text.strip() for text in texts]))
    assert np.array_equal(first, again)
    assert sorted(encoder.texts) == ["export fails", "login"]
    assert lines == ["embedded 2 of 2 texts"]


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(vectors, "_CHUNK", 4)
    texts = [f"text {number}" for number in range(10)]
    killed = Counting(limit=8)
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012
        VectorStore(tmp_path, killed, lambda _: None).embed(texts)
        pytest.fail("the encoder did not stop")
    resumed = Counting()
    assert VectorStore(tmp_path, resumed, lambda _: None).embed(texts).shape == (10, 64)
    assert len(resumed.texts) == 2


def test_another_encoder_has_its_own_vectors(tmp_path: Path):
    VectorStore(tmp_path, HashingEncoder(64), lambda _: None).embed(["login"])
    assert VectorStore(tmp_path, HashingEncoder(32), lambda _: None).embed(["login"]).shape == (1, 32)


def test_no_texts_give_no_rows(tmp_path: Path):
    assert VectorStore(tmp_path, HashingEncoder(), lambda _: None).embed([]).shape == (0, 64)
