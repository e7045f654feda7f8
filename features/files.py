"""Files that are whole or absent: hashes, synced writes, folders that appear in one step."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

TMP_PREFIX = ".tmp-"


def file_sha256(path: Path) -> str:
    """Hash a file's bytes.

    Returns
    -------
    str
        SHA-256 as 64 lower-case hex digits.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and wait until the disk has it. The folder's entry is the caller's to sync."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def replace_file(path: Path, data: bytes) -> None:
    """Replace a file in one step: a reader sees the old bytes or the new ones, also after a power cut."""
    descriptor, name = tempfile.mkstemp(prefix=TMP_PREFIX, dir=path.parent)
    os.close(descriptor)
    try:
        write_synced(Path(name), data)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Wait until the disk has a folder's entries (names, not contents)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def link_file(source: Path, target: Path) -> str:
    """Hard-link a file, or copy it where the file system has no links; returns the file's name."""
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:
        shutil.copyfile(source, target)
    return target.name


@contextlib.contextmanager
def new_folder(path: Path, *, within: Path | None = None) -> Iterator[Path]:
    """Fill a folder under a temporary name; it takes its own name when the block ends without an error.

    Every file is synced before the rename. A process killed in the block leaves only a folder whose name begins with
    ``.tmp-``, which the next call for the same path removes.

    Parameters
    ----------
    within : Path, optional
        Folder of the same file system for the temporary one; beside ``path`` where it is not given.

    Raises
    ------
    FileExistsError
        If ``path`` exists when the block ends: a published folder is never replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(path.parent, path.name)
    with scratch_folder(within or path.parent, path.name) as tmp:
        yield tmp
        for file in sorted(tmp.rglob("*")):
            _sync_entry(file)
        sync_folder(tmp)
        # rename() puts a folder over an empty one without a word.
        if path.exists():
            raise FileExistsError(f"{path} exists already.")
        tmp.rename(path)
    sync_folder(path.parent)


@contextlib.contextmanager
def scratch_folder(parent: Path, label: str) -> Iterator[Path]:
    """A folder that is gone when the block ends; one that a killed process left goes at the next call."""
    _remove_leftovers(parent, label)
    tmp = parent / f"{TMP_PREFIX}{label}.{os.getpid()}"
    tmp.mkdir()
    try:
        yield tmp
    finally:
        shutil.rmtree(tmp, ignore_errors=True)


def _sync_entry(path: Path) -> None:
    if path.is_dir():
        sync_folder(path)
        return
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _remove_leftovers(parent: Path, label: str) -> None:
    for leftover in parent.glob(f"{TMP_PREFIX}{label}.*"):
        if not _is_running(leftover.name.rpartition(".")[2]):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_running(pid: str) -> bool:
    if not pid.isdigit() or int(pid) == os.getpid():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
