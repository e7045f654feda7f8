"""A release is whole and unaltered, or it is refused with a way out."""

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from features.encoder import HashingEncoder, load_encoder
from features.errors import Conflict, ReleaseRefused, UnknownRelease
from features.release import (
    current_release_id,
    list_releases,
    load_release,
    point_current,
    write_release,
)
from features.release_check import manifest_digest

Alter = Callable[[Path], None]


@pytest.fixture
def releases(tmp_path: Path) -> Path:
    return tmp_path / "releases"


@pytest.fixture
def folder(tmp_path: Path, releases: Path) -> Path:
    return _write(tmp_path, releases, "2026-01-01-a")


def _write(tmp_path: Path, releases: Path, release_id: str) -> Path:
    parts = {
        "category.json": {"classes": ["login", "export"], "temperature": np.float64(1.25)},
        "category.safetensors": {"coef": np.arange(6, dtype=np.float32).reshape(2, 3).T},
        "encoder": HashingEncoder(16).save(tmp_path / "encoders"),
        "report.parquet": b"PAR1",
    }
    return write_release(
        releases, release_id=release_id, parts=parts, manifest_extra={"data_window": ["2025-01-01", "2025-12-31"]}
    )


def _edit_manifest(folder: Path, *, keep_digest: bool = False, **changes: object) -> None:
    manifest = {**json.loads((folder / "manifest.json").read_text()), **changes}
    if not keep_digest:
        manifest["digest"] = manifest_digest(manifest)
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_what_is_written_is_read(folder: Path) -> None:
    release = load_release(folder)
    assert release.id == "2026-01-01-a"
    assert release.json("category") == {"classes": ["login", "export"], "temperature": 1.25}
    coef = release.arrays("category")["coef"]
    assert coef.dtype == np.float32
    np.testing.assert_array_equal(coef, [[0, 3], [1, 4], [2, 5]])
    assert load_encoder(release.encoder_folder).dimension == 16
    assert release.manifest["data_window"] == ["2025-01-01", "2025-12-31"]
    assert release.manifest["made_by"].startswith("precedent ")
    assert release.has("report.parquet")
    assert not release.has("severity.json")


def test_encoder_files_are_hard_links(folder: Path) -> None:
    assert (folder / "encoder" / "encoder.json").stat().st_nlink == 2


def test_a_moved_release_still_loads(folder: Path) -> None:
    moved = folder.rename(folder.parent.parent / "elsewhere")
    assert load_release(moved).id == "2026-01-01-a"


def test_a_part_that_is_not_there(folder: Path) -> None:
    release = load_release(folder)
    with pytest.raises(ReleaseRefused, match=r"has no severity\.json; .*train again"):
        release.json("severity")
    with pytest.raises(ReleaseRefused, match=r"has no severity\.safetensors"):
        release.arrays("severity")


def _flip_in(name: str) -> Alter:
    def alter(folder: Path) -> None:
        path = folder / name
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.unlink()  # it may be a hard link to the encoder's own file
        path.write_bytes(data)

    return alter


def _remove(name: str) -> Alter:
    return lambda folder: (folder / name).unlink()


def _add(name: str, data: bytes) -> Alter:
    return lambda folder: (folder / name).write_bytes(data) and None


def _link(name: str, target: str) -> Alter:
    def alter(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        (folder / name).symlink_to(target)

    return alter


def _list(name: str) -> Alter:
    def alter(folder: Path) -> None:
        files = json.loads((folder / "manifest.json").read_text())["files"]
        _edit_manifest(folder, files={**files, name: {"sha256": "0" * 64, "bytes": 1}})

    return alter


WAY_OUT = "(promote another release|train again)"


@pytest.mark.parametrize(
    ("alter", "message"),
    [
        (_flip_in("category.safetensors"), rf"is damaged: category\.safetensors does not match .*{WAY_OUT}"),
        (_flip_in("encoder/encoder.json"), rf"is damaged: encoder/encoder\.json does not match .*{WAY_OUT}"),
        (_remove("category.json"), rf"lacks its file category\.json; {WAY_OUT}"),
        (_remove("manifest.json"), rf"has no manifest\.json, so it cannot be checked; {WAY_OUT}"),
        (_add("model.pkl", pickle.dumps([1])), r"holds model\.pkl, a kind of file .*pickle runs code.*; remove it if"),
        (_add("code.py", b"print(1)"), r"holds code\.py, a kind of file .*; remove it if"),
        (_add("extra.json", b"{}"), r"holds extra\.json, which its manifest does not list; remove the file if"),
        (_link("category.json", "/etc/hostname"), r"holds category\.json, which is a link or no plain file; replace"),
        (_link("sub", "/etc"), r"holds sub, which is a link or no plain file; replace"),
        (_link("manifest.json", "/etc/hostname"), rf"has no manifest\.json.*{WAY_OUT}"),
        (_list("../outside.json"), rf"lists '\.\./outside\.json', a path outside of its folder; {WAY_OUT}"),
        (_list("/etc/passwd"), rf"lists '/etc/passwd', a path outside of its folder; {WAY_OUT}"),
        (lambda folder: os.mkfifo(folder / "pipe.json"), r"holds pipe\.json, which is a link or no plain file"),
        (
            lambda folder: _edit_manifest(folder, format_version=99, made_by="precedent 9.0"),
            r"format version 99 and this version of Precedent reads 4; load it with the version that wrote it "
            r"\(precedent 9\.0\), or train again",
        ),
        (
            lambda folder: _edit_manifest(folder, keep_digest=True, data_window=["2020-01-01"]),
            rf"manifest\.json of release .* was altered: its digest does not match; {WAY_OUT}",
        ),
        (_add("manifest.json", b"{"), rf"manifest\.json of release .* cannot be read; {WAY_OUT}"),
        (_add("manifest.json", b"[]"), rf"manifest\.json of release .* cannot be read; {WAY_OUT}"),
        (lambda folder: _edit_manifest(folder, files={"a.json": 1}), rf"is wrong at 'files\.a\.json'; {WAY_OUT}"),
    ],
)
def test_a_faulty_release_is_refused_with_a_way_out(folder: Path, alter: Alter, message: str) -> None:
    alter(folder)
    with pytest.raises(ReleaseRefused, match=message):
        load_release(folder)


def test_every_flipped_byte_of_the_manifest_is_seen(folder: Path) -> None:
    path = folder / "manifest.json"
    whole = path.read_bytes()
    meaningless = 0
    for position in range(0, len(whole), 7):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            assert load_release(folder).manifest == json.loads(whole)
            meaningless += 1  # white space outside of strings
        except ReleaseRefused:
            continue
    assert meaningless < len(whole) / 7 / 3


def test_no_such_release(releases: Path) -> None:
    with pytest.raises(UnknownRelease, match=r"There is no release gone in .*run `precedent train`"):
        load_release(releases / "gone")


def test_a_release_is_never_written_over(tmp_path: Path, releases: Path, folder: Path) -> None:
    before = (folder / "manifest.json").read_bytes()
    with pytest.raises(Conflict, match=r"There is a release 2026-01-01-a in .* already"):
        _write(tmp_path, releases, "2026-01-01-a")
    assert (folder / "manifest.json").read_bytes() == before
    assert list_releases(releases) == ["2026-01-01-a"]


@pytest.mark.parametrize("release_id", ["", "../up", ".hidden", "a/b", "a b", "x" * 101])
def test_ids_that_are_refused(releases: Path, release_id: str) -> None:
    with pytest.raises(ReleaseRefused, match=r"cannot name a release; use up to 100 letters"):
        write_release(releases, release_id=release_id, parts={})
    assert not releases.exists()


@pytest.mark.parametrize("name", ["../escape.json", "/tmp/escape.json"])  # noqa: S108
def test_parts_stay_inside(releases: Path, name: str) -> None:
    with pytest.raises(ReleaseRefused, match=r"cannot name a part of a release; use a path inside"):
        write_release(releases, release_id="a", parts={name: {}})
    assert list(releases.iterdir()) == []


def test_a_pickle_is_not_written_either(releases: Path) -> None:
    with pytest.raises(ReleaseRefused, match=r"holds model\.pkl, a kind of file"):
        write_release(releases, release_id="a", parts={"model.pkl": b"x"})
    assert list(releases.iterdir()) == []


def test_the_manifest_keeps_its_own_names(releases: Path) -> None:
    with pytest.raises(ReleaseRefused, match=r"keeps files for itself; use other names"):
        write_release(releases, release_id="a", parts={}, manifest_extra={"files": {}})


def test_the_pointer(tmp_path: Path, releases: Path, folder: Path) -> None:
    assert current_release_id(releases) is None
    _write(tmp_path, releases, "2026-01-02-b")
    assert list_releases(releases) == ["2026-01-01-a", "2026-01-02-b"]
    for release_id in ("2026-01-02-b", "2026-01-01-a"):
        point_current(releases, release_id)
        assert current_release_id(releases) == release_id


def test_the_pointer_only_takes_a_release_that_is_there(releases: Path, folder: Path) -> None:
    point_current(releases, folder.name)
    with pytest.raises(UnknownRelease, match=r"There is no release '\.\./x' in"):
        point_current(releases, "../x")
    assert current_release_id(releases) == folder.name


@pytest.mark.parametrize("content", [b"", b"../../etc", b"\xff\xfe", b"a\nb"])
def test_a_broken_pointer(releases: Path, folder: Path, content: bytes) -> None:
    (releases / "CURRENT").write_bytes(content)
    with pytest.raises(ReleaseRefused, match=r"does not hold the id of a release; run `precedent promote` again"):
        current_release_id(releases)


def test_no_releases_folder(tmp_path: Path) -> None:
    assert list_releases(tmp_path / "none") == []
    assert current_release_id(tmp_path / "none") is None


KILLED = """
import os, signal, sys
from pathlib import Path
import features.release as release

fsyncs = 0
fsync = os.fsync
def counting(descriptor):
    global fsyncs
    fsyncs += 1
    if fsyncs == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = counting
parts = {f"part{i}.json": {"i": i} for i in range(5)}
release.write_release(Path(sys.argv[1]), release_id="killed", parts=parts)
"""


@pytest.mark.parametrize("step", [1, 3, 6, 7, 11, 13])
def test_a_killed_writer_leaves_no_half_release(releases: Path, folder: Path, step: int) -> None:
    """Killed at its n-th sync: while parts are written, before the manifest, before the rename."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(releases), str(step)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert list_releases(releases) == [folder.name]
    write_release(releases, release_id="killed", parts={"a.json": 1})
    assert sorted(path.name for path in releases.iterdir()) == [folder.name, "killed"]
    assert load_release(releases / "killed").json("a") == 1
