"""The name of a case's own customer, whole or in part, in the words of that case."""

from __future__ import annotations

import re
from functools import lru_cache

from features.linear_regex import Pattern, encode
from serving.customer_words import CUSTOMER, MIN_PART_CHARS, PART, is_acronym, is_name, small_words

_LETTER = r"[^\W\d_]"
# What joins words in addresses, paths and identifiers; a full stop or colon before a blank only ends a sentence.
_JOINED_BEFORE = r"(?<=[._@/\\:=#\d-])"
_JOINED_AFTER = r"(?=[_@/\\=\d-]|[.:]\w)"


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
    if customer is None or customer == asking or (asking and small_words(customer) == small_words(asking) != ()):
        return text
    parts = tuple(PART.findall(customer))
    # Nearly always none of them is there, which is quickly seen.
    if not parts or not _any_part(parts).occurs(encode(text)):
        return text
    return _name_pattern(parts).sub(CUSTOMER, text)


@lru_cache(maxsize=4096)
def _any_part(parts: tuple[str, ...]) -> Pattern:
    in_any_case = [part for part in parts if is_name(part)] or [max(parts, key=len)]
    in_capitals = [part for part in parts if is_acronym(part)]
    return Pattern("|".join([*(f"(?i:{re.escape(part)})" for part in in_any_case), *map(re.escape, in_capitals)]))


@lru_cache(maxsize=4096)
def _name_pattern(parts: tuple[str, ...]) -> re.Pattern[str]:
    whole = r"[\W_]{0,3}".join(map(re.escape, parts))
    forms = [_apart(f"(?i:{whole})" if len("".join(parts)) >= MIN_PART_CHARS else whole, parts[0], parts[-1])]
    for part in dict.fromkeys(parts):
        if is_name(part):
            forms += _spellings(part)
        elif is_acronym(part):
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
