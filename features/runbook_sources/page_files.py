"""The files of a library, in a folder or a zip archive, within bounds that hold for whatever a stranger packed.

Nothing is unpacked to disk, so a path cannot lead out of an archive; a link that leads out of a folder is refused.
"""

from __future__ import annotations

import lzma
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal, Protocol

from features.errors import SourceUnreadable
from features.intake_checks import cleaned
from features.runbook_sources.budget import Budget

MAX_FILES = 100_000
MAX_DEPTH = 64

_ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
    RuntimeError,
    struct.error,
)


class PageFiles(Protocol):
    """Files by name; a name is a path with slashes, relative to the library."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every usable file, sorted; hidden files are passed over."""
        ...

    @property
    def refused(self) -> tuple[tuple[str, str], ...]:
        """Files that are not touched, as (name, reason); the name of a folder ends in a slash."""
        ...

    @property
    def budget(self) -> Budget:
        """What is left to read of them."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading.

        Raises
        ------
        ValueError
            If it cannot be read.
        """
        ...


def read_bounded(files: PageFiles, name: str, limit: int) -> bytes:
    """Read a whole file.

    Raises
    ------
    ValueError
        If it has more bytes than ``limit``, or cannot be read.
    SourceUnreadable
        If the library's budget is spent.
    """
    with files.open(name) as file:
        data = read_some(file, limit + 1)
    files.budget.take_page(len(data))
    if len(data) > limit:
        raise ValueError(f"it has more than {limit} bytes")
    return data


def read_text(files: PageFiles, name: str, limit: int) -> str:
    """Read a whole file of UTF-8.

    Raises
    ------
    ValueError
        As for :func:`read_bounded`; or if it is no UTF-8.
    """
    data = read_bounded(files, name, limit)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 (byte {error.start})") from None


def read_some(file: IO[bytes], size: int) -> bytes:
    """At most ``size`` bytes of a file; whatever is wrong with it or an archive's entry is a ValueError."""
    try:
        return file.read(size)
    except _ZIP_FAULTS as error:
        raise ValueError(f"it cannot be unpacked ({error})") from None
    except OSError as error:
        raise ValueError(f"it cannot be read ({error.strerror})") from None


@contextmanager
def open_files(path: Path) -> Iterator[PageFiles]:
    """The files of a folder or of a zip archive.

    Raises
    ------
    SourceUnreadable
        If there is neither at the path, or there are more than ``MAX_FILES`` files.
    """
    if path.is_dir():
        yield _checked(FolderFiles(path), path)
        return
    if not path.is_file():
        raise SourceUnreadable(
            f"There is nothing at {path}; give the folder or the zip archive that holds the runbooks."
        )
    with ExitStack() as stack:
        yield _checked(ZipFiles(path, stack), path)


def _checked(files: PageFiles, path: Path) -> PageFiles:
    if len(files.names) > MAX_FILES:
        raise SourceUnreadable(f"{path} holds more than {MAX_FILES} files; give the folder that holds the runbooks.")
    return files


class FolderFiles:
    """The files below a folder. Folders that are links are not entered."""

    def __init__(self, folder: Path) -> None:
        self.budget = Budget()
        self._folder = folder
        root = folder.resolve()
        names: list[str] = []
        refused: list[tuple[str, str]] = []
        waiting = [(folder, 1)]
        while waiting and len(names) <= MAX_FILES:
            parent, depth = waiting.pop()
            try:
                children = [(path, _what_is(path, root)) for path in parent.iterdir() if path.name[0] != "."]
            except OSError as error:
                refused.append((f"{parent.relative_to(folder).as_posix()}/", f"it cannot be read ({error.strerror})"))
                continue
            for path, what in children:
                name = path.relative_to(folder).as_posix()
                if what == "link out":
                    refused.append((name, "it is a link that leads out of the folder"))
                elif what == "file":
                    names.append(name)
                elif what == "folder" and depth < MAX_DEPTH:
                    waiting.append((path, depth + 1))
                elif what == "folder":
                    refused.append((f"{name}/", f"it is more than {MAX_DEPTH} folders deep"))
        self.names = tuple(sorted(names, key=lambda name: PurePosixPath(name).parts))
        self.refused = tuple(sorted(refused))

    def open(self, name: str) -> IO[bytes]:
        """Open a file; see :meth:`PageFiles.open`."""
        try:
            return (self._folder / name).open("rb")
        except OSError as error:
            raise ValueError(f"it cannot be read ({error.strerror})") from None


class ZipFiles:
    """The files of a zip archive, without the one folder that holds them all; and of the archives inside it,
    where it holds nothing else.
    """

    def __init__(self, path: Path, stack: ExitStack) -> None:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
        except (*_ZIP_FAULTS, OSError, ValueError) as error:
            raise SourceUnreadable(
                f"{path} is no zip archive that can be read ({error}); give a folder or a zip archive."
            ) from None
        self.budget = Budget()
        self._entries: dict[str, tuple[zipfile.ZipFile, zipfile.ZipInfo]] = {}
        refused: list[tuple[str, str]] = []
        self._add(archive, refused)
        inner = [name for name in self._entries if name.lower().endswith(".zip")]
        if inner and len(inner) == len(self._entries):
            for name in inner:
                part, info = self._entries.pop(name)
                self.budget.take_archive(info.file_size)
                try:
                    self._add(_inner_archive(part, info, stack), refused)
                except (*_ZIP_FAULTS, OSError, ValueError) as error:
                    # A part that is missing would remove its pages.
                    raise SourceUnreadable(f"{path} holds {name!r}, which cannot be unpacked ({error}).") from None
        self._strip_common_folder()
        self.names = tuple(sorted(self._entries, key=lambda name: PurePosixPath(name).parts))
        self.refused = tuple(sorted(refused))

    def open(self, name: str) -> IO[bytes]:
        """Open an entry; see :meth:`PageFiles.open`."""
        archive, info = self._entries[name]
        try:
            return archive.open(info)
        except (*_ZIP_FAULTS, OSError, ValueError) as error:
            raise ValueError(f"it cannot be unpacked ({error})") from None

    def _add(self, archive: zipfile.ZipFile, refused: list[tuple[str, str]]) -> None:
        for info in archive.infolist():
            name = info.filename.replace("\\", "/")
            parts = PurePosixPath(name).parts
            if name.endswith("/") or not parts or "__MACOSX" in parts:
                continue
            if name.startswith("/") or ".." in parts or (len(parts[0]) == 2 and parts[0].endswith(":")):
                refused.append((cleaned(name), "its path leads out of the archive"))
            elif any(part.startswith(".") for part in parts):
                continue
            elif len(parts) > MAX_DEPTH:
                refused.append((cleaned(name), f"it is more than {MAX_DEPTH} folders deep"))
            elif stat.S_ISLNK(info.external_attr >> 16):
                refused.append((cleaned(name), "it is a link"))
            else:
                self._entries["/".join(parts)] = (archive, info)

    def _strip_common_folder(self) -> None:
        tops = {PurePosixPath(name).parts[0] for name in self._entries}
        if len(tops) == 1 and not tops & self._entries.keys():
            self._entries = {name.partition("/")[2]: entry for name, entry in self._entries.items()}


def _what_is(path: Path, root: Path) -> Literal["file", "folder", "link out", "other"]:
    """What a path is; links to files are files, links to folders are not folders."""
    is_link = path.is_symlink()
    if is_link and not _is_inside(path, root):
        return "link out"
    if path.is_file():
        return "file"
    return "folder" if path.is_dir() and not is_link else "other"


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root)
    except (OSError, RuntimeError):  # a loop of links, or a link to nothing
        return False


def _inner_archive(archive: zipfile.ZipFile, info: zipfile.ZipInfo, stack: ExitStack) -> zipfile.ZipFile:
    copy = stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115
    with archive.open(info) as file:
        # zipfile stops at the size that the entry declares.
        shutil.copyfileobj(file, copy)
    return stack.enter_context(zipfile.ZipFile(copy))
