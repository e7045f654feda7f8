"""Cutting a CSV file into records, each of bounded size.

The csv module reads a quoted field to its end whatever its size, and after an error goes on in the midst of it. So
records are cut out first, by the rules of that module's default dialect, and parsed one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple

from features.sources.open_text import MAX_ROW_CHARS

_QUOTED = re.compile(r'[^"]*(?:""[^"]*)*')


class Record(NamedTuple):
    """A record's text and the line where it begins.

    ``text`` is None where it exceeds the bound; ``is_open`` says that the file ended within quotes.
    """

    line: int
    text: str | None
    is_open: bool = False


class _At(Enum):
    FIELD_START = auto()
    FIELD = auto()
    QUOTED = auto()
    QUOTE_IN_QUOTED = auto()


def cut_records(pieces: Iterator[str], delimiter: str, max_chars: int = MAX_ROW_CHARS) -> Iterator[Record]:
    """Cut text into records.

    Parameters
    ----------
    pieces : iterator of str
        The text, cut at least after each ``\\n`` (:meth:`features.sources.open_text.TextFile.pieces`).
    delimiter : str
        One character.
    max_chars : int
        Longer records are passed over, and told by their line.

    Yields
    ------
    Record
        Blank lines between records are left out.
    """
    scanner = _Scanner(delimiter)
    parts: list[str] = []
    size = 0
    line = first_line = 1
    for piece in pieces:
        size += len(piece)
        if size > max_chars:
            parts.clear()
        else:
            parts.append(piece)
        is_line_end = piece.endswith("\n")
        line += is_line_end
        if scanner.scan(piece) and is_line_end:
            text = None if size > max_chars else "".join(parts)
            if text is None or text.strip("\n"):
                yield Record(first_line, text)
            parts.clear()
            size, first_line = 0, line
            scanner.restart()
    if size:
        yield Record(first_line, None if size > max_chars else "".join(parts), is_open=not scanner.scan(""))


class _Scanner:
    """Follows quotes from piece to piece; looks only at the characters that matter."""

    def __init__(self, delimiter: str) -> None:
        self._delimiter = delimiter
        self._field_opening = f'{delimiter}"'
        self._at = _At.FIELD_START

    def restart(self) -> None:
        """A new record begins."""
        self._at = _At.FIELD_START

    def scan(self, piece: str) -> bool:
        """Read on; answers whether the record may end here, which is outside of quotes."""
        at = 0
        while at < len(piece):
            if self._at is _At.FIELD_START:
                at = self._start_field(piece, at)
            elif self._at is _At.FIELD:
                at = self._skip_plain(piece, at)
            elif self._at is _At.QUOTED:
                at = self._skip_quoted(piece, at)
            else:
                at = self._after_quote(piece, at)
        return self._at is not _At.QUOTED

    def _start_field(self, piece: str, at: int) -> int:
        if piece[at] == '"':
            self._at = _At.QUOTED
            return at + 1
        self._at = _At.FIELD
        return at

    def _skip_plain(self, piece: str, at: int) -> int:
        opening = piece.find(self._field_opening, at)
        if opening >= 0:
            self._at = _At.QUOTED
            return opening + 2
        self._at = _At.FIELD_START if piece.endswith(self._delimiter) else _At.FIELD
        return len(piece)

    def _skip_quoted(self, piece: str, at: int) -> int:
        end = _QUOTED.match(piece, at).end()  # type: ignore[union-attr]  # it matches the empty string too
        if end < len(piece):
            self._at = _At.QUOTE_IN_QUOTED
        return end + 1

    def _after_quote(self, piece: str, at: int) -> int:
        if piece[at] == '"':
            self._at = _At.QUOTED
        elif piece[at] == self._delimiter:
            self._at = _At.FIELD_START
        else:
            self._at = _At.FIELD
            return at
        return at + 1
