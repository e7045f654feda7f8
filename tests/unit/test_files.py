"""Files and folders are whole or absent."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from features.files import file_sha256, new_folder, replace_file


def test_hash_of_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert file_sha256(tmp_path / "empty") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep" / "new") as tmp:
        (tmp / "part").mkdir()
        (tmp / "part" / "a.txt").write_text("a")
        assert not (tmp_path / "deep" / "new").exists()
    assert (tmp_path / "deep" / "new" / "part" / "a.txt").read_text() == "a"
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["new"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fill() -> None:
        with new_folder(tmp_path / "new") as tmp:
            (tmp / "a.txt").write_text("a")
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError, match=r"in the middle"):
        fill()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    with pytest.raises(FileExistsError, match=r"exists already"), new_folder(tmp_path / "new"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_a_killed_writer_leaves_no_folder_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    code = (
        "import sys, os, signal; from pathlib import Path; from features.files import new_folder\n"
        "with new_folder(Path(sys.argv[1]) / 'new') as tmp:\n"
        "    (tmp / 'a.txt').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    (leftover,) = tmp_path.iterdir()
    assert leftover.name.startswith(".tmp-new.")
    with new_folder(tmp_path / "new") as tmp:
        (tmp / "a.txt").write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["new"]
    assert (tmp_path / "new" / "a.txt").read_text() == "whole"


def test_a_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    replace_file(tmp_path / "pointer", b"old")
    replace_file(tmp_path / "pointer", b"new")
    assert (tmp_path / "pointer").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["pointer"]
