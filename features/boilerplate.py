"""Lines that many tickets have and that tell none from another: templates, greetings, headings of forms, text of bots.

They are learned from a history by their frequency, kept as hashes, and not searched for: two tickets that share a form
share no problem. A line that comes back under one subject over and over is an alert, and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from features.text import ModelText

MIN_SHARE = 0.02
"""Share of the tickets that a line has to stand in; on public issues that is markup alone."""
MIN_TICKETS = 20
_MIN_SUBJECTS = 0.5  # different subjects that its tickets have, as a share of them
_HEADING = re.compile(r"[^\W\d_]+(?: [^\W\d_]+){0,4} ?:(?=\s|$)")
_NUMBER = re.compile(r"\d+")

Hashes = NDArray[np.uint64]


def _no_hashes() -> Hashes:
    return np.empty(0, dtype=np.uint64)


@dataclass(frozen=True, slots=True, eq=False)
class Boilerplate:
    """The boilerplate of a history.

    Attributes
    ----------
    hashes : ndarray of uint64, shape (n,)
        Of lines and of headings (``Steps to reproduce:``), sorted.

    Examples
    --------
    >>> from features.text import ModelText
    >>> texts = [ModelText(f"problem {'abcdefghij'[i % 10]}{i // 10 * 'x'}", f"Hi team,\\nlog {i}") for i in range(30)]
    >>> Boilerplate.fit(texts).without(ModelText("sso", "Hi  Team,\\nlogin fails"))
    ModelText(subject='sso', body='login fails')
    """

    hashes: Hashes = field(default_factory=_no_hashes)

    @classmethod
    def fit(cls, texts: Sequence[ModelText], customers: Sequence[str | None] | None = None) -> Boilerplate:
        """Learn from the model texts of a history.

        Parameters
        ----------
        texts : sequence of ModelText
        customers : sequence of str or None, optional
            The customer of each; a line of one customer alone is left out where any customer is known.
            Those that are not known count together as one.
        """
        units = [np.unique(np.fromiter(map(_hash, _units(text.body)), dtype=np.uint64)) for text in texts]
        if not units:
            return cls()
        hashes, counts = np.unique(np.concatenate(units), return_counts=True)
        hashes = hashes[counts >= max(MIN_TICKETS, MIN_SHARE * len(texts))]
        owners = [np.flatnonzero(np.isin(hashes, unit, assume_unique=True)) for unit in units]
        subjects: list[set[str]] = [set() for _ in hashes]
        writers: list[set[str | None]] = [set() for _ in hashes]
        tickets = np.zeros(len(hashes))
        known = customers if customers is not None and any(name is not None for name in customers) else None
        for i, at in enumerate(owners):
            subject = _NUMBER.sub("", _evened(texts[i].subject))
            for k in at.tolist():
                tickets[k] += 1
                subjects[k].add(subject)
                writers[k].add(known[i] if known is not None else None)
        kept = np.array([len(found) for found in subjects], dtype=np.float64) >= _MIN_SUBJECTS * tickets
        if known is not None:
            kept &= np.array([len(found) > 1 for found in writers], dtype=np.bool_)
        return cls(hashes[kept])

    def without(self, text: ModelText) -> ModelText:
        """A model text without boilerplate; its subject stays."""
        if not len(self.hashes):
            return text
        known = set(self.hashes.tolist())
        body = "\n".join(
            line if heading is None or _hash(heading) not in known else line[len(heading) :].strip()
            for line, heading in _lines(text.body)
            if _hash(line) not in known
        )
        return type(text)(text.subject, body)


def _lines(body: str) -> Iterator[tuple[str, str | None]]:
    """Lines, each with the heading that it begins with."""
    for line in body.split("\n"):
        found = _HEADING.match(line)
        yield line, found.group() if found else None


def _units(body: str) -> Iterator[str]:
    for line, heading in _lines(body):
        yield line
        if heading is not None:
            yield heading


def _evened(line: str) -> str:
    return " ".join(line.lower().split())


def _hash(line: str) -> int:
    return int.from_bytes(blake2b(_evened(line).encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
