"""Checkpoints of tuning: the newest of the same plan is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from features.errors import EncoderRefused
from training.tuning_checkpoint import Checkpoint, CheckpointFolder


def checkpoint(step: int) -> Checkpoint:
    return Checkpoint(step, step * 1.5, {"weight:a": np.full((2, 3), step, dtype=np.float32)})


def test_the_newest_is_found_and_alone_is_kept(tmp_path: Path):
    folder = CheckpointFolder(tmp_path / "checkpoints", "k" * 64)
    assert folder.load() is None
    assert not folder.has_others()
    for step in (3, 12):
        folder.save(checkpoint(step))
    found = CheckpointFolder(tmp_path / "checkpoints", "k" * 64).load()
    assert found is not None
    assert (found.step, found.seconds) == (12, 18.0)
    assert np.array_equal(found.arrays["weight:a"], np.full((2, 3), 12, dtype=np.float32))
    assert len(list((tmp_path / "checkpoints").iterdir())) == 1


def test_one_of_another_plan_is_not_taken_up(tmp_path: Path):
    CheckpointFolder(tmp_path, "k" * 64).save(checkpoint(3))
    other = CheckpointFolder(tmp_path, "j" * 64)
    assert other.load() is None
    assert other.has_others()
    other.save(checkpoint(1))
    assert CheckpointFolder(tmp_path, "k" * 64).load() is None
    other.clear()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content"), [("state.safetensors", b"\x08"), ("state.json", b"{}"), ("state.json", b"\xff"), ("", b"")]
)
def test_a_damaged_one_is_named_with_the_way_out(tmp_path: Path, name: str, content: bytes):
    folder = CheckpointFolder(tmp_path, "k" * 64)
    folder.save(checkpoint(3))
    [path] = tmp_path.iterdir()
    if name:
        (path / name).write_bytes(content)
    else:
        (path / "state.safetensors").unlink()
    with pytest.raises(EncoderRefused, match=f"checkpoint {path} is damaged .*state.*; remove that folder"):
        folder.load()
    assert CheckpointFolder(tmp_path, "j" * 64).load() is None, "it is of another plan"
    folder.clear()
    assert folder.load() is None


def test_an_older_one_that_is_whole_stands_in_for_a_damaged_one(tmp_path: Path):
    folder = CheckpointFolder(tmp_path / "a", "k" * 64)
    folder.save(checkpoint(3))
    (tmp_path / "a" / f"step-00000009-{'k' * 16}").mkdir()
    found = folder.load()
    assert found is not None
    assert found.step == 3


def test_a_half_written_one_is_not_seen(tmp_path: Path):
    (tmp_path / ".tmp-step-00000009-kk.123").mkdir()
    assert CheckpointFolder(tmp_path, "k" * 64).load() is None
