"""The routes of the HTTP contract, version 1, as one table: the guards, the app and the OpenAPI document read it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from features.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    Forbidden,
    HistoryFull,
    HistoryUnavailable,
    InvalidInput,
    InvalidTicket,
    KeyReused,
    MethodNotAllowed,
    NoRelease,
    NotFound,
    Overloaded,
    PrecedentError,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
    UnknownCase,
    UnknownRequest,
    WrongContentType,
)
from serving.keys import Scope
from serving.lanes import Lane
from serving.schemas import (
    BatchAnswer,
    BatchRequest,
    CaseAnswer,
    CaseRequest,
    FeedbackAnswer,
    FeedbackRequest,
    Suggestion,
    SuggestRequest,
)


class Access(StrEnum):
    """Who may call a route: anyone; anyone, but some keys see more; keys only."""

    OPEN = "open"
    MORE_WITH_KEY = "more_with_key"
    KEY = "key"


class LiveAnswer(BaseModel):
    """Answer of ``GET /livez``."""

    status: str


class ReadyAnswer(BaseModel):
    """Answer of ``GET /readyz``: ``ready`` or ``not_ready``; the details only with the scope ``report``."""

    status: str
    details: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    Attributes
    ----------
    template : str
        The path, with ``{id}`` where a case's id stands; the label in metrics and logs.
    scope : Scope or None
        What a key must be allowed to; None takes any valid key.
    errors : tuple of error classes
        What it may answer beside what the guards do.
    lane : Lane or None
        Where it queues; None for what is always answered, probes and the like.
    applies_once : bool
        Whether an ``Idempotency-Key`` is heeded.
    """

    method: str
    template: str
    summary: str
    answer: type[BaseModel] | None
    request: type[BaseModel] | None = None
    access: Access = Access.KEY
    scope: Scope | None = None
    errors: tuple[type[PrecedentError], ...] = ()
    lane: Lane | None = None
    applies_once: bool = False

    @property
    def all_errors(self) -> tuple[type[PrecedentError], ...]:
        """Every error that the route may answer, guards included."""
        of_access = () if self.access is Access.OPEN else (Unauthenticated,)
        of_scope = (Forbidden,) if self.scope else ()
        of_body = (BodyTooLarge, WrongContentType) if self.request else ()
        of_key = (KeyReused,) if self.applies_once else ()
        of_load = (InvalidInput, TooManyRequests, Overloaded, HistoryUnavailable) if self.lane else ()
        of_time = (PrecedentError, Unavailable, DeadlineExceeded)
        return (*of_body, *of_access, *of_scope, *self.errors, *of_key, *of_load, *of_time)


ROUTES: tuple[Route, ...] = (
    Route(
        method="POST",
        template="/v1/suggest",
        summary="What a ticket is, and what resolved the last one like it",
        request=SuggestRequest,
        answer=Suggestion,
        scope=Scope.SUGGEST,
        errors=(InvalidTicket, NoRelease),
        lane=Lane.SUGGEST,
    ),
    Route(
        method="POST",
        template="/v1/suggest/batch",
        summary="Up to 100 tickets, each answered on its own",
        request=BatchRequest,
        answer=BatchAnswer,
        scope=Scope.SUGGEST,
        errors=(NoRelease,),
        lane=Lane.BATCH,
    ),
    Route(
        method="POST",
        template="/v1/cases",
        summary="Store a ticket with what came of it; in the history when it answers, findable within a second",
        request=CaseRequest,
        answer=CaseAnswer,
        scope=Scope.WRITE,
        errors=(InvalidTicket, HistoryFull),
        lane=Lane.WRITE,
        applies_once=True,
    ),
    Route(
        method="DELETE",
        template="/v1/cases/{id}",
        summary="Erase a ticket from history, indexes and journal",
        answer=CaseAnswer,
        scope=Scope.WRITE,
        errors=(UnknownCase, HistoryFull),
        lane=Lane.WRITE,
    ),
    Route(
        method="POST",
        template="/v1/feedback",
        summary="Say what an agent made of a suggestion",
        request=FeedbackRequest,
        answer=FeedbackAnswer,
        scope=Scope.SUGGEST,
        errors=(InvalidTicket, UnknownRequest, HistoryFull),
        lane=Lane.WRITE,
        applies_once=True,
    ),
    Route(
        method="GET",
        template="/livez",
        summary="Whether the process answers",
        answer=LiveAnswer,
        access=Access.OPEN,
    ),
    Route(
        method="GET",
        template="/readyz",
        summary="Whether suggestions can be answered; details with the scope `report`",
        answer=ReadyAnswer,
        access=Access.MORE_WITH_KEY,
    ),
    Route(
        method="GET",
        template="/metrics",
        summary="Figures for Prometheus",
        answer=None,
        scope=Scope.REPORT,
    ),
    Route(method="GET", template="/openapi.json", summary="This document", answer=None),
)


@dataclass(frozen=True, slots=True)
class Matched:
    """A route, and the values of its path."""

    route: Route
    parameters: Mapping[str, str]


def match(method: str, path: str) -> Matched:
    """Find the route of a request; ``HEAD`` is answered where ``GET`` is.

    Raises
    ------
    NotFound
        If there is no such path.
    MethodNotAllowed
        If there is, but not with this method.
    """
    wanted = "GET" if method == "HEAD" else method
    found = [(route, hit) for route, pattern in _PATTERNS if (hit := pattern.fullmatch(path))]
    for route, hit in found:
        if route.method == wanted:
            return Matched(route, hit.groupdict())
    if not found:
        raise NotFound("There is no such path; /openapi.json lists those that there are.")
    allowed = tuple(sorted({route.method for route, _ in found}))
    raise MethodNotAllowed(f"This path takes {' or '.join(allowed)} only; /openapi.json describes it.", allowed=allowed)


def _pattern(template: str) -> re.Pattern[str]:
    # An id may hold slashes; its path is then written with %2F, which servers decode before we see it.
    return re.compile(re.escape(template).replace(r"\{id\}", "(?P<id>.+)"))


_PATTERNS = tuple((route, _pattern(route.template)) for route in ROUTES)
