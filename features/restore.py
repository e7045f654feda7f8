"""A workspace out of a backup: checked whole before it is there, and there whole or not at all.

What the archive says of itself is not believed: paths come from the checked manifest, no member may hold more bytes
than the manifest gives it, and only plain files are made.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

import orjson
from pydantic import ValidationError

from features.backup_format import (
    FORMAT_VERSION,
    IMMUTABLE,
    MANIFEST,
    MAX_MANIFEST_BYTES,
    REGISTRY,
    BackedUpFile,
    BackupManifest,
)
from features.errors import BackupRefused, Conflict, NotFound
from features.files import link_file, new_folder
from features.registry_tables import artifact_root, relocate
from features.release_check import manifest_digest

_CHUNK_BYTES: Final = 2**20
_WAY_OUT: Final = "nothing was restored; take another backup"
# What a zip archive, or the registry in it, has Python raise when it is damaged, encrypted or made to harm.
_DAMAGED: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    sqlite3.Error,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,
    ValueError,
)


def restore_backup(path: Path, workspace: Path) -> BackupManifest:
    """Make a workspace of a backup.

    Parameters
    ----------
    workspace : Path
        Not there yet, or an empty folder.

    Raises
    ------
    NotFound
        If there is no such backup.
    Conflict
        If the workspace holds anything.
    BackupRefused
        If the backup is damaged or incomplete, of another format, larger than the disk has room for, or names a path
        outside of the workspace.
    """
    if not path.is_file():
        raise NotFound(f"There is no backup {path}: name the file that `precedent backup` wrote.")
    _check_empty(workspace)
    try:
        with zipfile.ZipFile(path) as archive, new_folder(workspace.absolute()) as folder:
            manifest = _read_manifest(archive, path)
            _check_room(manifest, folder, path)
            _Extraction(archive, path, folder).extract(manifest)
            relocate(folder / REGISTRY, artifact_root(workspace / "mlflow"))
            if workspace.is_dir():
                workspace.rmdir()
    except _DAMAGED as error:
        raise BackupRefused(
            f"The backup {path} is damaged or no backup ({type(error).__name__}); {_WAY_OUT}."
        ) from error
    return manifest


def _check_empty(workspace: Path) -> None:
    if workspace.is_symlink() or (workspace.exists() and not workspace.is_dir()) or _entries(workspace):
        raise Conflict(
            f"{workspace} is not empty, and a restore replaces nothing: name another folder with --workspace, or move "
            "that one away."
        )


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> BackupManifest:
    with archive.open(MANIFEST) as member:
        content = member.read(MAX_MANIFEST_BYTES + 1)
    if len(content) > MAX_MANIFEST_BYTES:
        raise BackupRefused(f"The backup {path} has a manifest of more than {MAX_MANIFEST_BYTES:,} bytes; {_WAY_OUT}.")
    raw = orjson.loads(content)
    version = raw.get("format_version") if isinstance(raw, dict) else None
    if version != FORMAT_VERSION:
        raise BackupRefused(
            f"The backup {path} has format version {version!r} and this version of Precedent reads {FORMAT_VERSION}: "
            "restore it with the version that wrote it, and upgrade then."
        )
    try:
        manifest = BackupManifest.model_validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise BackupRefused(f"The backup {path} is wrong at {field!r}: {first['msg']}; {_WAY_OUT}.") from None
    if manifest.digest != manifest_digest(raw):
        raise BackupRefused(f"The manifest of the backup {path} was altered: its digest does not match; {_WAY_OUT}.")
    return manifest


def _check_room(manifest: BackupManifest, folder: Path, path: Path) -> None:
    needed, free = sum(file.bytes for file in manifest.files.values()), shutil.disk_usage(folder).free
    if needed > free:
        raise BackupRefused(
            f"The backup {path} holds {needed:,} bytes and the disk has {free:,} left; make room, or restore elsewhere."
        )


class _Extraction:
    """Files out of an archive, each checked as it is written."""

    def __init__(self, archive: zipfile.ZipFile, path: Path, folder: Path) -> None:
        self._archive = archive
        self._path = path
        self._folder = folder
        self._written: dict[str, tuple[str, BackedUpFile]] = {}

    def extract(self, manifest: BackupManifest) -> None:
        """Write every file of the manifest; equal ones that never change share their bytes."""
        for name, file in sorted(manifest.files.items()):
            target = self._folder / name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                self._extract(name, file, target)
            except (FileExistsError, IsADirectoryError, NotADirectoryError):
                raise self._refused(name, "is a file and a folder at once") from None

    def _extract(self, name: str, file: BackedUpFile, target: Path) -> None:
        before = self._written.get(file.member)
        if before is None:
            self._write(name, file, target)
            self._written[file.member] = name, file
        elif (before[1].sha256, before[1].bytes) != (file.sha256, file.bytes):
            raise self._refused(name, f"is said to equal {before[0]} and has another hash")
        elif name.startswith(IMMUTABLE) and before[0].startswith(IMMUTABLE) and before[1].mode == file.mode:
            link_file(self._folder / before[0], target)
        else:
            shutil.copyfile(self._folder / before[0], target)
            target.chmod(file.mode)

    def _write(self, name: str, file: BackedUpFile, target: Path) -> None:
        digest, length = hashlib.sha256(), 0
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "wb") as writing, self._archive.open(file.member) as reading:
            while chunk := reading.read(min(_CHUNK_BYTES, file.bytes - length + 1)):
                length += len(chunk)
                if length > file.bytes:
                    raise self._refused(name, f"is longer than the {file.bytes:,} bytes of the manifest")
                digest.update(chunk)
                writing.write(chunk)
            os.fchmod(writing.fileno(), file.mode)
        if digest.hexdigest() != file.sha256:
            raise self._refused(name, "does not match its SHA-256 in the manifest")

    def _refused(self, name: str, why: str) -> BackupRefused:
        return BackupRefused(f"The backup {self._path} is damaged: {name} {why}; {_WAY_OUT}.")
