"""A backup of a workspace, consistent while a service writes to it and a release is promoted.

Databases are copied by SQLite's online backup, each as it was at one moment. Everything else is immutable, replaced in
one step, or of no weight while it is being written, and is copied after the databases that speak of it: what the copy
of the registry or the journal names is there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

import orjson

from features.backup_format import FORMAT_VERSION, HISTORY, MANIFEST, REGISTRY, BackedUpFile, BackupManifest
from features.errors import Conflict, HistoryUnavailable, InvalidInput, NotFound
from features.files import TMP_PREFIX, file_sha256, scratch_folder, sync_folder
from features.registry_tables import champion_of
from features.release import POINTER, current_release_id, own_version
from features.release_check import manifest_digest
from features.schema import CHANGES
from features.settings import Settings

_LEFT_OUT: Final = frozenset({"index", "exports", "rejects"})
"""Made from the history at any time, or a person's own copies."""
_LOG_SUFFIXES: Final = ("", "-wal", "-shm", "-journal")
_CHUNK_BYTES: Final = 2**20
_PROMOTION_SECONDS: Final = 10.0
_LOCK_SECONDS: Final = 20.0


def write_backup(settings: Settings, path: Path, *, with_history: bool = True) -> BackupManifest:
    """Write history, releases, registry, journal, secret key and settings into one file, readable by its owner alone.

    The file is there whole, or not at all.

    Parameters
    ----------
    path : Path
        Outside of the workspace, in a folder that has room for the databases and the backup.
    with_history : bool
        False leaves the history (with journal and keys) out, which then has a backup of its own, made before this one.

    Raises
    ------
    Conflict
        If there is such a file, or the history is kept at an address of its own and is not left out.
    InvalidInput
        If the file would lie in the workspace, or the workspace holds a link.
    NotFound
        If there is no history in the workspace.
    HistoryUnavailable
        If a database cannot be read or is damaged.
    """
    _check(settings, path, with_history=with_history)
    with scratch_folder(path.parent, "precedent-backup") as tmp:
        tmp.chmod(0o700)
        staged = _Staged(settings, tmp)
        if with_history:
            staged.copy_history()
        staged.copy_registry_and_pointer()
        manifest = _write_archive(settings.workspace, staged, staged.folder / "archive")
        (staged.folder / "archive").rename(path)
    sync_folder(path.parent)
    return manifest


def _check(settings: Settings, path: Path, *, with_history: bool) -> None:
    if with_history and settings.database_url is not None:
        copied_by = "SQLite's .backup" if settings.history_url.startswith("sqlite") else "pg_dump"
        raise Conflict(
            f"The history is not in the workspace but where the setting database_url says: back it up with {copied_by} "
            "first, then everything else with `precedent backup --without-history`."
        )
    if path.exists():
        raise Conflict(f"There is {path} already: name another file, or move that one away.")
    if not path.parent.is_dir():
        raise NotFound(f"There is no folder {path.parent} for the backup: make it first.")
    if path.resolve().is_relative_to(settings.workspace.resolve()):
        raise InvalidInput(f"{path} lies in the workspace, and would be lost with it: name a file elsewhere.")
    if with_history and not (settings.workspace / HISTORY).exists():
        raise NotFound(f"There is no history in {settings.workspace}: import tickets first, or name another workspace.")


class _Staged:
    """What must be of one moment, copied aside."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.folder = folder
        self.files: dict[str, Path] = {}
        self.release: str | None = None
        self.change: int | None = None
        self._settings = settings

    def copy_history(self) -> None:
        """The history with journal and keys, and its highest change number."""
        copied = self._copied(HISTORY)
        with closing(sqlite3.connect(copied)) as connection:
            query = "SELECT value FROM change_counter WHERE name = ?"
            self.change = int(connection.execute(query, (CHANGES,)).fetchone()[0])

    def copy_registry_and_pointer(self) -> None:
        """The registry, and the pointer that agrees with it: `promote` sets one after the other."""
        pointer = self._settings.releases_dir / POINTER
        deadline = time.monotonic() + _PROMOTION_SECONDS
        while True:
            before = current_release_id(self._settings.releases_dir)
            champion = before
            if (self._settings.workspace / REGISTRY).exists():
                champion = champion_of(self._copied(REGISTRY))
            if champion == before == current_release_id(self._settings.releases_dir) or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if before is not None:
            copied = self.folder / POINTER
            copied.write_text(f"{before}\n", encoding="utf-8")
            self.files[pointer.relative_to(self._settings.workspace).as_posix()] = copied
        self.release = before

    def _copied(self, name: str) -> Path:
        source, target = self._settings.workspace / name, self.folder / Path(name).name
        target.unlink(missing_ok=True)
        try:
            with (
                closing(sqlite3.connect(source, timeout=_LOCK_SECONDS)) as reading,
                closing(sqlite3.connect(target)) as writing,
            ):
                reading.backup(writing)
                found = str(writing.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.Error as error:
            found = str(error)
        if found != "ok":
            raise HistoryUnavailable(
                f"The database {source} cannot be copied ({found.splitlines()[0]}): check that this user may read it "
                "and that its disk has room; one that is damaged must be restored from an earlier backup."
            )
        shutil.copymode(source, target)
        self.files[name] = target
        return target


def _write_archive(workspace: Path, staged: _Staged, path: Path) -> BackupManifest:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    with os.fdopen(descriptor, "w+b") as file:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            files = _write_members(archive, {**_workspace_files(workspace), **staged.files})
            manifest = BackupManifest(
                format_version=FORMAT_VERSION,
                made_by=f"precedent {own_version()}",
                made_at=datetime.now(UTC),
                has_history=HISTORY in staged.files,
                change=staged.change,
                release=staged.release,
                files=files,
            )
            manifest = manifest.model_copy(update={"digest": manifest_digest(manifest.to_json())})
            archive.writestr(MANIFEST, orjson.dumps(manifest.to_json(), option=orjson.OPT_INDENT_2))
        file.flush()
        os.fsync(file.fileno())
    return manifest


def _write_members(archive: zipfile.ZipFile, paths: dict[str, Path]) -> dict[str, BackedUpFile]:
    files: dict[str, BackedUpFile] = {}
    members: dict[str, BackedUpFile] = {}
    for name, path in sorted(paths.items()):
        try:
            with path.open("rb") as source:
                mode = os.fstat(source.fileno()).st_mode & 0o777
                found = members.get(file_sha256(path)) or _write_member(archive, name, source)
        except FileNotFoundError:
            continue  # a temporary file of something that is being written
        members.setdefault(found.sha256, found)
        files[name] = found.model_copy(update={"mode": mode})
    return files


def _write_member(archive: zipfile.ZipFile, name: str, source: IO[bytes]) -> BackedUpFile:
    digest, length = hashlib.sha256(), 0
    with archive.open(name, "w", force_zip64=True) as member:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            length += len(chunk)
            member.write(chunk)
    return BackedUpFile(sha256=digest.hexdigest(), bytes=length, mode=0, member=name)


def _workspace_files(workspace: Path) -> dict[str, Path]:
    databases = {f"{name}{suffix}" for name in (HISTORY, REGISTRY) for suffix in _LOG_SUFFIXES}
    found = {path.relative_to(workspace).as_posix(): path for path in _plain_files(workspace)}
    return {name: path for name, path in found.items() if name not in databases}


def _plain_files(workspace: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(workspace):
        if Path(parent) == workspace:
            folders[:] = [name for name in folders if name not in _LEFT_OUT]
        folders[:] = [name for name in folders if not name.startswith(TMP_PREFIX)]
        for path in (Path(parent) / name for name in (*folders, *names) if not name.startswith(TMP_PREFIX)):
            if path.is_symlink() or (path.exists() and not (path.is_dir() or path.is_file())):
                raise InvalidInput(
                    f"The workspace holds {path.relative_to(workspace)}, which is a link or no plain file: put there "
                    "what it leads to, or remove it."
                )
            if not path.is_dir():
                yield path
