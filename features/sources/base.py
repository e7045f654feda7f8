"""The one contract of readers: rows that can be used, and rows that cannot with the reason, in the file's order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from features.ticket import Case


@dataclass(frozen=True, slots=True)
class Row:
    """A usable row. ``line`` is where it begins, counted from 1 (in Jira pages: the number of the issue)."""

    line: int
    case: Case


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A row that cannot be used.

    Attributes
    ----------
    line : int
        As in :class:`Row`.
    id : str or None
        The row's id, where it could be read.
    field : str or None
        The field at fault, by our name.
    reason : str
        One sentence with the offending value, where that is no text of the ticket.
    """

    line: int
    id: str | None
    field: str | None
    reason: str


class Source(Protocol):
    """A ticket export that can be read from front to back, in constant memory."""

    def rows(self) -> Iterator[Row | RejectedRow]:
        """Read the export.

        Raises
        ------
        SourceUnreadable
            At once, if there is nothing to read; in the midst, if the file breaks off. Rows before that are good.
        """
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """After reading: what a person should know of the file as a whole, one sentence each."""
        ...
