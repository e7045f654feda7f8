"""What people call a runbook: its id, its address, or its title in a sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from features.runbooks import Runbook

# A shorter title, as "Billing", is a word of many sentences.
_MIN_TITLE_WORDS = 2
_MIN_TITLE_CHARS = 10


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
        self._in_text: dict[str, str] = {}
        for runbook in runbooks:
            for name in _names(runbook):
                self._id_of[name] = runbook.id
            for phrase in _phrases(runbook):
                self._in_text[phrase] = runbook.id

    def id_of(self, name: str) -> str | None:
        """Id of the runbook that a link names by id or address; None where there is none."""
        return self._id_of.get(name.rstrip("/"))

    def mentioned(self, text: str) -> frozenset[str]:
        """Ids of the runbooks whose address or title stands in a text; case aside."""
        lower = text.lower()
        return frozenset(
            name for phrase, name in self._in_text.items() if phrase in lower and _stands_alone(phrase, lower)
        )


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
    """Whether a phrase stands in a text with no letter, digit or hyphen against it."""
    return re.search(rf"(?<![\w-]){re.escape(phrase)}(?![\w-])", text) is not None
