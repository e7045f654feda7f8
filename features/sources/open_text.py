"""Any text file as clean text, in constant memory: gz or plain, UTF-8 or UTF-16, with and without a byte order mark."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from features.errors import SourceUnreadable

# The largest row that is read. A ticket may hold several texts of a million characters (features.intake); one field
# of 50 MB must cost neither the memory nor the rows after it.
MAX_ROW_CHARS = 8_000_000
_BLOCK_BYTES = 65_536
_REPLACEMENT = "\ufffd"
_SURROGATE = re.compile("[\ud800-\udfff]")
_GZIP, _ZIP = b"\x1f\x8b", b"PK\x03\x04"


class Line(NamedTuple):
    """A line without its end, and its number counted from 1; ``text`` is None where it exceeds the bound."""

    number: int
    text: str | None


class TextFile:
    """A text file, decoded.

    Line ends become ``\\n``. A byte that is not of the encoding (UTF-8, or UTF-16 where a byte order mark says so)
    becomes U+FFFD and is counted: the row is kept, since one bad byte does not spoil a ticket.

    Attributes
    ----------
    n_faults : int
        Bytes (UTF-16: code units) replaced so far.
    first_fault_line : int or None
        Line of the first of them, within a block of 64 KiB.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.n_faults = 0
        self.first_fault_line: int | None = None
        self._line = 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the file, after reading."""
        if not self.n_faults:
            return ()
        return (
            f"{self.path.name}: {self.n_faults} bytes are not valid text (the first near line {self.first_fault_line}) "
            "and became U+FFFD; export the file as UTF-8 to keep them.",
        )

    def blocks(self) -> Iterator[str]:
        """Read the file from its start, in blocks that are never empty.

        Raises
        ------
        SourceUnreadable
            If the file cannot be opened, is empty or an archive, or if its compressed data break off.
        """
        is_blank = True
        for block in self._decoded():
            is_blank = is_blank and (not block or block.isspace())
            clean = self._without_faults(block)
            self._line += clean.count("\n")
            if clean:
                yield clean
        if is_blank:
            raise SourceUnreadable(f"The file {self.path} is empty; export it again.")

    def lines(self, max_chars: int = MAX_ROW_CHARS) -> Iterator[Line]:
        """Read the file line by line; of a line above ``max_chars`` only the number is given."""
        parts: list[str] = []
        size, number = 0, 1
        for piece in self.pieces():
            size += len(piece)
            if size > max_chars:
                parts.clear()
            else:
                parts.append(piece)
            if piece.endswith("\n"):
                yield Line(number, None if size > max_chars else "".join(parts)[:-1])
                parts.clear()
                size, number = 0, number + 1
        if size:
            yield Line(number, None if size > max_chars else "".join(parts))

    def pieces(self) -> Iterator[str]:
        """Read the file in pieces of at most a block, cut after each line's end."""
        for block in self.blocks():
            start = 0
            while (end := block.find("\n", start)) >= 0:
                yield block[start : end + 1]
                start = end + 1
            if start < len(block):
                yield block[start:]

    def _decoded(self) -> Iterator[str]:
        try:
            with self._open() as file:
                head = file.read(_BLOCK_BYTES)
                decoder, bom = _decoder_for(head)
                yield decoder.decode(head[len(bom) :])
                while data := file.read(_BLOCK_BYTES):
                    yield decoder.decode(data)
                yield _rest(decoder)
        except (EOFError, gzip.BadGzipFile, zlib.error):
            raise SourceUnreadable(
                f"The compressed file {self.path} breaks off or is damaged after line {self._line - 1}; copy or export "
                "it again and import once more: what was stored stays."
            ) from None
        except OSError as error:
            raise SourceUnreadable(
                f"The file {self.path} cannot be read ({error.strerror or error}); check the path and its permissions."
            ) from None

    def _open(self) -> IO[bytes]:
        with self.path.open("rb") as file:
            magic = file.read(4)
        if magic == _ZIP:
            raise SourceUnreadable(
                f"The file {self.path} is a zip archive or an Excel workbook; unpack it, or save it as CSV (UTF-8)."
            )
        # By content: browsers unpack downloads and leave the name as it was.
        if magic.startswith(_GZIP):
            return cast(IO[bytes], gzip.GzipFile(self.path))
        return self.path.open("rb")

    def _without_faults(self, block: str) -> str:
        if block.isascii():
            return block
        clean, n_faults = _SURROGATE.subn(_REPLACEMENT, block)
        if n_faults and not self.n_faults:
            first = clean.find(_REPLACEMENT)
            self.first_fault_line = self._line + clean.count("\n", 0, first)
        self.n_faults += n_faults
        return clean


class Utf8Reader:
    """Blocks of text as the file of UTF-8 bytes that ijson asks for."""

    def __init__(self, blocks: Iterator[str]) -> None:
        self._blocks = blocks
        self._buffer = b""

    def read(self, size: int = -1) -> bytes:
        """At most ``size`` bytes (a negative size: some bytes); none at the end."""
        while not self._buffer and (block := next(self._blocks, None)) is not None:
            self._buffer = block.encode()
        size = len(self._buffer) if size < 0 else size
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data


def _decoder_for(head: bytes) -> tuple[io.IncrementalNewlineDecoder, bytes]:
    """A decoder that turns each fault into a lone surrogate, so that faults can be counted, and the mark to skip."""
    for bom, encoding in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(bom):
            return _with_newlines(encoding, "surrogatepass"), bom
    bom = codecs.BOM_UTF8 if head.startswith(codecs.BOM_UTF8) else b""
    return _with_newlines("utf-8", "surrogateescape"), bom


def _with_newlines(encoding: str, errors: str) -> io.IncrementalNewlineDecoder:
    return io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(encoding)(errors), translate=True)


def _rest(decoder: io.IncrementalNewlineDecoder) -> str:
    try:
        return decoder.decode(b"", final=True)
    except UnicodeDecodeError:  # half a code unit at the end of UTF-16
        return "\udcff"
