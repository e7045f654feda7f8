"""The one contract of readers: runbooks that can be used, and pages that cannot with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from features.runbooks import Runbook

MAX_FILE_BYTES = 1_000_000
"""Largest page. What a person follows in a hurry is far shorter."""


@dataclass(frozen=True, slots=True)
class FoundRunbook:
    """A runbook and the path, inside the library, of the file that holds it."""

    path: str
    runbook: Runbook


@dataclass(frozen=True, slots=True)
class RejectedPage:
    """A page that cannot be used.

    Attributes
    ----------
    path : str
        Its path inside the library.
    reason : str
        Why, beginning with "it" or "its"; the page's text is not quoted.
    ids : tuple of str
        Ids under which the page may be stored since it could be used.
    """

    path: str
    reason: str
    ids: tuple[str, ...] = ()


class RunbookSource(Protocol):
    """A runbook library that can be read once, page by page."""

    def pages(self) -> Iterator[FoundRunbook | RejectedPage]:
        """Read the library.

        Raises
        ------
        SourceUnreadable
            If there is nothing to read, or it breaks off: an import of half a library would remove the other half.
        """
        ...

    def ids_of(self, name: str) -> tuple[str, ...]:
        """Ids that a runbook gets by its file's name alone; none where names give none."""
        ...
