"""A made-up ticket that a release has to answer before it answers others."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from features.errors import PrecedentError, ReleaseRefused
from features.ticket import Ticket
from serving.suggester import Query, Suggester

_TICKET = Ticket(
    subject="The console answers with an error since this morning",
    description="Nobody of us can open the overview any more: the page stays empty and its log says timeout (503).",
)


def warm_up(suggester: Suggester, *, partial_ok: bool = False) -> None:
    """Answer a made-up ticket with every part of a release, so that the first real one waits for nothing.

    Parameters
    ----------
    partial_ok : bool
        Whether it may do without parts that are not there.

    Raises
    ------
    ReleaseRefused
        If that fails, or a number of the answer is none.
    HistoryUnavailable
        If the history's database does not answer.
    """
    try:
        answer = suggester.suggest(Query(_TICKET, partial_ok=partial_ok))
    except PrecedentError:
        raise
    except Exception as error:
        raise ReleaseRefused(
            f"Release {suggester.release_id} fails on a made-up ticket ({type(error).__name__}); train again or "
            "promote another release."
        ) from error
    if not all(map(math.isfinite, _numbers(answer.model_dump()))):
        raise ReleaseRefused(
            f"Release {suggester.release_id} answers a made-up ticket with a number that is none; train again or "
            "promote another release."
        )


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list):
        for each in value:
            yield from _numbers(each)
