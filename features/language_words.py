"""The words of ``language_words.toml`` with their languages."""

from __future__ import annotations

import tomllib
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

# Below this many letters, a word without its accents is too often a word of something else (*für*, *for*).
_MIN_BARE = 5


def read_words(path: Path) -> dict[str, frozenset[str]]:
    """The languages of each listed word, in lower case, also written without accents, as many people type it.

    Parameters
    ----------
    path : Path
        A TOML file: for each language code its words in one text, parted by blanks.
    """
    found: dict[str, set[str]] = {}
    for language, words in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for word in words.split():
            for form in (word, _bare(word)) if len(word) >= _MIN_BARE else (word,):
                found.setdefault(form, set()).add(language)
    return {word: frozenset(languages) for word, languages in found.items()}


def _bare(word: str) -> str:
    letters = unicodedata.normalize("NFD", word.replace("ł", "l").replace("ø", "o"))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


LANGUAGES_OF: Mapping[str, frozenset[str]] = MappingProxyType(
    read_words(Path(__file__).with_name("language_words.toml"))
)
"""The languages whose lists have a word."""
