"""JSON text whose strings are of bounded length, so that a parser that streams stays small."""

from __future__ import annotations

import re
from typing import Any

_MARK = "\ufdd0cut\ufdd0"  # noncharacters: no export holds them
# Whole escapes only: one that the end of a block cuts in two waits for the next block.
_STRING = re.compile(r'[^"\\]*(?:\\(?:[^u]|u[0-9a-fA-F]{4})[^"\\]*)*', re.DOTALL)
_ESCAPE_CHARS = 6


class BoundedStrings:
    """Cuts strings of JSON text that come in blocks.

    Parameters
    ----------
    max_chars : int
        A string is cut within a block after this length, and marked.

    Attributes
    ----------
    n_cut : int
        Strings cut so far.
    """

    def __init__(self, max_chars: int) -> None:
        self.n_cut = 0
        self._max_chars = max_chars
        self._rest = ""
        self._is_in_string = False
        self._size = 0

    def bounded(self, block: str) -> str:
        """Pass on the next block, without what exceeds the bound."""
        block = self._rest + block
        self._rest = ""
        out: list[str] = []
        at = 0
        while at < len(block):
            end = self._end(block, at)
            out.append(self._kept(block[at:end]) if self._is_in_string else block[at:end])
            if block[end : end + 1] == '"':
                out.append('"')
                self._is_in_string = not self._is_in_string
                self._size = 0
            elif len(block) - end < _ESCAPE_CHARS:
                self._rest = block[end:]
                break
            else:
                out.append(block[end])  # an escape that JSON does not have; the parser will say so
            at = end + 1
        return "".join(out)

    def _end(self, block: str, at: int) -> int:
        """Where the string or the text outside of strings ends: at a quote, an odd escape or the block's end."""
        if self._is_in_string:
            return _STRING.match(block, at).end()  # type: ignore[union-attr]  # it matches the empty string too
        quote = block.find('"', at)
        return quote if quote >= 0 else len(block)

    def _kept(self, text: str) -> str:
        was_cut = self._size > self._max_chars
        self._size += len(text)
        if was_cut:
            return ""
        if self._size > self._max_chars:
            self.n_cut += 1
            return _MARK
        return text


def holds_cut_string(value: Any) -> bool:
    """Whether a parsed value has a string that was cut, at any depth."""
    pending = [value]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending.extend(value.values())
        elif isinstance(value, list):
            pending.extend(value)
        elif isinstance(value, str) and value.endswith(_MARK):
            return True
    return False
