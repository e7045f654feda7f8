"""Checkpoints of tuning: the newest of the same plan is found, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np

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


def test_a_damaged_one_counts_as_none(tmp_path: Path):
    folder = CheckpointFolder(tmp_path, "k" * 64)
    for name, content in (("state.safetensors", b"\x08"), ("state.json", b"{}")):
        folder.save(checkpoint(3))
        [path] = tmp_path.iterdir()
        (path / name).write_bytes(content)
        assert folder.load() is None
        folder.clear()


def test_a_half_written_one_is_not_seen(tmp_path: Path):
    (tmp_path / ".tmp-step-00000009-kk.123").mkdir()
    assert CheckpointFolder(tmp_path, "k" * 64).load() is None
