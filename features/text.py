"""A ticket's text as models read it.

In order: Unicode repaired, quoted mail and signatures dropped, stack traces and logs reduced, volatile tokens replaced,
blanks and repeated lines dropped, length bounded. The same rules run in training and serving; a change of any of them
is a new ``RULES_VERSION``, which is part of every vector's key (DESIGN, decision 1). docs/text.md gives the reasons.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from features.identifiers import find_identifiers
from features.linear_regex import Pattern, encode
from features.logs import TELLING, reduce_logs
from features.mail import own_lines, plain_subject
from features.repair import repaired
from features.ticket import Author, Ticket
from features.traces import reduce_traces
from features.volatile import without_volatile

RULES_VERSION = "1"
MAX_SUBJECT_CHARS = 300
MAX_BODY_CHARS = 4000

# Of a huge text only its ends and its telling lines are read: 5 MB of log say in 60,000 characters what they are.
_READ_HEAD, _READ_TAIL, _READ_LINES, _READ_LINE = 40_000, 16_000, 40, 200
_BODY_HEAD, _BODY_TAIL = 2_600, 700
# Each step can uncover work for an earlier one (a signature behind a cut, a time stamp left by a trace). Texts settle
# in one or two passes; the bound is for hostile ones.
_MAX_PASSES = 8

_MIN_REPEATED = 12
_MASK = re.compile(r"<[A-Z_]+>")
_UNTIDY = Pattern(r"[ \n][ \n]|[^ -~\n]|^[ \n]|[ \n]$")


@dataclass(frozen=True, slots=True)
class ModelText:
    """What models read of a ticket: at most ``MAX_SUBJECT_CHARS`` and ``MAX_BODY_CHARS`` characters."""

    subject: str
    body: str

    @property
    def text(self) -> str:
        """Subject and body in one text, as the encoder reads them."""
        return f"{self.subject}\n{self.body}"


def model_text(ticket: Ticket) -> ModelText:
    """Turn a ticket into model text.

    Parameters
    ----------
    ticket : Ticket
        Its subject and description are read; where the description is blank, the customer's messages before the first
        answer stand in for it.

    Returns
    -------
    ModelText
        Depends on the ticket alone; model text of model text is the same. No string raises.

    Examples
    --------
    >>> model_text(Ticket(subject="Re: Export fails", description="CBL-7001 since 09:14, req_8f2c91ab\\nThanks,\\nAnn"))
    ModelText(subject='Export fails', body='CBL-7001 since time, req_id')
    """
    subject = _settled(_clean_subject, repaired(ticket.subject[:_READ_HEAD]))
    # The first pass alone sees whether the mail was forwarded.
    body = _clean_body(repaired(_windowed(opening_text(ticket))), ticket.subject[:MAX_SUBJECT_CHARS])
    return ModelText(subject, _settled(_clean_body, body))


def opening_text(ticket: Ticket) -> str:
    """The description, or else what the customer wrote before the first answer."""
    if ticket.description.strip():
        return ticket.description
    texts: list[str] = []
    for message in ticket.messages:
        if message.by is not Author.CUSTOMER:
            break
        texts.append(message.text)
    return "\n".join(texts)


def written_text(ticket: Ticket) -> str:
    """Subject and the beginning of the opening text without masks: the words that somebody wrote.

    Model text has a word for each mask and volatile token as well ("email", "time").

    Examples
    --------
    >>> written_text(Ticket(subject="No login", description="for <EMAIL>"))
    'No login\\nfor  '
    """
    return _MASK.sub(" ", f"{ticket.subject}\n{opening_text(ticket)[:_READ_HEAD]}")


def identifiers(ticket: Ticket) -> tuple[str, ...]:
    """Error codes, exception classes and top frames of a ticket: what names its problem.

    Returns
    -------
    tuple of str
        Distinct, in the order above, at most 24.
    """
    lines = repaired(_windowed(opening_text(ticket))).split("\n")
    return find_identifiers([repaired(ticket.subject[:MAX_SUBJECT_CHARS]), *lines])


def _windowed(text: str) -> str:
    """A huge text's head, telling lines and tail."""
    if len(text) <= _READ_HEAD + _READ_TAIL:
        return text
    middle = text[_READ_HEAD:-_READ_TAIL]
    return "\n".join([text[:_READ_HEAD], *_telling_lines(middle, _READ_LINES), text[-_READ_TAIL:]])


def _telling_lines(text: str, n_lines: int) -> Iterator[str]:
    data = encode(text)
    done = 0
    for start, _ in TELLING.spans(data):
        if n_lines == 0:
            return
        if start < done:
            continue
        line_start = max(data.rfind(b"\n", done, start) + 1, done, start - _READ_LINE)
        done = data.find(b"\n", start)
        done = len(data) if done < 0 else done
        n_lines -= 1
        yield data[line_start : min(done, start + _READ_LINE)].decode("utf-8", "ignore").strip()


def _settled(step: Callable[[str], str], text: str) -> str:
    """Apply a step until it changes nothing more."""
    for _ in range(_MAX_PASSES):
        done = step(text)
        if done == text:
            break
        text = done
    return text


def _clean_subject(subject: str) -> str:
    line = " ".join(plain_subject(repaired(subject)).split())
    return _cut(" ".join(without_volatile(line).split()), MAX_SUBJECT_CHARS)


def _clean_body(body: str, subject: str = "") -> str:
    lines = reduce_logs(reduce_traces(own_lines(repaired(body).split("\n"), subject)))
    return _bounded(_tidy(without_volatile("\n".join(lines))))


def _tidy(text: str) -> str:
    """Single blanks, no blank lines, no line twice (a log repeats itself)."""
    lines = text.split("\n")
    if not text.isascii() or _UNTIDY.occurs(encode(text)):
        lines = [" ".join(line.split()) for line in lines]
    elif len(set(lines)) == len(lines):
        return text
    seen: set[str] = set()
    kept: list[str] = []
    for line in lines:
        if not line or line in seen:
            continue
        if len(line) >= _MIN_REPEATED:
            seen.add(line)
        kept.append(line)
    return "\n".join(kept)


def _bounded(body: str) -> str:
    """The head, telling lines of the middle, and the tail."""
    if len(body) <= MAX_BODY_CHARS:
        return body
    head = _cut(body, _BODY_HEAD)
    tail = body[-_BODY_TAIL:]
    tail = tail[tail.find("\n") + 1 :] if "\n" in tail[:-1] else tail
    middle = body[len(head) : len(body) - len(tail)]
    room = MAX_BODY_CHARS - len(head) - len(tail) - 2
    telling = _cut("\n".join(_telling_lines(middle, room // 40)), room)
    return "\n".join(part for part in (head, telling, tail) if part)


def _cut(text: str, limit: int) -> str:
    """At most ``limit`` characters, ending between words where there are words."""
    if len(text) <= limit:
        return text
    end = max(text.rfind(" ", limit // 2, limit + 1), text.rfind("\n", limit // 2, limit + 1))
    return text[: end if end > 0 else limit].rstrip()
