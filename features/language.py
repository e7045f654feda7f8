"""The language that a ticket is written in, or None where that is not sure.

A language with a script of its own is told by its script (:mod:`features.scripts`), one in Latin script by its function
words (:mod:`features.language_words`), as in [1]_. To call a ticket foreign that is not costs an answer, so few words,
or words that two languages share, tell nothing; names of products, code and logs are no words.

References
----------
.. [1] G. Grefenstette, "Comparing two language identification schemes", JADT 1995: short words tell the language of
   a sentence nearly as well as trigrams do.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

from features.language_tags import primary_tag
from features.language_words import LANGUAGES_OF
from features.scripts import count_script_words, language_of_script
from features.text import ModelText
from features.ticket import Ticket

LANGUAGE_RULES = "1"
"""Version of these rules: what a release says of languages holds for tickets told by the same rules."""

_READ_CHARS = 2_400
# Fewer words of a script than this may be a name, or a message that somebody quotes.
_MIN_SCRIPT_WORDS = 4
# Two or three of ten words of English are function words: so many words of another script outweigh one of them.
_SCRIPT_OVER_LATIN = 3
_MIN_EVIDENCE = 3
_MIN_SHARE = 0.15
# Kin such as Danish and Norwegian share most of their function words.
_MIN_OWN = 2
_OVER_RIVAL = 2
# A line with fewer words among its blank-separated pieces is a log, a trace or code.
_MIN_PROSE = 0.5
# What an exception says is said in the language of its program.
_EXCEPTION = re.compile(r"(?:caused by: )?[\w$]+(?:\.[\w$]+)+: ")
_EDGES = ".,;:!?\"'()[]«»„“”‘’¿¡*_-–—…"
_INNER = re.compile("['’-]")


def ticket_language(ticket: Ticket, text: ModelText) -> str | None:
    """The language that the source gives a ticket, or else the one that its model text is written in.

    Examples
    --------
    >>> ticket_language(Ticket(language="de-AT"), ModelText("", "")), ticket_language(Ticket(), ModelText("SSO", ""))
    ('de', None)
    """
    return primary_tag(ticket.language or "") or detect_language(text.text)


def detect_language(text: str) -> str | None:
    """The language of a text as an ISO 639-1 code, or None where it is not sure.

    Parameters
    ----------
    text : str
        The first 2,400 characters are read; best given as model text, which leaves out quoted mail and traces.

    Examples
    --------
    >>> detect_language("Since this morning none of our users can log in with SSO, what can we do?")
    'en'
    >>> detect_language("Seit heute Morgen kann sich bei uns niemand mehr mit SSO anmelden, was ist da los?")
    'de'
    >>> detect_language("CBL-1103 login failed"), detect_language("今朝からログインできません。確認をお願いします。")
    (None, 'ja')
    """
    text = text[:_READ_CHARS]
    words = {word for word in _prose_words(text) if len(word) > 1 or not word.isascii()}
    known = Counter(LANGUAGES_OF[word] for word in words if word in LANGUAGES_OF)
    evidence = _evidence(known)
    strongest = max(evidence.values(), default=0)
    other = count_script_words(text)
    if other.script is not None and other.n_words >= max(_MIN_SCRIPT_WORDS, _SCRIPT_OVER_LATIN * strongest):
        return language_of_script(text, other.script)
    if other.n_words > len(words) or strongest < max(_MIN_EVIDENCE, _MIN_SHARE * len(words)):
        return None
    # Of two with as much evidence, neither outweighs the other.
    code = min(code for code in evidence if evidence[code] == strongest)
    shared = _evidence(Counter({codes: n for codes, n in known.items() if code in codes}))
    return code if all(_outweighs(code, rival, evidence, shared) for rival in evidence if rival != code) else None


def _prose_words(text: str) -> Iterator[str]:
    """Words of lines that are mostly words, in lower case; ``l'erreur`` is two."""
    for line in text.lower().split("\n"):
        if _EXCEPTION.match(line):
            continue
        pieces = line.split()
        words: list[str] = []
        n_words = 0
        for piece in pieces:
            word = piece.strip(_EDGES)
            if word.isalpha():
                words.append(word)
                n_words += 1
            elif _INNER.sub("", word).isalpha():
                words += _INNER.split(word)
                n_words += 1
        if n_words >= _MIN_PROSE * len(pieces):
            yield from words


def _evidence(known: Mapping[frozenset[str], int]) -> dict[str, int]:
    """How many words speak for each language."""
    found: dict[str, int] = {}
    for codes, n in known.items():
        for code in codes:
            found[code] = found.get(code, 0) + n
    return found


def _outweighs(code: str, rival: str, evidence: Mapping[str, int], shared: Mapping[str, int]) -> bool:
    """Whether the words that only one of two languages has speak for the first by far."""
    both = shared.get(rival, 0)
    own, others = evidence[code] - both, evidence[rival] - both
    return own >= max(_MIN_EVIDENCE if "en" in (code, rival) else _MIN_OWN, _OVER_RIVAL * others)
