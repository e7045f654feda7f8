"""The names of customers in the words of another's case: masked where they are names for certain, else pointed out.

Personal data and credentials are masked before a text is stored (:mod:`features.masking`); this comes on top, when a
text is shown, since whose name may be read depends on who asks.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, Protocol

from features.linear_regex import Pattern, encode
from features.ticket import Case

CUSTOMER = "<CUSTOMER>"
_MOST_BETWEEN = 3  # characters between the words of one name
# Of a name's parts those that are no name by themselves; of two and three letters, only where they are in capitals.
_NOT_A_NAME = frozenset(
    "bank city cloud company consulting corp corporation council data department digital energy foods global gmbh "  # noqa: SIM905
    "group health holding holdings hospital insurance international labs limited logistics media ministry national "
    "network networks online partners retail school schools services software solutions state studio support systems "
    "technologies technology trading union university ab ag and asa aps as bv co de eu for inc it kg la llc llp ltd nv "
    "of oy oyj plc pty sa sas se spa srl the uk us usa".split()
)
_MIN_PART_CHARS = 4
_MIN_CAPITALS = 2
_PART = re.compile(r"[^\W_]+")
_LETTER = r"[^\W\d_]"
# What joins words in addresses, paths and identifiers; a full stop or colon before a blank only ends a sentence.
_JOINED_BEFORE = r"(?<=[._@/\\:=#\d-])"
_JOINED_AFTER = r"(?=[_@/\\=\d-]|[.:]\w)"


class _Word(NamedTuple):
    """A word of a text and where it stands."""

    text: str
    start: int
    end: int


class _Name(NamedTuple):
    """A customer's name, and how its words are written where only that makes them a name."""

    label: str
    spelling: tuple[str, ...] | None


class CustomerNames:
    """Names of customers, found in texts as a whole; of which a name of one word may be a common word or a product.

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
        self._long: defaultdict[tuple[str, ...], list[_Name]] = defaultdict(list)
        self._lengths: defaultdict[str, set[int]] = defaultdict(set)
        self._single: dict[str, str] = {}
        for label in sorted(labels):
            words = tuple(_PART.findall(label))
            if len(words) > 1:
                small = tuple(map(str.casefold, words))
                self._long[small].append(_Name(label, None if any(map(_is_name, words)) else words))
                self._lengths[small[0]].add(len(small))
            elif words and (_is_name(words[0]) or _is_acronym(words[0])):
                self._single[words[0]] = label

    def masked(self, text: str, *, but: str | None) -> str:
        """A text with the names of several words masked, except one customer's."""
        if not self._long:
            return text
        shown, end = [], 0
        for name, start, stop in self._found(text):
            if not _is_same(name.label, but):
                shown += [text[end:start], CUSTOMER]
                end = stop
        return "".join([*shown, text[end:]])

    def mentioned(self, text: str, *, but: str | None) -> list[str]:
        """Names of one word that a text holds as they are written, each once, except one customer's."""
        words = dict.fromkeys(word for word in _PART.findall(text) if word in self._single) if self._single else {}
        return [word for word in words if not _is_same(self._single[word], but)]

    def _found(self, text: str) -> Iterator[tuple[_Name, int, int]]:
        """Names of several words, each with where it begins and ends; of those that begin alike the longest."""
        words = [_Word(match.group(), *match.span()) for match in _PART.finditer(text)]
        after = 0
        for place, word in enumerate(words):
            lengths = self._lengths.get(word.text.casefold()) if place >= after else None
            for length in sorted(lengths or (), reverse=True):
                here = words[place : place + length]
                if (name := self._name_of(here)) is not None:
                    after = place + length
                    yield name, word.start, here[-1].end
                    break

    def _name_of(self, words: Sequence[_Word]) -> _Name | None:
        if any(after.start - before.end > _MOST_BETWEEN for before, after in pairwise(words)):
            return None
        written = tuple(word.text for word in words)
        names = self._long.get(tuple(map(str.casefold, written)), ())
        return next((name for name in names if name.spelling in (None, written)), None)


def _is_same(label: str, other: str | None) -> bool:
    return other is not None and label.casefold() == other.casefold()


NO_NAMES = CustomerNames([])


@dataclass(frozen=True, slots=True)
class Audience:
    """Who reads: the customer whose ticket asks, None where it is not known, and the names of all customers."""

    asking: str | None = None
    names: CustomerNames = NO_NAMES

    def shown(self, text: str, case: Case) -> str:
        """A text of a case as it may be read: without its customer's name, whole or in part, and others' whole."""
        return self.names.masked(without_customer(text, case.ticket.customer, self.asking), but=self.asking)

    def warnings(self, text: str) -> list[str]:
        """What may be the name of another customer, or just the word; each once."""
        return [f"may name another customer: {name}" for name in self.names.mentioned(text, but=self.asking)]


class HasCustomers(Protocol):
    """An index that knows its customers."""

    def customers(self) -> frozenset[str]:
        """Names of the customers of its cases; the same object until there are others."""
        ...


class KnownCustomers:
    """The names of an index's customers, put together anew when there are others."""

    def __init__(self, index: HasCustomers) -> None:
        self._index = index
        self._latest = (frozenset[str](), NO_NAMES)

    def names(self) -> CustomerNames:
        """Names as of now."""
        customers = self._index.customers()
        known, names = self._latest
        if known is not customers:
            names = CustomerNames(customers)
            self._latest = customers, names
        return names


def without_customer(text: str, customer: str | None, asking: str | None) -> str:
    """A text of one customer's case as another customer's ticket may show it: the name, whole or in part, masked.

    Parts count from four letters on where they are written as names are, with a capital or exactly as in the name, and
    in lower case where they are joined to something, as in addresses and identifiers; shorter ones count in capitals
    only. Words that many names share ("Bank", "Logistics") do not count.

    Parameters
    ----------
    customer, asking : str or None
        Whose case it is, and whose ticket asks; an unknown asker is another.

    Examples
    --------
    >>> without_customer("SALTMARSH replayed the queue; Energy use is normal.", "Saltmarsh Energy", "Dunmore Rail")
    '<CUSTOMER> replayed the queue; Energy use is normal.'
    >>> without_customer("Saltmarsh replayed the queue.", "Saltmarsh Energy", "Saltmarsh Energy")
    'Saltmarsh replayed the queue.'
    >>> without_customer("db01.saltmarsh.example, tenant SaltmarshProd", "Saltmarsh Energy", None)
    'db01.<CUSTOMER>.example, tenant <CUSTOMER>Prod'
    """
    if customer is None or (asking is not None and customer.casefold() == asking.casefold()):
        return text
    parts = tuple(_PART.findall(customer))
    # Nearly always none of them is there, which is quickly seen.
    if not parts or not _any_part(parts).occurs(encode(text)):
        return text
    return _name_pattern(parts).sub(CUSTOMER, text)


@lru_cache(maxsize=4096)
def _any_part(parts: tuple[str, ...]) -> Pattern:
    in_any_case = [part for part in parts if _is_name(part)] or [max(parts, key=len)]
    in_capitals = [part for part in parts if _is_acronym(part)]
    return Pattern("|".join([*(f"(?i:{re.escape(part)})" for part in in_any_case), *map(re.escape, in_capitals)]))


def _is_name(part: str) -> bool:
    return len(part) >= _MIN_PART_CHARS and part.lower() not in _NOT_A_NAME and not part.isdigit()


def _is_acronym(part: str) -> bool:
    return _MIN_CAPITALS <= len(part) < _MIN_PART_CHARS and part.isupper() and part.lower() not in _NOT_A_NAME


@lru_cache(maxsize=4096)
def _name_pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    whole = r"[\W_]{0,3}".join(map(re.escape, parts))
    forms = [_apart(f"(?i:{whole})" if len("".join(parts)) >= _MIN_PART_CHARS else whole, parts[0], parts[-1])]
    for part in dict.fromkeys(parts):
        if _is_name(part):
            forms += _spellings(part)
        elif _is_acronym(part):
            forms.append(_apart(re.escape(part), part, part))
    return re.compile("|".join(forms))


def _spellings(part: str) -> list[str]:
    """Patterns of a part as a name, in CamelCase, and in any case where it is joined; with an ``s`` or without."""
    exact, any_case = re.escape(part), f"(?i:{re.escape(part)})"
    capital = re.escape(part[0].upper()) + f"(?i:{re.escape(part[1:])})"
    camel = "|".join(re.escape(form) for form in {part.lower(), part[0].upper() + part[1:].lower()})
    mixed = "" if part.isupper() else f"|{exact}"
    return [
        _apart(f"(?:{capital}|{exact})s?", part, part),
        f"(?<!{_LETTER})(?:{camel}{mixed})(?=[A-Z])",
        f"{_JOINED_BEFORE}{any_case}s?(?!{_LETTER})",
        f"(?<!{_LETTER}){any_case}s?{_JOINED_AFTER}",
    ]


def _apart(pattern: str, first: str, last: str) -> str:
    """A pattern where no letter goes on before or behind; nor a digit, where the name itself has one there."""
    before = r"[^\W_]" if first[0].isdigit() else _LETTER
    after = r"[^\W_]" if last[-1].isdigit() else _LETTER
    return f"(?<!{before}){pattern}(?!{after})"
