"""Languages that have a script of their own, or share one and can be told by a letter or a word."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Script:
    """A script: its letters (a character class), how many make a word, and the languages written in it.

    ``letters_a_word`` is None where blanks part the words. Of ``languages``, the first whose pattern is found is it; a
    pattern of nothing is always found.
    """

    letters: str
    letters_a_word: int | None
    languages: tuple[tuple[str | None, str], ...]


SCRIPTS: dict[str, Script] = {
    "cyrillic": Script(
        "\u0400-\u052f",
        None,
        (
            # Kazakh, Tatar, Mongolian and others: told from Russian, but not from each other.
            (None, "[әғқңөұүһҷҳӯ]"),
            ("be", "ў"),
            ("uk", "[їєґ]"),
            ("mk", "[ѓќѕ]"),
            ("sr", "[ђћџљњј]"),
            ("ru", "[ыэё]|\\b(?:что|если|уже|есть|только|после|для|нет|может|пожалуйста|здравствуйте)\\b"),
            ("bg", "ъ[бвгджзйклмнпрстфхцчш]|\\b(?:това|моля|след|което|които|който|няма|беше)\\b"),
        ),
    ),
    "greek": Script("\u0370-\u03ff\u1f00-\u1fff", None, (("el", ""),)),
    "hebrew": Script("\u0590-\u05ff", None, (("he", ""),)),
    "arabic": Script(
        "\u0600-\u06ff\u0750-\u077f", None, (("ur", "[ٹڈڑںےہ]"), ("fa", "[پچژگیک]"), ("ar", "[ةىيكأإ]|ال"))
    ),
    "devanagari": Script("\u0900-\u097f", None, (("mr", "आहे|नाही"), ("ne", "छैन|हुन्छ|भयो"), ("hi", "है|नहीं|में|को"))),
    "bengali": Script("\u0980-\u09ff", None, (("bn", ""),)),
    "gurmukhi": Script("\u0a00-\u0a7f", None, (("pa", ""),)),
    "gujarati": Script("\u0a80-\u0aff", None, (("gu", ""),)),
    "tamil": Script("\u0b80-\u0bff", None, (("ta", ""),)),
    "telugu": Script("\u0c00-\u0c7f", None, (("te", ""),)),
    "kannada": Script("\u0c80-\u0cff", None, (("kn", ""),)),
    "malayalam": Script("\u0d00-\u0d7f", None, (("ml", ""),)),
    "sinhala": Script("\u0d80-\u0dff", None, (("si", ""),)),
    "armenian": Script("\u0530-\u058f", None, (("hy", ""),)),
    "georgian": Script("\u10a0-\u10ff\u1c90-\u1cbf", None, (("ka", ""),)),
    "hangul": Script("\u1100-\u11ff\u3130-\u318f\uac00-\ud7af", None, (("ko", ""),)),
    "thai": Script("\u0e00-\u0e7f", 4, (("th", ""),)),
    "lao": Script("\u0e80-\u0eff", 4, (("lo", ""),)),
    "burmese": Script("\u1000-\u109f", 4, (("my", ""),)),
    "khmer": Script("\u1780-\u17ff", 4, (("km", ""),)),
    # Hiragana, which no Japanese sentence is without, tells Japanese from Chinese.
    "han": Script(
        "\u3005\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff",
        2,
        (("ja", "[\u3041-\u3096]"), ("zh", "[\u4e00-\u9fff]")),
    ),
}

# A run of two scripts counts for the script of its first letter.
_RUNS = re.compile(f"[{''.join(script.letters for script in SCRIPTS.values())}]+")
_IN_SCRIPT = {name: re.compile(f"[{script.letters}]") for name, script in SCRIPTS.items()}
_TELLING = {
    name: tuple((language, re.compile(pattern)) for language, pattern in script.languages)
    for name, script in SCRIPTS.items()
}
# A sign of units or of mathematics (µ, Ω, Δ) is no word.
_MIN_LETTERS = 2


@dataclass(frozen=True, slots=True)
class ScriptWords:
    """The commonest script of a text beside Latin, and about how many words are written in it."""

    script: str | None
    n_words: int


def count_script_words(text: str) -> ScriptWords:
    """Find the commonest script beside Latin.

    Examples
    --------
    >>> count_script_words("Ошибка 500: сервер не отвечает"), count_script_words("5 Ω is not 5 µF")
    (ScriptWords(script='cyrillic', n_words=4), ScriptWords(script=None, n_words=0))
    """
    if text.isascii():
        return ScriptWords(None, 0)
    letters: Counter[str] = Counter()
    runs: Counter[str] = Counter()
    for match in _RUNS.finditer(text):
        length = match.end() - match.start()
        if length >= _MIN_LETTERS:
            name = _script_of(match.group()[0])
            letters[name] += length
            runs[name] += 1
    words = {name: _n_words(name, letters[name], runs[name]) for name in runs}
    # Of two with as many words the first of the table: it must not matter which comes first in the text.
    best = max(SCRIPTS, key=lambda name: words.get(name, 0))
    return ScriptWords(best, words[best]) if words.get(best) else ScriptWords(None, 0)


def language_of_script(text: str, script: str) -> str | None:
    """The language of the words that a text has in a script of :data:`SCRIPTS`; None where it cannot be told.

    Examples
    --------
    >>> language_of_script("Не работает вход в систему, что делать?", "cyrillic")
    'ru'
    >>> language_of_script("ログインできません", "han"), language_of_script("无法登录系统", "han")
    ('ja', 'zh')
    """
    lowered = text.lower()
    for language, pattern in _TELLING[script]:
        if pattern.search(lowered):
            return language
    return None


@cache
def _script_of(letter: str) -> str:
    return next(name for name, pattern in _IN_SCRIPT.items() if pattern.match(letter))


def _n_words(name: str, n_letters: int, n_runs: int) -> int:
    a_word = SCRIPTS[name].letters_a_word
    return n_runs if a_word is None else n_letters // a_word
