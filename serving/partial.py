"""What an answer does without when a part is not there, and how it says so."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from features.errors import HistoryUnavailable, InvalidInput, PrecedentError

HISTORY_UNAVAILABLE = "history_unavailable"
"""Cases are as the index knows them: their texts, and what people said of them, could not be read."""
INDEX_UNAVAILABLE = "index_unavailable"
"""No cases were looked for."""
RUNBOOKS_UNAVAILABLE = "runbooks_unavailable"
"""No runbooks were looked for."""
PARTIAL_NOTES = frozenset({HISTORY_UNAVAILABLE, INDEX_UNAVAILABLE, RUNBOOKS_UNAVAILABLE})

logger = logging.getLogger("precedent.partial")

T = TypeVar("T")


class Missing:
    """The parts that one answer does without.

    Parameters
    ----------
    is_allowed : bool
        Whether it may do without any: what is measured is measured whole, or not at all.
    """

    def __init__(self, *, is_allowed: bool) -> None:
        self._is_allowed = is_allowed
        self.notes: list[str] = []
        """Names of those parts, in the order in which they were missed."""

    def attempt(self, part: str, work: Callable[[], T], otherwise: T) -> T:
        """Do what needs a part of what answers; ``otherwise`` where that fails.

        Raises
        ------
        InvalidInput
            Where the request is at fault, and no part.
        """
        try:
            return work()
        except InvalidInput:
            raise
        except Exception as error:
            if not self._is_allowed:
                raise
            name = HISTORY_UNAVAILABLE if isinstance(error, HistoryUnavailable) else part
            if name not in self.notes:
                self.notes.append(name)
                # What is known to be away is told by whoever follows it, and not once a request.
                if not isinstance(error, PrecedentError):
                    logger.exception("answered without a part", extra={"fields": {"part": part}})
            return otherwise
