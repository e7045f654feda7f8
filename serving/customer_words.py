"""Which of the words of a customer's name are a name by themselves."""

from __future__ import annotations

import re

CUSTOMER = "<CUSTOMER>"
"""Stands in a text where a customer's name stood."""
# Of a name's parts those that are no name by themselves; of two and three letters, only where they are in capitals.
_NOT_A_NAME = frozenset(
    "bank city cloud company consulting corp corporation council data department digital energy foods global gmbh "  # noqa: SIM905
    "group health holding holdings hospital insurance international labs limited logistics media ministry national "
    "network networks online partners retail school schools services software solutions state studio support systems "
    "technologies technology trading union university ab ag and asa aps as bv co de eu for inc it kg la llc llp ltd nv "
    "of oy oyj plc pty sa sas se spa srl the uk us usa".split()
)
MIN_PART_CHARS = 4
"""A word of fewer characters is a name in capitals only."""
MIN_CAPITALS = 2
"""Characters of the shortest word that is a name."""
PART = re.compile(r"[^\W_]+")
"""A word of a name or of a text: letters and digits."""


def is_name(part: str) -> bool:
    """Whether a word is a name in any spelling."""
    return len(part) >= MIN_PART_CHARS and part.lower() not in _NOT_A_NAME and not part.isdigit()


def is_acronym(part: str) -> bool:
    """Whether a word is a name where it is in capitals."""
    return MIN_CAPITALS <= len(part) < MIN_PART_CHARS and part.isupper() and part.lower() not in _NOT_A_NAME


def small_words(name: str) -> tuple[str, ...]:
    """Words of a name in small letters: ``Acme, Inc.`` is ``acme inc``."""
    return tuple(map(str.casefold, PART.findall(name)))
