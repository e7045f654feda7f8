"""Settings of the index: what is taken, and what is refused in words that help."""

from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import SettingsInvalid
from features.settings import load_settings


def test_memory_of_the_index_is_set_in_the_file_or_the_environment(tmp_path: Path):
    assert load_settings(tmp_path, {}).index.memory_bytes == 3 * 1024**3

    (tmp_path / "precedent.toml").write_text("[index]\nmemory_mb = 512\n", encoding="utf-8")
    assert load_settings(tmp_path, {}).index.memory_bytes == 512 * 1024**2
    assert load_settings(tmp_path, {"PRECEDENT_INDEX__MEMORY_MB": "64"}).index.memory_bytes == 64 * 1024**2


@pytest.mark.parametrize("value", ["0", "-1", '"much"', "1.5", "16777217"])
def test_memory_that_makes_no_sense_is_refused(tmp_path: Path, value: str):
    (tmp_path / "precedent.toml").write_text(f"[index]\nmemory_mb = {value}\n", encoding="utf-8")

    with pytest.raises(SettingsInvalid, match=r"Setting index\.memory_mb is wrong: .*got .*mend it in "):
        load_settings(tmp_path, {})


def test_an_unknown_setting_of_the_index_is_refused(tmp_path: Path):
    with pytest.raises(SettingsInvalid, match=r"Setting index\.memory is wrong"):
        load_settings(tmp_path, {"PRECEDENT_INDEX__MEMORY": "1"})
