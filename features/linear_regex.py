"""The one door to google-re2: patterns that take time linear in the text, whatever the text is.

Tickets come from strangers, so a pattern that backtracks is a way to stop the service. RE2 has no look-around and no
back-references; a condition on what stands beside a match is checked in Python, on the bytes.

Patterns run over UTF-8 bytes: RE2 works on bytes, and its wrapper counts characters again after every match when it is
given ``str``, which costs three times as much. :func:`encode` and :func:`decode` carry lone surrogates through, so that
no string raises.

References
----------
.. [1] R. Cox, "Regular Expression Matching in the Wild", 2010. https://swtch.com/~rsc/regexp/regexp3.html
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import re2

Span = tuple[int, int]
# Start, end, and what stands there afterwards.
Edit = tuple[int, int, bytes]

# RE2's default is 8 MiB a pattern. A set has no slower path to fall back to when its automaton outgrows that: it then
# reports no match, which masking cannot afford.
_SET_MEMORY = 64 << 20

# What the wrapper puts around each call of RE2 (a generator, a match object) takes three times as long as the call.
_ANYWHERE, _WHOLE = re2._Anchor.UNANCHORED, re2._Anchor.ANCHOR_BOTH
_NOWHERE = (-1, -1)


def encode(text: str) -> bytes:
    """UTF-8 with lone surrogates kept as their three bytes."""
    return text.encode("utf-8", "surrogatepass")


def decode(data: bytes) -> str:
    """Undo :func:`encode`."""
    return data.decode("utf-8", "surrogatepass")


def _options(*, ignore_case: bool) -> re2.Options:
    options = re2.Options()
    options.case_sensitive = not ignore_case
    # A pattern of ours that does not compile raises; RE2 need not print it as well.
    options.log_errors = False
    return options


class Pattern:
    r"""One RE2 pattern over bytes.

    Parameters
    ----------
    pattern : str
        RE2 syntax; ``^`` and ``$`` match at the text's ends unless the pattern begins with ``(?m)``.
    ignore_case : bool

    Examples
    --------
    >>> Pattern(r"\d+").spans(b"a1 b22")
    [(1, 2), (4, 6)]
    """

    def __init__(self, pattern: str, *, ignore_case: bool = False) -> None:
        self._regex = re2.compile(encode(pattern), _options(ignore_case=ignore_case))
        self._match = self._regex._regexp.Match

    def occurs(self, data: bytes) -> bool:
        """Whether the pattern matches anywhere."""
        return bool(self._match(_ANYWHERE, data, 0, len(data))[0] != _NOWHERE)

    def fits(self, data: bytes) -> bool:
        """Whether the pattern matches the whole of ``data``."""
        return bool(self._match(_WHOLE, data, 0, len(data))[0] != _NOWHERE)

    def spans(self, data: bytes) -> list[Span]:
        """Byte spans of all matches, leftmost first, none overlapping."""
        return [spans[0] for spans in self.matches(data)]

    def matches(self, data: bytes) -> Iterator[list[Span]]:
        """For each match the byte spans of the whole and of every group; ``(-1, -1)`` for a group that took no part."""
        start, end = 0, len(data)
        while start <= end and (spans := self._match(_ANYWHERE, data, start, end))[0] != _NOWHERE:
            yield spans
            # Past an empty match, so as to come to an end.
            start = spans[0][1] + (spans[0][1] == start)

    def groups(self, data: bytes) -> tuple[bytes | None, ...] | None:
        """The groups of a match of the whole of ``data``; None where there is none."""
        whole, *groups = self._match(_WHOLE, data, 0, len(data))
        return None if whole == _NOWHERE else tuple(data[s:e] if s >= 0 else None for s, e in groups)

    def sub(self, replace: Callable[[bytes], bytes], data: bytes) -> bytes:
        """``data`` with each match put through ``replace``."""
        spans = self.spans(data)
        return splice(data, ((start, end, replace(data[start:end])) for start, end in spans)) if spans else data


class PatternSet:
    """Several patterns answered in one pass over the text.

    Parameters
    ----------
    patterns : iterable of str
        RE2 syntax; each may begin with ``(?i)``.
    whole : bool
        Whether a pattern must match the whole text, or may match anywhere in it.

    Examples
    --------
    >>> PatternSet(["@", "[0-9]", "x"]).which(b"a@b1")
    (0, 1)
    """

    def __init__(self, patterns: Iterable[str], *, whole: bool = False) -> None:
        options = _options(ignore_case=False)
        options.max_mem = _SET_MEMORY
        self._set = re2.Set.FullMatchSet(options) if whole else re2.Set.SearchSet(options)
        for pattern in patterns:
            self._set.Add(encode(pattern))
        self._set.Compile()
        self._match = self._set._set.Match

    def which(self, data: bytes) -> tuple[int, ...]:
        """Positions, ascending, of the patterns that match."""
        return tuple(sorted(self._match(data)))


def splice(data: bytes, edits: Iterable[Edit]) -> bytes:
    """Replace spans of ``data``.

    Parameters
    ----------
    data : bytes
    edits : iterable of (start, end, replacement)
        Ascending; one that begins before the previous one's end is left out.
    """
    pieces: list[bytes] = []
    done = 0
    for start, end, replacement in edits:
        if start < done:
            continue
        pieces += (data[done:start], replacement)
        done = end
    if not pieces:
        return data
    pieces.append(data[done:])
    return b"".join(pieces)
