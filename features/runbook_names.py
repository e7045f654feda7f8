"""What people call a runbook: its id, its address, or its title in a sentence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from features.runbooks import Runbook

# A shorter title, as "Billing", is a word of many sentences.
_MIN_TITLE_WORDS = 2
_MIN_TITLE_CHARS = 10
_WORD = re.compile(r"\w+")


class RunbookNames:
    """Finds runbooks by what a link or a text calls them.

    Examples
    --------
    >>> names = RunbookNames([Runbook(id="saml", title="SAML login failures", url="https://wiki.example/saml/")])
    >>> names.id_of("https://wiki.example/saml"), names.id_of("gone")
    ('saml', None)
    >>> sorted(names.mentioned("Followed the runbook SAML Login Failures, step 3."))
    ['saml']
    """

    def __init__(self, runbooks: Iterable[Runbook]) -> None:
        self._id_of: dict[str, str] = {}
        phrases: defaultdict[str, set[str]] = defaultdict(set)
        for runbook in runbooks:
            for name in _names(runbook):
                self._id_of[name] = runbook.id
            for phrase in _phrases(runbook):
                phrases[phrase].add(runbook.id)
        # By its rarest-looking word, so that a text is held against those few phrases whose word it has. What names two
        # runbooks names neither.
        self._by_word: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for phrase, ids in phrases.items():
            if len(ids) == 1:
                self._by_word[max(_WORD.findall(phrase), key=len, default="")].append((phrase, min(ids)))

    def id_of(self, name: str) -> str | None:
        """Id of the runbook that a link names by id or address; None where there is none."""
        return self._id_of.get(name.partition("#")[0].rstrip("/"))

    def mentioned(self, text: str) -> frozenset[str]:
        """Ids of the runbooks whose address or title stands in a text; case aside."""
        lower = text.lower()
        near = (pair for word in set(_WORD.findall(lower)) for pair in self._by_word.get(word, ()))
        return frozenset(name for phrase, name in near if phrase in lower and _stands_alone(phrase, lower))


def _names(runbook: Runbook) -> Iterator[str]:
    yield runbook.id
    if runbook.url:
        yield runbook.url.rstrip("/")


def _phrases(runbook: Runbook) -> Iterator[str]:
    title = runbook.title.lower().strip()
    if len(title) >= _MIN_TITLE_CHARS and len(title.split()) >= _MIN_TITLE_WORDS:
        yield title
    if runbook.url:
        yield runbook.url.lower().rstrip("/")


def _stands_alone(phrase: str, text: str) -> bool:
    """Whether a phrase stands in a text with no letter, digit or hyphen against it, and of no longer address."""
    return re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-]|/?[/.?&=%]\w)", text) is not None
