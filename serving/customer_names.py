"""The names of customers in the words of another's case: masked where they are names for certain, else pointed out.

Personal data and credentials are masked before a text is stored (:mod:`features.masking`); this comes on top, when a
text is shown, since whose name may be read depends on who asks.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

from features.ticket import Case
from serving.customer_words import CUSTOMER, MIN_CAPITALS, PART, is_acronym, is_name, small_words
from serving.own_customer import without_customer

_MOST_BETWEEN = 3  # characters between the words of one name, where its customer does not put more
_MAX_MENTIONED = 5
# What masking has put there, when a text was stored or here: no words of anybody.
_PLACEHOLDER = re.compile(r"(<[A-Z_]+>)")
_JOINS_BEFORE, _JOINS_AFTER = frozenset("._@/\\:=#-"), frozenset("_@/\\=-")
_NOBODY = frozenset({("n", "a"), ("not", "applicable"), ("not", "available"), ("to", "be", "determined")})
_KEY_CHARS = 2  # of a name in a script without blanks, by which it is looked up

Words = tuple[str, ...]


class _Name(NamedTuple):
    """A customer's name of several words: itself, its words as written, and the characters between two at most."""

    label: str
    words: Words
    between: int

    def is_in(self, written: str, widest: int) -> bool:
        """Whether a hit may be the name; one of common words alone ("Data Systems") only where it is just so.

        Parameters
        ----------
        written : str
            From the first word to the last.
        widest : int
            Characters between two of its words.
        """
        return written == self.label if not any(map(is_name, self.words)) else widest <= self.between

    def is_certain(self, written: str, words: Words) -> bool:
        """Whether a hit is the name and no run of common words: in its spelling, in capitals, or without blanks."""
        if written == self.label:
            return any(map(_is_long, self.words))
        has_capitals = all(word[:1].isupper() for word, own in zip(words, self.words, strict=True) if own[:1].isupper())
        return words == self.words or has_capitals or not any(map(str.isspace, written))


class CustomerNames:
    """Names of customers, found in texts as a whole. Names may be added while others read.

    A name of several words is masked where it is written as one; where it may be a run of common words, and where it is
    of one word, which may be a product, it is mentioned.

    Examples
    --------
    >>> names = CustomerNames(["Saltmarsh Energy", "Slack"])
    >>> names.masked("As for saltmarsh-energy, restart the Slack app.", but=None)
    'As for <CUSTOMER>, restart the Slack app.'
    >>> names.mentioned("As for saltmarsh-energy, restart the Slack app.", but=None)
    ['Slack']
    >>> names.masked("As for Saltmarsh Energy", but="Saltmarsh Energy")
    'As for Saltmarsh Energy'
    """

    def __init__(self, labels: Iterable[str]) -> None:
        # By words in small letters; many names may begin alike, so a text's words are looked up and not compared.
        self._long: dict[Words, tuple[_Name, ...]] = {}
        self._lengths: dict[str, tuple[int, ...]] = {}
        self._single: dict[str, Words] = {}
        self._unspaced: dict[str, Words] = {}
        self.add(labels)

    def add(self, labels: Iterable[str]) -> None:
        """Know further names."""
        for label in sorted(labels):
            found = [*PART.finditer(label)]
            words = tuple(match.group() for match in found)
            small = _small(words)
            if len(words) > 1 and small not in _NOBODY:
                between = max(after.start() - before.end() for before, after in pairwise(found))
                name = _Name(label[found[0].start() : found[-1].end()], words, max(between, _MOST_BETWEEN))
                self._long[small] = (*self._long.get(small, ()), name)
                self._lengths[small[0]] = tuple(sorted({*self._lengths.get(small[0], ()), len(small)}, reverse=True))
            elif words and _has_no_case(words[0]):
                key = words[0][:_KEY_CHARS]
                self._unspaced[key] = (*self._unspaced.get(key, ()), words[0])
            elif words and (is_name(words[0]) or is_acronym(words[0])):
                self._single[small[0]] = (*self._single.get(small[0], ()), words[0])

    def masked(self, text: str, *, but: str | None) -> str:
        """A text with the names that are certain masked, except one customer's."""
        own = small_words(but or "")
        return _between_masks(text, lambda piece: self._masked(piece, own)) if self._long else text

    def mentioned(self, text: str, *, but: str | None) -> list[str]:
        """Names that a text may hold, as it writes them, each once, except one customer's."""
        own, pieces = small_words(but or ""), _PLACEHOLDER.split(text)[::2]
        return list(dict.fromkeys(name for piece in pieces for name in self._mentioned(piece, own)))

    def _masked(self, text: str, own: Words) -> str:
        shown, end = [], 0
        for words, start, stop, is_certain in self._found(text):
            if is_certain and words != own:
                shown += [text[end:start], CUSTOMER]
                end = stop
        return "".join([*shown, text[end:]])

    def _mentioned(self, text: str, own: Words) -> Iterator[str]:
        yield from (text[at:end] for words, at, end, is_certain in self._found(text) if words != own and not is_certain)
        words = PART.findall(text)
        if any(word.casefold() in self._single for word in words):
            for match in PART.finditer(text):
                word = match.group()
                written = self._single.get(word.casefold(), ())
                if written and (word.casefold(),) != own and _is_spelt(match, written):
                    yield word
        for word in words if self._unspaced else ():
            if not word.isascii():
                yield from (name for name in self._unspaced_in(word) if (name.casefold(),) != own)

    def _unspaced_in(self, word: str) -> Iterator[str]:
        for at in range(len(word) - _KEY_CHARS + 1):
            names = self._unspaced.get(word[at : at + _KEY_CHARS], ())
            yield from (name for name in names if word.startswith(name, at))

    def _found(self, text: str) -> Iterator[tuple[Words, int, int, bool]]:
        """Names of several words: in small letters, where it begins and ends, and whether it is a name for certain.

        Of those that begin alike the longest.
        """
        small = [word.casefold() for word in PART.findall(text)] if self._long else []
        places = [place for place, word in enumerate(small) if word in self._lengths]
        spans = [match.span() for match in PART.finditer(text)] if places else []
        after = 0
        for place in places:
            for length in self._lengths[small[place]] if place >= after else ():
                names = self._long.get(tuple(small[place : place + length]), ())
                if not names:
                    continue
                here = spans[place : place + length]
                start, end = here[0][0], here[-1][1]
                words, written = tuple(text[a:b] for a, b in here), text[start:end]
                widest = max(b[0] - a[1] for a, b in pairwise(here))
                if near := [name for name in names if name.is_in(written, widest)]:
                    after = place + length
                    yield _small(words), start, end, any(name.is_certain(written, words) for name in near)
                    break


def _small(words: Iterable[str]) -> Words:
    return tuple(word.casefold() for word in words)


def _is_long(word: str) -> bool:
    return len(word) >= MIN_CAPITALS and not word.isdigit()


def _has_no_case(word: str) -> bool:
    return len(word) >= _KEY_CHARS and not word.isascii() and word.lower() == word.upper() and not word.isdigit()


def _is_spelt(match: re.Match[str], written: Words) -> bool:
    """Whether a word is written as a name is: as its customer does, with a capital, or joined to something."""
    word, text = match.group(), match.string
    if word in written:
        return True
    if all(is_acronym(own) for own in written):
        return False
    if word[:1].isupper():
        return True
    before, after = text[match.start() - 1 : match.start()], text[match.end() : match.end() + 2]
    return (
        before in _JOINS_BEFORE
        or after[:1] in _JOINS_AFTER
        or (after[:1] in (".", ":") and after[1:].isalnum() and len(after) > 1)
    )


def _between_masks(text: str, change: Callable[[str], str]) -> str:
    """A text with what stands between placeholders changed; no placeholder is read as words."""
    pieces = _PLACEHOLDER.split(text)
    pieces[::2] = map(change, pieces[::2])
    return "".join(pieces)


NO_NAMES = CustomerNames([])


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads: the customer whose ticket asks, None where it is not known, and the names of all customers."""

    asking: str | None = None
    names: CustomerNames = NO_NAMES

    def shown(self, text: str, case: Case) -> str:
        """A text of a case as it may be read: without others' names, and without parts of its own customer's."""
        # Whole names first: without a part of it, a third customer's name would be known no more.
        masked = self.names.masked(text, but=self.asking)
        return _between_masks(masked, lambda piece: without_customer(piece, case.ticket.customer, self.asking))

    def warnings(self, text: str) -> list[str]:
        """What may be a name that the reader should not see, or just words; at most five, each once."""
        mentioned = self.names.mentioned(text, but=self.asking)
        return [f"may be a customer's name: {name}" for name in mentioned[:_MAX_MENTIONED]]


class HasCustomers(Protocol):
    """An index that knows its customers."""

    def customers(self) -> frozenset[str]:
        """Names of the customers of its cases; the same object until there are others."""
        ...


class KnownCustomers:
    """The names of an index's customers. Safe to use from several threads."""

    def __init__(self, index: HasCustomers) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._latest = (frozenset[str](), CustomerNames([]))

    def names(self) -> CustomerNames:
        """Names as of now; new ones are added to those that are known, and only fewer customers begin anew."""
        customers = self._index.customers()
        known, names = self._latest
        if known is customers:
            return names
        with self._lock:
            known, names = self._latest
            if known is not customers:
                if known <= customers:
                    names.add(customers - known)
                else:
                    names = CustomerNames(customers)
                self._latest = customers, names
        return names
