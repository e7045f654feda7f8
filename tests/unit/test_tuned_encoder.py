"""The pointer to a tuned encoder: followed, refused where it would see what is tested on, forgotten."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.errors import Conflict, EncoderRefused
from features.settings import Settings
from training.tuned_encoder import POINTER, TunedEncoder, forget_tuned, read_tuned, use_tuned, weights_folder

UNTIL = datetime(2025, 5, 1, tzinfo=UTC)


def made(settings: Settings, weights: str = "tuned-1", base: str = "some-model") -> TunedEncoder:
    folder = settings.tuning_dir / weights
    folder.mkdir(parents=True)
    (folder / "modules.json").write_text("[]")
    return TunedEncoder(base=base, weights=weights, fingerprint="0123456789abcdef", learned_until=UNTIL)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(workspace=tmp_path, encoder="some-model")


def test_it_is_used_until_it_is_forgotten(settings: Settings):
    assert read_tuned(settings) is None
    assert not forget_tuned(settings)
    tuned = made(settings)
    use_tuned(settings, tuned)
    assert read_tuned(settings) == tuned
    assert weights_folder(settings, tuned) == settings.tuning_dir / "tuned-1"
    use_tuned(settings, made(settings, "tuned-2"))
    assert not (settings.tuning_dir / "tuned-1").exists(), "the earlier weights go"
    assert forget_tuned(settings)
    assert read_tuned(settings) is None
    assert list(settings.tuning_dir.iterdir()) == []


def test_settings_that_name_another_encoder_do_not_follow_it(settings: Settings):
    use_tuned(settings, made(settings, base="other-model"))
    assert read_tuned(settings) is None


@pytest.mark.parametrize("first_later", [None, UNTIL, UNTIL - timedelta(days=1)])
def test_what_it_has_seen_is_not_tested_on(settings: Settings, first_later: datetime | None):
    tuned = made(settings)
    tuned.check_unseen(UNTIL + timedelta(seconds=1))
    with pytest.raises(Conflict, match=r"learned from tickets until 2025-05-01.*--tune-encoder`; .*--base-encoder`"):
        tuned.check_unseen(first_later)


def test_a_pointer_that_is_wrong_says_the_way_back(settings: Settings):
    tuned = made(settings)
    use_tuned(settings, tuned)
    path = settings.tuning_dir / POINTER
    right = path.read_text()
    for wrong, message in (
        ("{", "is malformed"),
        (right.replace("tuned-1", "../tuned-1"), "is malformed"),
        (right.replace('"format": 1', '"format": 9'), "has format 9 and this version of Precedent reads 1"),
    ):
        path.write_text(wrong)
        with pytest.raises(EncoderRefused, match=rf"{message}.*; `precedent train --base-encoder` goes back"):
            read_tuned(settings)
    (settings.tuning_dir / "tuned-1" / "modules.json").unlink()
    (settings.tuning_dir / "tuned-1").rmdir()
    with pytest.raises(EncoderRefused, match=r"weights .*tuned-1 are gone: restore them from a backup"):
        weights_folder(settings, tuned)
