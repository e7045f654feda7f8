"""Snapshots of an index: immutable folders that appear whole, are checked when read, and replace one another.

A snapshot is ``snapshot-<number>-<watermark>-<random>`` with ``manifest.json``, which names what the index was made
with and the SHA-256 of every other file. It is filled under a temporary name, synced and renamed, so a process killed
at any moment leaves either a whole snapshot or none.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import IndexDamaged
from features.files import file_sha256, new_folder

FORMAT_VERSION: Final = 3
MANIFEST = "manifest.json"
_PREFIX = "snapshot-"
_WORK_PREFIX = "work-"
_LOCK = "LOCK"

logger = logging.getLogger(__name__)


class MadeWith(BaseModel):
    """What the contents of an index depend on; an index of anything else is of no use."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    encoder: str
    dimension: int
    text_rules: str
    analyzer: str


class SnapshotManifest(BaseModel):
    """``manifest.json``.

    Attributes
    ----------
    watermark : int
        Highest change number of the history that is in the snapshot.
    files : dict
        SHA-256 in hex by path inside the snapshot.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: int
    created_at: datetime
    watermark: int = Field(ge=0)
    n_cases: int = Field(ge=0)
    made_with: MadeWith
    files: dict[str, str] = {}


def write_snapshot(
    folder: Path, *, watermark: int, n_cases: int, made_with: MadeWith, fill: Callable[[Path], None]
) -> Path:
    """Write a snapshot, then remove the older ones.

    Parameters
    ----------
    folder : Path
        Where the snapshots are.
    fill : callable
        Puts the index's files into the empty folder that it is given.
    """
    number = max((_order(path)[0] for path in snapshots(folder)), default=0) + 1
    # The random part keeps two writers apart, such as a service and `precedent index compact`.
    path = folder / f"{_PREFIX}{number:06d}-{watermark}-{secrets.token_hex(4)}"
    with contextlib.closing(WorkFolder(folder)) as work, new_folder(path, within=work.path) as tmp:
        fill(tmp)
        files = {file.relative_to(tmp).as_posix(): file_sha256(file) for file in _files(tmp)}
        manifest = SnapshotManifest(
            format=FORMAT_VERSION,
            created_at=datetime.now(UTC),
            watermark=watermark,
            n_cases=n_cases,
            made_with=made_with,
            files=files,
        )
        (tmp / MANIFEST).write_text(manifest.model_dump_json(indent=1), encoding="utf-8")
    _remove(folder, [older for older in snapshots(folder) if _order(older) < _order(path)])
    return path


def snapshots(folder: Path) -> list[Path]:
    """Snapshots of a folder, the latest written first."""
    found = [path for path in folder.glob(f"{_PREFIX}*") if path.is_dir()]
    return sorted(found, key=_order, reverse=True)


def snapshot_bytes(path: Path) -> int:
    """Size of a snapshot on disk."""
    return sum(file.stat().st_size for file in _files(path))


def snapshot_watermark(path: Path) -> int | None:
    """What a snapshot says that it holds, unchecked; None where it cannot be read."""
    try:
        return SnapshotManifest.model_validate_json((path / MANIFEST).read_bytes()).watermark
    except (OSError, ValidationError):
        return None


def remove_other_snapshots(indexes: Path, kept: Path | None) -> None:
    """Remove the snapshots of every index in a folder but one, since they still hold what was erased.

    Nothing is lost: an index without a snapshot is built from the history when it is next needed.

    Parameters
    ----------
    indexes : Path
        Folder of the indexes' folders.
    kept : Path or None
        Folder of the index that is kept up to date; None where there is none.
    """
    for folder in indexes.iterdir() if indexes.is_dir() else ():
        if folder != kept and (found := snapshots(folder)):
            _remove(folder, found)


def remove_damaged_snapshots(indexes: Path) -> None:
    """Remove the snapshots of any index in a folder that do not pass their checks; nothing is lost by it."""
    for folder in indexes.iterdir() if indexes.is_dir() else ():
        if damaged := [path for path in snapshots(folder) if damage(path) is not None]:
            _remove(folder, damaged)


def damage(path: Path) -> str | None:
    """What is wrong with a snapshot, in a sentence; None where it passes its checks."""
    try:
        check_snapshot(path)
    except IndexDamaged as error:
        return error.message
    return None


def _remove(folder: Path, paths: Sequence[Path]) -> None:
    """Remove snapshots of a folder, each of them whole as long as it has its name."""
    with contextlib.closing(WorkFolder(folder)) as work:
        for path in paths:
            # Gone already where another process replaced it as well.
            with contextlib.suppress(OSError):
                path.rename(work.path / path.name)


def check_snapshot(path: Path) -> SnapshotManifest:
    """Read a snapshot's manifest and hold every file against it.

    Raises
    ------
    IndexDamaged
        If the manifest cannot be read or is of another format, or a file is missing, foreign or changed.
    """
    try:
        manifest = SnapshotManifest.model_validate_json((path / MANIFEST).read_bytes())
    except (OSError, ValidationError) as error:
        raise IndexDamaged(f"The manifest of {path} cannot be read ({error}); rebuild the index.") from None
    if manifest.format != FORMAT_VERSION:
        raise IndexDamaged(
            f"The snapshot {path} has format {manifest.format}, and this version reads {FORMAT_VERSION}; rebuild the "
            "index."
        )
    if manifest.watermark != _order(path)[1]:
        raise IndexDamaged(
            f"The manifest of {path} says that it holds change {manifest.watermark}, and its name says another; "
            "rebuild the index."
        )
    there = {file.relative_to(path).as_posix() for file in _files(path)} - {MANIFEST}
    if there != set(manifest.files):
        name = sorted(there ^ set(manifest.files))[0]
        raise IndexDamaged(f"The file {name} of {path} is missing or foreign; rebuild the index.")
    for name, expected in manifest.files.items():
        try:
            found = file_sha256(path / name)
        except OSError as error:
            raise IndexDamaged(f"The file {name} of {path} cannot be read ({error}); rebuild the index.") from None
        if found != expected:
            raise IndexDamaged(f"The file {name} of {path} has SHA-256 {found}, not {expected}; rebuild the index.")
    return manifest


class WorkFolder:
    """A private folder, for an index that is open or a snapshot that comes or goes; removed when it is closed.

    A lock on a file in it lives as long as the process: what a killed process left is known by its lock being free, and
    removed by the next one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(folder)
        self.path = Path(tempfile.mkdtemp(prefix=_WORK_PREFIX, dir=folder))
        # Locked before it has its name: under that name, no other process ever finds it free.
        self._lock, unnamed = tempfile.mkstemp(dir=self.path)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        Path(unnamed).rename(self.path / _LOCK)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def _remove_abandoned(folder: Path) -> None:
    for path in folder.glob(f"{_WORK_PREFIX}*"):
        with contextlib.suppress(OSError), _held(path / _LOCK):
            shutil.rmtree(path, ignore_errors=True)
            logger.info("removed %s, which a process that is gone left", path.name)


@contextlib.contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold a free lock. OSError where it is taken, or not made yet."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())


def _order(path: Path) -> tuple[int, int]:
    """Number and watermark in a snapshot's name; zeros for a name that is none."""
    parts = path.name.removeprefix(_PREFIX).split("-")
    return (int(parts[0]), int(parts[1])) if len(parts) == 3 and all(map(str.isdigit, parts[:2])) else (0, 0)
