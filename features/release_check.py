"""The checks that a release's folder passes before anything in it is used (the idea is skops' allow-list)."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import ReleaseRefused
from features.files import file_sha256

FORMAT_VERSION = 4
MANIFEST = "manifest.json"
ALLOWED_SUFFIXES = frozenset({".json", ".safetensors", ".onnx", ".parquet", ".skops"})
_WAY_OUT = "promote another release, restore this one from a backup, or train again"


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int


class _Manifest(BaseModel):
    """What every manifest must have; what else it says is the trainer's."""

    model_config = ConfigDict(extra="allow", strict=True)

    id: str
    files: dict[str, _File]
    digest: str


def check_folder(folder: Path, name: str) -> dict[str, Any]:
    """Check a release's folder, whole; returns its manifest.

    Parameters
    ----------
    folder : Path
        The release.
    name : str
        What messages call it.

    Raises
    ------
    ReleaseRefused
        At the first thing that is wrong, with a way out.
    """
    manifest = _read_manifest(folder, name)
    listed: dict[str, dict[str, Any]] = manifest["files"]
    found = set(_plain_files(folder, name)) - {MANIFEST}
    for file_name in sorted(listed):
        path = PurePosixPath(file_name)
        if path.is_absolute() or ".." in path.parts:
            raise ReleaseRefused(f"Release {name} lists {file_name!r}, a path outside of its folder; {_WAY_OUT}.")
        if file_name not in found:
            raise ReleaseRefused(f"Release {name} lacks its file {file_name}; {_WAY_OUT}.")
    if foreign := sorted(found - set(listed)):
        raise ReleaseRefused(
            f"Release {name} holds {foreign[0]}, which its manifest does not list; remove the file if you put it "
            f"there, else {_WAY_OUT}."
        )
    for file_name, entry in sorted(listed.items()):
        if file_sha256(folder / file_name) != entry["sha256"]:
            raise ReleaseRefused(
                f"Release {name} is damaged: {file_name} does not match its SHA-256 in the manifest; {_WAY_OUT}."
            )
    return manifest


def manifest_digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 over a manifest without its own ``digest``, as 64 hex digits: a flipped byte in it shows too."""
    rest = {key: value for key, value in manifest.items() if key != "digest"}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _read_manifest(folder: Path, name: str) -> dict[str, Any]:
    path = folder / MANIFEST
    if path.is_symlink() or not path.is_file():
        raise ReleaseRefused(f"Release {name} has no {MANIFEST}, so it cannot be checked; {_WAY_OUT}.")
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
        version = manifest["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ReleaseRefused(f"The {MANIFEST} of release {name} cannot be read; {_WAY_OUT}.") from None
    if version != FORMAT_VERSION:
        raise ReleaseRefused(
            f"Release {name} has format version {version!r} and this version of Precedent reads {FORMAT_VERSION}; "
            f"load it with the version that wrote it ({manifest.get('made_by', 'not stated')}), or train again."
        )
    if manifest.get("digest") != manifest_digest(manifest):
        raise ReleaseRefused(f"The {MANIFEST} of release {name} was altered: its digest does not match; {_WAY_OUT}.")
    try:
        _Manifest.model_validate(manifest)
    except ValidationError as error:
        field = ".".join(map(str, error.errors()[0]["loc"]))
        raise ReleaseRefused(f"The {MANIFEST} of release {name} is wrong at {field!r}; {_WAY_OUT}.") from None
    return manifest


def _plain_files(folder: Path, name: str) -> Iterator[str]:
    """Relative names of all files, after a look at what kind each is; nothing is opened."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent) / entry for entry in sorted(folders + files)):
            relative = path.relative_to(folder).as_posix()
            if path.is_symlink() or not (path.is_dir() or path.is_file()):
                raise ReleaseRefused(
                    f"Release {name} holds {relative}, which is a link or no plain file; replace it by the file "
                    f"itself, or {_WAY_OUT}."
                )
            if path.is_dir():
                continue
            if path.suffix not in ALLOWED_SUFFIXES:
                raise ReleaseRefused(
                    f"Release {name} holds {relative}, a kind of file that a release never has (a pickle runs code "
                    f"when it is loaded; allowed are {', '.join(sorted(ALLOWED_SUFFIXES))}); remove it if you put it "
                    f"there, else {_WAY_OUT}."
                )
            yield relative
