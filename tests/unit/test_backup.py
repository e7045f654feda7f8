from __future__ import annotations

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.backup import write_backup
from features.backup_format import MANIFEST
from features.errors import BackupRefused, Conflict, HistoryUnavailable, InvalidInput, NotFound
from features.history import History
from features.intake import open_intake
from features.release import current_release_id, load_release, point_current, write_release
from features.release_check import manifest_digest
from features.restore import restore_backup
from features.settings import Settings, load_settings
from features.ticket import Case, Ticket

WEIGHTS = os.urandom(50_000)


def make_workspace(folder: Path) -> Settings:
    folder.mkdir()
    (folder / "precedent.toml").write_text('encoder = "hashing"\n')
    settings = load_settings(folder, {})
    open_intake(settings)  # makes the secret key
    store(settings, range(20))
    (folder / "encoders" / "abc").mkdir(parents=True)
    (folder / "encoders" / "abc" / "model.onnx").write_bytes(WEIGHTS)
    for release_id in ("r1", "r2"):
        parts = {"encoder": folder / "encoders" / "abc", "params.json": {"seed": release_id}}
        write_release(settings.releases_dir, release_id=release_id, parts=parts)
    point_current(settings.releases_dir, "r1")
    for name in ("index/abc/snapshot", "exports/page.html", "rejects/rejects.jsonl", "encoders/.tmp-abc.1/model.onnx"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("left out")
    return settings


def store(settings: Settings, numbers: range) -> None:
    with closing(History.open(settings.history_url)) as history:
        history.upsert([Case(ticket=Ticket(id=f"T-{number}")) for number in numbers], masking_rules="1")


def stored(settings: Settings) -> set[str]:
    with closing(History.open(settings.history_url)) as history:
        return {stored.case.ticket.id or "" for stored in history.iter_cases()}


@pytest.fixture
def workspace(tmp_path: Path) -> Settings:
    return make_workspace(tmp_path / "workspace")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("backed-up")
    write_backup(make_workspace(folder / "workspace"), folder / "backup.zip")
    return folder / "backup.zip"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_back_is_what_was_there(workspace: Settings, tmp_path: Path) -> None:
    manifest = write_backup(workspace, tmp_path / "backup.zip")
    restore_backup(tmp_path / "backup.zip", tmp_path / "restored")
    before, after = contents(workspace.workspace), contents(tmp_path / "restored")
    del before["history.db"], after["history.db"]
    assert after == {name: content for name, content in before.items() if content != b"left out"}
    restored = load_settings(tmp_path / "restored", {})
    assert stored(restored) == stored(workspace)
    assert (manifest.release, manifest.change) == ("r1", 20)
    assert load_release(restored.releases_dir / "r1").manifest == load_release(workspace.releases_dir / "r1").manifest


def test_it_is_for_its_owner_alone_and_so_are_the_secrets_in_it(workspace: Settings, tmp_path: Path) -> None:
    write_backup(workspace, tmp_path / "backup.zip")
    restore_backup(tmp_path / "backup.zip", tmp_path / "restored")
    paths = [tmp_path / "backup.zip", tmp_path / "restored" / "secret.key", tmp_path / "restored" / "history.db"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o600}


def test_equal_files_that_never_change_are_kept_once(workspace: Settings, tmp_path: Path) -> None:
    manifest = write_backup(workspace, tmp_path / "backup.zip")
    weights = [name for name in manifest.files if name.endswith("model.onnx")]
    assert len(weights) == 3
    assert len({manifest.files[name].member for name in weights}) == 1
    restore_backup(tmp_path / "backup.zip", tmp_path / "restored")
    assert len({(tmp_path / "restored" / name).stat().st_ino for name in weights}) == 1


def test_an_empty_folder_may_be_there(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    restore_backup(archive, tmp_path / "restored")
    assert current_release_id(tmp_path / "restored" / "releases") == "r1"


def test_a_folder_that_holds_anything_is_left_as_it_is(archive: Path, tmp_path: Path) -> None:
    (tmp_path / "restored").mkdir()
    (tmp_path / "restored" / "precedent.toml").write_text("mine")
    with pytest.raises(Conflict, match="is not empty, and a restore replaces nothing"):
        restore_backup(archive, tmp_path / "restored")
    assert contents(tmp_path) == {"restored/precedent.toml": b"mine"}


def test_no_backup_is_replaced_and_none_is_put_into_the_workspace(workspace: Settings, tmp_path: Path) -> None:
    write_backup(workspace, tmp_path / "backup.zip")
    with pytest.raises(Conflict, match=r"There is .*backup\.zip already"):
        write_backup(workspace, tmp_path / "backup.zip")
    with pytest.raises(InvalidInput, match="lies in the workspace, and would be lost with it"):
        write_backup(workspace, workspace.workspace / "backup.zip")
    with pytest.raises(NotFound, match=r"There is no folder .*absent"):
        write_backup(workspace, tmp_path / "absent" / "backup.zip")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NotFound, match="There is no history in"):
        write_backup(load_settings(tmp_path / "empty", {}), tmp_path / "other.zip")


@pytest.mark.parametrize(
    ("url", "way_out"), [("postgresql://host/name", "pg_dump"), ("sqlite:////srv/history.db", "SQLite's .backup")]
)
def test_a_history_elsewhere_has_a_backup_of_its_own(
    workspace: Settings, tmp_path: Path, url: str, way_out: str
) -> None:
    elsewhere = workspace.model_copy(update={"database_url": url})
    with pytest.raises(Conflict, match=f"back it up with {way_out} first.*precedent backup --without-history"):
        write_backup(elsewhere, tmp_path / "backup.zip")
    manifest = write_backup(elsewhere, tmp_path / "backup.zip", with_history=False)
    assert (manifest.has_history, manifest.change) == (False, None)
    restore_backup(tmp_path / "backup.zip", tmp_path / "restored")
    assert not (tmp_path / "restored" / "history.db").exists()
    assert (tmp_path / "restored" / "secret.key").exists()


def test_a_link_in_the_workspace_is_named(workspace: Settings, tmp_path: Path) -> None:
    (workspace.workspace / "taxonomy.toml").symlink_to("/etc/hostname")
    with pytest.raises(InvalidInput, match=r"The workspace holds taxonomy\.toml, which is a link"):
        write_backup(workspace, tmp_path / "backup.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["workspace"]


def test_a_damaged_history_is_not_passed_off_as_a_backup(workspace: Settings, tmp_path: Path) -> None:
    path = workspace.workspace / "history.db"
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 4096)
    with pytest.raises(HistoryUnavailable, match=r"history\.db cannot be copied .*restored from an earlier backup"):
        write_backup(workspace, tmp_path / "backup.zip")
    assert not (tmp_path / "backup.zip").exists()


def test_what_a_killed_backup_left_goes_with_the_next(workspace: Settings, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    left = tmp_path / f".tmp-precedent-backup.{gone.pid}"
    left.mkdir()
    (left / "history.db").write_text("all the tickets")
    write_backup(workspace, tmp_path / "backup.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"workspace", "backup.zip"}


def test_while_it_is_written_to_and_promoted(workspace: Settings, tmp_path: Path) -> None:
    """Every backup is of one moment: it has what was stored before, and the release that its pointer names."""
    acknowledged: list[int] = []
    is_over = threading.Event()

    def write() -> None:
        number = 100
        while not is_over.is_set():
            store(workspace, range(number, number + 1))
            acknowledged.append(number)
            write_release(workspace.releases_dir, release_id=f"r{number}", parts={"params.json": {}})
            point_current(workspace.releases_dir, f"r{number}")
            number += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            promised = {f"T-{each}" for each in acknowledged}
            write_backup(workspace, tmp_path / f"{number}.zip")
            restore_backup(tmp_path / f"{number}.zip", tmp_path / str(number))
            restored = load_settings(tmp_path / str(number), {})
            assert promised <= stored(restored)
            current = current_release_id(restored.releases_dir)
            assert current is not None
            load_release(restored.releases_dir / current)
    finally:
        is_over.set()
        writer.join()
    assert len(acknowledged) > 1


def forge(
    archive: Path, path: Path, change: Callable[[dict[str, Any], dict[str, bytes]], None], *, digest: bool = True
) -> Path:
    """A backup by somebody who can make digests too."""
    with zipfile.ZipFile(archive) as original:
        members = {name: original.read(name) for name in original.namelist()}
    manifest = json.loads(members.pop(MANIFEST))
    change(manifest, members)
    if digest:
        manifest["digest"] = manifest_digest(manifest)
    with zipfile.ZipFile(path, "w") as forged:
        for name, content in members.items():
            forged.writestr(name, content)
        forged.writestr(MANIFEST, json.dumps(manifest))
    return path


def _rename(to: str) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    def change(manifest: dict[str, Any], _members: dict[str, bytes]) -> None:
        manifest["files"][to] = manifest["files"].pop("precedent.toml")

    return change


def _edit(**values: object) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    return lambda manifest, _members: manifest["files"]["precedent.toml"].update(values)


def _replace(name: str, content: bytes) -> Callable[[dict[str, Any], dict[str, bytes]], None]:
    return lambda _manifest, members: members.update({name: content})


def _drop(_manifest: dict[str, Any], members: dict[str, bytes]) -> None:
    del members["precedent.toml"]


def _new_format(manifest: dict[str, Any], _members: dict[str, bytes]) -> None:
    manifest["format_version"] = 2


HOSTILE = {
    "out of the folder": (_rename("../outside"), "is no plain path inside of a workspace"),
    "by way of a folder": (_rename("releases/../../outside"), "is no plain path inside of a workspace"),
    "from the root": (_rename("/var/outside"), "is no plain path inside of a workspace"),
    "backslashes": (_rename("..\\outside"), "holds a character that no file of a workspace has"),
    "a NUL": (_rename("a\0b"), "holds a character that no file of a workspace has"),
    "a file and a folder": (_rename("secret.key/inside"), "is a file and a folder at once"),
    "a member longer than said": (_replace("precedent.toml", b"x" * 10_000_000), "is longer than the 20 bytes"),
    "a member that is another": (_replace("precedent.toml", b"x" * 20), "does not match its SHA-256"),
    "a member that is not there": (_drop, r"is damaged or no backup \(KeyError\)"),
    "more than the disk holds": (_edit(bytes=10**18), "the disk has"),
    "rights beyond reading and writing": (_edit(mode=0o4755), r"wrong at 'files\.precedent\.toml\.mode'"),
    "said to equal what it does not": (_edit(member="encoders/abc/model.onnx"), "is said to equal encoders/abc/model"),
    "a registry that is none": (_rename("mlflow/mlflow.db"), r"is damaged or no backup \(DatabaseError\)"),
    "another format": (_new_format, "has format version 2 and this version of Precedent reads 1: restore it with"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_backup_is_refused_and_leaves_nothing(archive: Path, tmp_path: Path, case: str) -> None:
    change, why = HOSTILE[case]
    forged = forge(archive, tmp_path / "forged.zip", change)
    (tmp_path / "here").mkdir()
    with pytest.raises(BackupRefused, match=why):
        restore_backup(forged, tmp_path / "here" / "restored")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["forged.zip", "here"]
    assert not Path("/var/outside").exists()


def test_a_manifest_that_was_altered_is_refused(archive: Path, tmp_path: Path) -> None:
    def change(manifest: dict[str, Any], _members: dict[str, bytes]) -> None:
        manifest["release"] = "r2"

    forged = forge(archive, tmp_path / "forged.zip", change, digest=False)
    with pytest.raises(BackupRefused, match="its digest does not match"):
        restore_backup(forged, tmp_path / "restored")


def test_a_member_that_says_it_is_a_link_becomes_a_file(archive: Path, tmp_path: Path) -> None:
    def change(_manifest: dict[str, Any], members: dict[str, bytes]) -> None:
        del members["precedent.toml"]

    forged = forge(archive, tmp_path / "forged.zip", change)
    info = zipfile.ZipInfo("precedent.toml")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive) as original, zipfile.ZipFile(forged, "a") as file:
        file.writestr(info, original.read("precedent.toml"))
    restore_backup(forged, tmp_path / "restored")
    assert not (tmp_path / "restored" / "precedent.toml").is_symlink()


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip at all" * 1000])
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(BackupRefused, match="is damaged or no backup"):
        restore_backup(tmp_path / "file", tmp_path / "restored")
    with pytest.raises(NotFound, match="There is no backup"):
        restore_backup(tmp_path / "absent", tmp_path / "restored")


@settings(max_examples=60)
@given(data=st.data())
def test_a_backup_that_was_cut_or_flipped_gives_the_same_or_nothing(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("flipped")
    content = bytearray(archive.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        del content[at:]
    else:
        content[at] ^= data.draw(st.integers(1, 255))
    (folder / "backup.zip").write_bytes(content)
    try:
        restore_backup(folder / "backup.zip", folder / "restored")
    except BackupRefused:
        assert [path.name for path in folder.iterdir()] == ["backup.zip"]
    else:
        restore_backup(archive, folder / "whole")
        assert contents(folder / "restored") == contents(folder / "whole")


def test_the_commands(workspace: Settings, tmp_path: Path, precedent: Callable[..., Any]) -> None:
    done = precedent("backup", tmp_path / "b.zip", "--workspace", workspace.workspace, "--json")
    assert (done.code, json.loads(done.out)["change"], json.loads(done.out)["release"]) == (0, 20, "r1")
    restored = precedent("restore", tmp_path / "b.zip", "--workspace", tmp_path / "new")
    assert restored.code == 0
    assert restored.out.startswith(f"Restored {tmp_path / 'new'} as of ")
    assert "erase them again" in restored.err
    again = precedent("restore", tmp_path / "b.zip", "--workspace", tmp_path / "new")
    assert (again.code, again.out) == (1, "")
    assert "is not empty" in again.err


def test_a_registry_is_copied_with_the_pointer_that_agrees_with_it(workspace: Settings, tmp_path: Path) -> None:
    """`promote` sets the alias first and the pointer then: a backup in between waits for both."""
    workspace.mlflow_dir.mkdir()
    with closing(sqlite3.connect(workspace.mlflow_dir / "mlflow.db")) as registry:
        registry.execute("CREATE TABLE registered_model_aliases (name, alias, version)")
        registry.execute("CREATE TABLE model_version_tags (name, version, key, value)")
        registry.execute("INSERT INTO registered_model_aliases VALUES ('precedent', 'champion', 2)")
        registry.execute("INSERT INTO model_version_tags VALUES ('precedent', 2, 'release', 'r2')")
        registry.commit()
    later = threading.Timer(0.5, point_current, (workspace.releases_dir, "r2"))
    later.start()
    manifest = write_backup(workspace, tmp_path / "backup.zip")
    later.join()
    assert manifest.release == "r2"
