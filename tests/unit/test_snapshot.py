"""Snapshots are whole, checked and one; work folders are private and do not outlive their process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.errors import IndexDamaged
from features.snapshot import MANIFEST, MadeWith, WorkFolder, check_snapshot, snapshots, write_snapshot

MADE_WITH = MadeWith(encoder="e", dimension=4, text_rules="1", analyzer="1")


def write(folder: Path, *, watermark: int = 7, text: str = "text") -> Path:
    def fill(tmp: Path) -> None:
        (tmp / "part").mkdir()
        (tmp / "part" / "a.txt").write_text(text)

    return write_snapshot(folder, watermark=watermark, n_cases=3, made_with=MADE_WITH, fill=fill)


def test_a_snapshot_says_what_it_is(tmp_path: Path):
    manifest = check_snapshot(write(tmp_path))

    assert (manifest.watermark, manifest.n_cases, manifest.made_with) == (7, 3, MADE_WITH)
    assert list(manifest.files) == ["part/a.txt"]


def test_a_new_snapshot_takes_the_place_of_the_old_one(tmp_path: Path):
    first = write(tmp_path, watermark=900)
    second = write(tmp_path, watermark=7)

    assert snapshots(tmp_path) == [second]
    assert not first.exists()


def test_a_snapshot_that_cannot_be_filled_leaves_the_old_one(tmp_path: Path):
    first = write(tmp_path)

    def fail(tmp: Path) -> None:
        (tmp / "half").write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        write_snapshot(tmp_path, watermark=8, n_cases=3, made_with=MADE_WITH, fill=fail)

    assert snapshots(tmp_path) == [first]
    assert sorted(path.name for path in tmp_path.iterdir()) == [first.name]


def test_every_kind_of_damage_is_seen(tmp_path: Path):
    path = write(tmp_path)
    file, manifest = path / "part" / "a.txt", path / MANIFEST

    file.write_text("tixt")
    with pytest.raises(IndexDamaged, match=r"part/a.txt of .* has SHA-256 [0-9a-f]+, not [0-9a-f]+; rebuild the index"):
        check_snapshot(path)
    file.unlink()
    with pytest.raises(IndexDamaged, match=r"part/a.txt of .* is missing or foreign"):
        check_snapshot(path)
    file.write_text("text")
    (path / "model.pkl").write_text("")
    with pytest.raises(IndexDamaged, match=r"model.pkl of .* is missing or foreign"):
        check_snapshot(path)
    (path / "model.pkl").unlink()
    check_snapshot(path)

    content = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**content, "format": 99}))
    with pytest.raises(IndexDamaged, match="has format 99, and this version reads 3"):
        check_snapshot(path)
    manifest.write_text(json.dumps({**content, "watermark": 9}))
    with pytest.raises(IndexDamaged, match="says that it holds change 9, and its name says another"):
        check_snapshot(path)
    manifest.write_text("{")
    with pytest.raises(IndexDamaged, match=r"manifest of .* cannot be read"):
        check_snapshot(path)


def test_a_work_folder_is_gone_when_closed(tmp_path: Path):
    work = WorkFolder(tmp_path)
    (work.path / "file").write_text("x")

    work.close()

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_and_what_lives_is_not(tmp_path: Path):
    script = (
        "import sys, time; from pathlib import Path; from features.snapshot import WorkFolder;"
        "work = WorkFolder(Path(sys.argv[1])); print(work.path, flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout is not None
        other = Path(process.stdout.readline().strip())
        mine = WorkFolder(tmp_path)
        assert other.is_dir()

        process.send_signal(signal.SIGKILL)
        process.wait()
        latest = WorkFolder(tmp_path)

    assert not other.exists()
    assert mine.path.is_dir()
    mine.close()
    latest.close()


def test_a_process_killed_while_it_writes_or_removes_leaves_no_half_snapshot(tmp_path: Path):
    """Stopped in the middle of filling a snapshot, and in the middle of removing the one before."""
    script = (
        "import shutil, sys, time; from pathlib import Path; from features import snapshot\n"
        "def stop(path, **_): print('now', flush=True); time.sleep(60)\n"
        "remove = shutil.rmtree\n"
        "def slowly(path, **how): (stop if list(path.glob('snapshot-*')) else remove)(path, **how)\n"
        "if sys.argv[2] == 'remove': shutil.rmtree = slowly\n"
        "made_with = snapshot.MadeWith(encoder='e', dimension=4, text_rules='1', analyzer='1')\n"
        "fill = stop if sys.argv[2] == 'fill' else lambda tmp: (tmp / 'a').write_text('a')\n"
        "snapshot.write_snapshot(Path(sys.argv[1]), watermark=8, n_cases=3, made_with=made_with, fill=fill)\n"
    )
    first = write(tmp_path)
    for moment in ("fill", "remove"):
        command = [sys.executable, "-c", script, str(tmp_path), moment]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "now\n"
            process.send_signal(signal.SIGKILL)
        assert all(check_snapshot(path) for path in snapshots(tmp_path))
        assert (first in snapshots(tmp_path)) == (moment == "fill")
        WorkFolder(tmp_path).close()
        assert list(tmp_path.iterdir()) == snapshots(tmp_path)
