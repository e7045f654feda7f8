"""What a person wrote in a mail, without the mails quoted below it and without signatures.

Quoted mail is dropped only where it repeats a conversation: in a forwarded mail the problem is usually told by the one
who wrote first, so there it stays, without its headers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from features.linear_regex import decode, encode
from features.mail_markers import (
    REPLY_PREFIXES,
    Mark,
    has_marks,
    is_contact,
    is_forwarded_header,
    is_forwarded_subject,
    marks,
    points_below,
)

# Below this many letters of one's own, what is quoted is what the ticket is about ("Any news on this?").
_MIN_OWN_LETTERS = 200
_MAX_SIGNATURE_LINES = 8
_MAX_SIGNATURE_LINE = 70
_NO_SIGNATURE = ("PS", "P.S", "at ")
_BOUNDARIES = (Mark.FORWARD, Mark.ORIGINAL, Mark.WROTE)


@dataclass(slots=True)
class _Part:
    """One mail of a chain: the marker above it, its lines, and which of them were quoted."""

    boundary: Mark | None = None
    lines: list[str] = field(default_factory=list)
    quoted: list[bool] = field(default_factory=list)

    def add(self, raw: str) -> None:
        self.lines.append(_unquoted(raw))
        self.quoted.append(raw.startswith(">"))


def own_lines(lines: Sequence[str], subject: str = "") -> list[str]:
    """Lines of a mail without repeated conversation, headers, signatures and disclaimers.

    Parameters
    ----------
    lines : sequence of str
        The mail's text, without line ends.
    subject : str
        The ticket's subject; ``Fwd:``, ``WG:``, ``TR:`` or ``RV:`` in front says that the mail was forwarded.

    Returns
    -------
    list of str
        Never blank throughout where ``lines`` were not.
    """
    if not has_marks("\n".join(lines)):
        return list(lines)
    parts, is_forwarded = _split(lines)
    own = "\n".join(parts[0].lines)
    is_needed = is_forwarded or is_forwarded_subject(subject) or points_below(own)
    if not is_needed and sum(map(str.isalpha, own)) >= _MIN_OWN_LETTERS:
        parts = _without_conversation(parts)
    kept = [line for part in parts for line in _unsigned(part.lines)]
    return kept if any(line.strip() for line in kept) else list(lines)


def plain_subject(subject: str) -> str:
    """The subject without ``Re:``, ``Fwd:`` and their like in front."""
    return decode(REPLY_PREFIXES.sub(lambda _: b"", encode(subject)))


def _split(lines: Sequence[str]) -> tuple[list[_Part], bool]:
    """The chain's mails in the order of the text, and whether a marker says that one was forwarded."""
    parts = [_Part()]
    is_forwarded = False
    kinds = [marks(_unquoted(line)) for line in lines]
    number = 0
    while number < len(lines):
        boundary = _boundary(kinds, number)
        if boundary is None:
            parts[-1].add(lines[number])
            number += 1
            continue
        # Headers at the top are those of the mail itself.
        if boundary != Mark.FROM or len(parts) > 1 or any(parts[0].lines):
            parts.append(_Part(boundary))
        body = _after_headers(lines, kinds, number, boundary)
        headers = [_unquoted(line) for line in lines[number:body]]
        is_forwarded |= boundary == Mark.FORWARD or any(is_forwarded_header(header) for header in headers)
        number = body
    return parts, is_forwarded


def _boundary(kinds: Sequence[tuple[int, ...]], number: int) -> Mark | None:
    for mark in _BOUNDARIES:
        if mark in kinds[number]:
            return mark
    # A `From:` counts when a date or a subject follows; alone, or with a `To:`, it is prose.
    is_header = Mark.FROM in kinds[number] and any(Mark.DATED_HEADER in kind for kind in kinds[number + 1 : number + 4])
    return Mark.FROM if is_header else None


def _after_headers(lines: Sequence[str], kinds: Sequence[tuple[int, ...]], number: int, boundary: Mark) -> int:
    number += boundary != Mark.FROM
    if boundary == Mark.WROTE:
        return number
    while number < len(lines) and (Mark.HEADER in kinds[number] or not _unquoted(lines[number])):
        number += 1
    return number


def _unquoted(line: str) -> str:
    return line.lstrip("> ").rstrip() if line.startswith(">") else line.strip()


def _without_conversation(parts: Sequence[_Part]) -> list[_Part]:
    """The first mail, and what was written between or below the quoted lines of the next."""
    kept = [parts[0]]
    for part in parts[1:]:
        if part.boundary != Mark.WROTE or not any(part.quoted):
            break
        answers = [line for line, is_quoted in zip(part.lines, part.quoted, strict=True) if not is_quoted]
        kept.append(_Part(Mark.WROTE, answers))
    return kept


def _unsigned(lines: Sequence[str]) -> list[str]:
    """Without device lines, disclaimers, signatures and trailing contact lines."""
    dropped = {Mark.DEVICE, Mark.DISCLAIMER}
    kept = [(line, kind) for line in lines if dropped.isdisjoint(kind := marks(line))]
    while (start := _signature(kept)) is not None:
        kept = kept[:start]
    while len(kept) > 1 and (not kept[-1][0] or is_contact(kept[-1][0])):
        kept.pop()
    return [line for line, _ in kept]


def _signature(marked: Sequence[tuple[str, tuple[int, ...]]]) -> int | None:
    """Where the signature at the end begins: a sign-off with few short lines after it."""
    start = None
    n_filled = 0
    for number in range(len(marked) - 1, 0, -1):
        line, kind = marked[number]
        if Mark.SIGN_OFF in kind or Mark.DASHES in kind:
            start = number
        n_filled += bool(line)
        if n_filled > _MAX_SIGNATURE_LINES or len(line) > _MAX_SIGNATURE_LINE or line.startswith(_NO_SIGNATURE):
            break
    return start
