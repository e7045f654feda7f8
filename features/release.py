"""A release: one immutable folder that holds everything a suggestion is made with.

Written to a temporary folder, synced and renamed; loaded only after every check: format version, the manifest's own
digest, each file's SHA-256, no file that the manifest lacks, no kind of file that can run code, no link out of the
folder. ``releases/CURRENT`` names the release that is served and is replaced in one step.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import orjson
import safetensors.numpy
from numpy.typing import NDArray

from features.errors import Conflict, ReleaseRefused, UnknownRelease
from features.files import file_sha256, new_folder, replace_file, write_synced
from features.release_check import FORMAT_VERSION, MANIFEST, check_folder, manifest_digest

ENCODER = "encoder"
POINTER = "CURRENT"
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_RESERVED = ("format_version", "id", "created_at", "made_by", "files", "digest")

Arrays = Mapping[str, NDArray[np.generic]]
# Bytes are written as they are, a path (file or folder) is hard-linked, arrays become safetensors, the rest JSON.
Part = bytes | Path | Arrays | Mapping[str, Any] | list[Any]


@dataclass(frozen=True, slots=True)
class Release:
    """A release whose files have passed every check.

    Attributes
    ----------
    id : str
        Its name, and its folder's.
    manifest : mapping
        Format, what made it, of what, and the hash of each file.
    """

    id: str
    folder: Path
    manifest: Mapping[str, Any]

    @property
    def encoder_folder(self) -> Path:
        """For :func:`features.encoder.load_encoder`."""
        return self.folder / ENCODER

    @property
    def created_at(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.manifest["created_at"])

    def has(self, file_name: str) -> bool:
        """Whether the release has a file of this name, such as ``category.json``."""
        return file_name in self.manifest["files"]

    def json(self, name: str) -> Any:
        """Parse the part ``NAME.json``.

        Raises
        ------
        ReleaseRefused
            If the release has no such part.
        """
        return orjson.loads(self._read(f"{name}.json"))

    def arrays(self, name: str) -> dict[str, NDArray[Any]]:
        """Read the arrays of the part ``NAME.safetensors``.

        Raises
        ------
        ReleaseRefused
            If the release has no such part.
        """
        arrays: dict[str, NDArray[Any]] = safetensors.numpy.load(self._read(f"{name}.safetensors"))
        return arrays

    def _read(self, file_name: str) -> bytes:
        if not self.has(file_name):
            raise ReleaseRefused(
                f"Release {self.id} has no {file_name}; it was made by another version of Precedent: train again."
            )
        return (self.folder / file_name).read_bytes()


def write_release(
    releases_dir: Path, *, release_id: str, parts: Mapping[str, Part], manifest_extra: Mapping[str, Any] | None = None
) -> Path:
    """Write a release; it is there whole, or not at all.

    Parameters
    ----------
    releases_dir : Path
        Made when absent.
    release_id : str
        Letters, digits, dots, dashes and underscores.
    parts : mapping
        By file name. Bytes are written as they are; a path to a file or folder is hard-linked (copied where that is
        impossible); a mapping of arrays under a name in ``.safetensors`` and anything else in ``.json`` are serialised.
    manifest_extra : mapping, optional
        What else the manifest says: data window and hash, parameters. JSON values.

    Returns
    -------
    Path
        The release's folder.

    Raises
    ------
    ReleaseRefused
        If the id or a part's name is not allowed.
    Conflict
        If a release of this id exists.
    """
    _check_id(release_id)
    folder = releases_dir / release_id
    try:
        with new_folder(folder) as tmp:
            for name, part in parts.items():
                _write_part(tmp, name, part)
            _write_manifest(tmp, release_id, manifest_extra or {})
            check_folder(tmp, release_id)
    except FileExistsError:
        raise Conflict(f"There is a release {release_id} in {releases_dir} already; choose another id.") from None
    return folder


def install_release(source: Path, releases_dir: Path, release_id: str) -> Path:
    """Take in a release that was made elsewhere, once it has passed every check; it is there whole, or not at all.

    Parameters
    ----------
    source : Path
        Its files, on the file system of ``releases_dir``, where they are hard-linked.

    Raises
    ------
    ReleaseRefused
        If it does not pass its checks, or is another release than the one named.
    Conflict
        If a release of this id exists.
    """
    _check_id(release_id)
    found = check_folder(source, release_id)["id"]
    if found != release_id:
        raise ReleaseRefused(
            f"What came as release {release_id} is the release {found!r}; register it under its own id."
        )
    folder = releases_dir / release_id
    try:
        with new_folder(folder) as tmp:
            for child in sorted(source.iterdir()):
                _link(child, tmp / child.name)
    except FileExistsError:
        raise Conflict(f"There is a release {release_id} in {releases_dir} already; it was left as it is.") from None
    return folder


def load_release(folder: Path) -> Release:
    """Check a release and open it.

    Raises
    ------
    ReleaseRefused
        If the folder is no release, its format is unknown, a file is missing, damaged, foreign, of a kind that can
        run code, a link, or outside of the folder.
    UnknownRelease
        If there is no such folder.
    """
    if not folder.is_dir():
        raise UnknownRelease(
            f"There is no release {folder.name} in {folder.parent}; run `precedent train` to make one."
        )
    manifest = check_folder(folder, folder.name)
    return Release(id=manifest["id"], folder=folder, manifest=MappingProxyType(manifest))


def list_releases(releases_dir: Path) -> list[str]:
    """Ids of the releases in a folder, sorted; half-written ones are not among them."""
    if not releases_dir.is_dir():
        return []
    return sorted(path.parent.name for path in releases_dir.glob(f"*/{MANIFEST}") if _ID.fullmatch(path.parent.name))


def current_release_id(releases_dir: Path) -> str | None:
    """Id of the release that is served; None when none was promoted yet.

    Raises
    ------
    ReleaseRefused
        If the pointer does not hold an id.
    """
    try:
        release_id = (releases_dir / POINTER).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError):
        release_id = ""
    if not _ID.fullmatch(release_id):
        raise ReleaseRefused(
            f"The pointer {releases_dir / POINTER} does not hold the id of a release; run `precedent promote` again."
        )
    return release_id


def point_current(releases_dir: Path, release_id: str) -> None:
    """Serve this release from now on. A reader of the pointer sees the old id or the new one.

    Raises
    ------
    UnknownRelease
        If there is no release of this id.
    """
    if release_id not in list_releases(releases_dir):
        raise UnknownRelease(f"There is no release {release_id!r} in {releases_dir}; promote one that is there.")
    replace_file(releases_dir / POINTER, f"{release_id}\n".encode())


def _check_id(release_id: str) -> None:
    if not _ID.fullmatch(release_id):
        raise ReleaseRefused(
            f"{release_id!r} cannot name a release; use up to 100 letters, digits, dots, dashes and underscores."
        )


def _write_part(folder: Path, name: str, part: Part) -> None:
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise ReleaseRefused(f"{name!r} cannot name a part of a release; use a path inside of the release's folder.")
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(part, Path):
        _link(part, path)
    elif isinstance(part, bytes):
        write_synced(path, part)
    elif path.suffix == ".safetensors" and isinstance(part, Mapping):
        # safetensors writes an array's memory as it lies, so a transposed or strided one must be laid out first.
        write_synced(path, safetensors.numpy.save({name: np.ascontiguousarray(part[name]) for name in sorted(part)}))
    else:
        options = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS
        write_synced(path, orjson.dumps(part, option=options))


def _link(source: Path, path: Path) -> None:
    if source.is_dir():
        path.mkdir()
        for child in sorted(source.iterdir()):
            _link(child, path / child.name)
        return
    try:
        os.link(source.resolve(), path)
    except OSError:  # another file system, or one without hard links
        shutil.copyfile(source, path)


def _write_manifest(folder: Path, release_id: str, extra: Mapping[str, Any]) -> None:
    if taken := sorted(set(extra) & set(_RESERVED)):
        raise ReleaseRefused(f"The manifest of {release_id} keeps {', '.join(taken)} for itself; use other names.")
    files = {
        path.relative_to(folder).as_posix(): {"sha256": file_sha256(path), "bytes": path.stat().st_size}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    manifest: dict[str, Any] = {
        **extra,
        "format_version": FORMAT_VERSION,
        "id": release_id,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "made_by": f"precedent {own_version()}",
        "files": files,
    }
    # What the digest is taken of must be what a reader parses: numbers and dates in JSON's own forms.
    manifest = orjson.loads(orjson.dumps(manifest, option=orjson.OPT_SERIALIZE_NUMPY))
    manifest["digest"] = manifest_digest(manifest)
    write_synced(folder / MANIFEST, json.dumps(manifest, indent=2, sort_keys=True).encode())


def own_version() -> str:
    """Version of this program, for what it makes."""
    try:
        return importlib.metadata.version("precedent")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"
