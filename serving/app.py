"""The routes' handlers. The guards (:mod:`serving.middleware`) have checked key, size and type before these run."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route as StarletteRoute

from features.errors import DeadlineExceeded, InvalidInput, PrecedentError
from features.idempotency import Once
from features.intake_checks import checked_time
from features.ticket import Ticket
from serving import metrics as figures
from serving.journal import FeedbackEntry, SuggestionEntry
from serving.keys import ApiKey, Scope
from serving.lanes import Lane, Place
from serving.openapi import openapi_json
from serving.permits import check_may_erase, check_may_store
from serving.problems import JSON, error_answer, error_json, internal, problem
from serving.routes import LiveAnswer, ReadyAnswer, Route
from serving.runtime import Runtime
from serving.schemas import (
    BatchRequest,
    CaseAnswer,
    CaseRequest,
    ErrorAnswer,
    FeedbackAnswer,
    FeedbackRequest,
    SuggestRequest,
    TicketIn,
)
from serving.stages import Part, Stages, recording, timed
from serving.suggester import Query, Suggester, new_request_id
from serving.tracing import Trace
from serving.validation import check_has_text, parse, parse_json, to_query, validate

logger = logging.getLogger("precedent.app")

# A batch leaves this share of the time limit for the journal and for sending.
_BATCH_SHARE = 0.8
CONTEXT = "precedent"

T = TypeVar("T")


@dataclass(slots=True, kw_only=True)
class Context:
    """What the guards know of a request; it travels in the ASGI scope under :data:`CONTEXT`.

    ``until`` is when the caller is given up, by the monotonic clock; ``place`` is the one in the queue of the route's
    lane; ``trace`` is there where traces are on; ``stages`` and ``error_code`` are filled in on the way back, for
    figures and log.
    """

    runtime: Runtime
    request_id: str
    route: Route
    until: float
    key: ApiKey | None = None
    trace: Trace | None = None
    body: bytes = b""
    place: Place | None = None
    idempotency_key: str | None = None
    stages: Stages = field(default_factory=Stages)
    error_code: str | None = None

    @property
    def key_id(self) -> str | None:
        """Id of the caller's key."""
        return self.key.key_id if self.key else None

    @property
    def ids(self) -> dict[str, str]:
        """What a line of the log is found by."""
        traced = {} if self.trace is None else {"trace_id": self.trace.trace_id}
        return {"request_id": self.request_id, **traced}

    @property
    def access_groups(self) -> frozenset[str] | None:
        """Groups whose cases the caller may see; None sees all."""
        return self.key.groups if self.key else None

    @property
    def is_given_up(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.place is not None and self.place.is_left

    def once(self, request: BaseModel) -> Once | None:
        """The write that a request asks for, where the caller named it."""
        if self.idempotency_key is None:
            return None
        sent = request.model_dump(mode="json", exclude_unset=True)
        return Once.of(self.idempotency_key, caller=self.key_id or "", operation=self.route.template, request=sent)

    async def run(self, work: Callable[[Context], T]) -> T:
        """Run the request's work when its turn comes, unless the caller is given up before."""
        if self.place is None:
            raise RuntimeError(f"{self.route.template} has no lane")
        if self.route.lane is Lane.WRITE:
            self.runtime.check_history()
        return await self.place.run(_timed_work, work, self, time.perf_counter_ns())


def _timed_work(work: Callable[[Context], T], context: Context, queued: int) -> T:
    context.stages.add(Part.QUEUE, queued, time.perf_counter_ns())
    with recording(context.stages):
        return work(context)


Handler = Callable[[Request, Context], Awaitable[Response]]


def create_api() -> Starlette:
    """The app of the contract, to be mounted in a service and stood before by the guards."""
    handlers: dict[tuple[str, str], Handler] = {
        ("/v1/suggest", "POST"): _suggest,
        ("/v1/suggest/batch", "POST"): _suggest_batch,
        ("/v1/cases", "POST"): _add_case,
        ("/v1/cases/{id:path}", "DELETE"): _erase_case,
        ("/v1/feedback", "POST"): _add_feedback,
        ("/livez", "GET"): _live,
        ("/readyz", "GET"): _ready,
        ("/metrics", "GET"): _metrics,
        ("/openapi.json", "GET"): _openapi,
    }
    routes = [StarletteRoute(path, _endpoint(run), methods=[method]) for (path, method), run in handlers.items()]
    return Starlette(routes=routes)


def _endpoint(handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    """Turn a handler's errors into answers here: outside, the frameworks would put their own in their place."""

    async def run(request: Request) -> Response:
        context: Context = request.scope[CONTEXT]
        try:
            with recording(context.stages):
                return await handler(request, context)
        except PrecedentError as error:
            context.error_code = error.code
            found = problem(error, context.request_id)
        except Exception:
            logger.exception("request failed", extra={"fields": context.ids})
            context.error_code = PrecedentError.code
            found = problem(internal(), context.request_id)
        return Response(found.body, found.status, dict(found.headers))

    return run


def _json(body: str | bytes, status: int = 200) -> Response:
    return Response(body, status, media_type=JSON)


async def _suggest(_request: Request, context: Context) -> Response:
    runtime = context.runtime
    entry, is_draft_wanted = await context.run(_suggest_one)
    if is_draft_wanted:
        with timed(Part.DRAFT):
            suggestion = await runtime.drafter.with_drafts(entry.suggestion, until=context.until)
        entry = replace(entry, suggestion=suggestion)
    return _json(await _kept(runtime, entry))


def _suggest_one(context: Context) -> tuple[SuggestionEntry, bool]:
    with timed(Part.PARSE):
        request = parse(SuggestRequest, context.body)
        query = to_query(request, request.ticket, access_groups=context.access_groups, request_id=context.request_id)
    return _answered(context, context.runtime.follower.suggester(), query, prefix="ticket"), request.draft


def _answered(context: Context, suggester: Suggester, query: Query, *, prefix: str) -> SuggestionEntry:
    try:
        example = suggester.example(query.ticket, by_token=query.explain)
    except PrecedentError as error:
        raise _within(prefix, error) from None
    return SuggestionEntry(
        at=datetime.now(UTC),
        key_id=context.key_id,
        ticket=example.ticket,
        text=example.text.text,
        suggestion=suggester.answer(example, query),
    )


def _within(prefix: str, error: PrecedentError) -> PrecedentError:
    """An error of the intake, which knows a ticket and not the request around it, with the request's field."""
    if error.field is not None:
        error.field = f"{prefix}.{error.field}"
    return error


async def _suggest_batch(_request: Request, context: Context) -> Response:
    runtime = context.runtime
    answered = await context.run(_suggest_each)
    parts = await asyncio.gather(*(_kept(runtime, each) for each in answered))
    return _json(b'{"results":[' + b",".join(parts) + b"]}")


async def _kept(runtime: Runtime, answered: SuggestionEntry | ErrorAnswer) -> bytes:
    if isinstance(answered, ErrorAnswer):
        runtime.metrics.count_error(answered.error.code)
        return error_json(answered)
    with timed(Part.JOURNAL):
        suggestion = await runtime.keep(answered)
    runtime.metrics.observe_suggestion(suggestion)
    with timed(Part.SERIALISE):
        return suggestion.model_dump_json().encode()


def _suggest_each(context: Context) -> list[SuggestionEntry | ErrorAnswer]:
    """Answer each ticket on its own: what is wrong with one is told in its place."""
    settings = context.runtime.settings.service
    now = time.monotonic()
    until = now + (context.until - now) * _BATCH_SHARE
    with timed(Part.PARSE):
        envelope, tickets = _batch(context.body, settings.max_batch)
    context.runtime.metrics.observe_batch(len(tickets))
    if context.runtime.rates is not None:
        context.runtime.rates.charge(context.key_id or "", len(tickets) - 1)
    suggester = context.runtime.follower.suggester()
    answered: list[SuggestionEntry | ErrorAnswer] = []
    for position, ticket in enumerate(tickets):
        request_id = new_request_id()
        try:
            if time.monotonic() > until or context.is_given_up:
                raise DeadlineExceeded("The batch took too long; send this ticket again, in a smaller batch.")
            with timed(Part.PARSE):
                valid = validate(TicketIn, ticket, ("tickets", position))
                query = to_query(envelope, valid, access_groups=context.access_groups, request_id=request_id)
            answered.append(_answered(context, suggester, query, prefix=f"tickets.{position}"))
        except PrecedentError as error:
            answered.append(error_answer(error, request_id))
        except Exception:
            logger.exception("ticket of a batch failed", extra={"fields": {**context.ids, "request_id": request_id}})
            answered.append(error_answer(internal(), request_id))
    return answered


def _batch(body: bytes, max_batch: int) -> tuple[BatchRequest, Sequence[object]]:
    """A batch without its tickets, and the tickets, not yet validated."""
    data = parse_json(body)
    tickets = data.get("tickets")
    if not isinstance(tickets, list):
        return validate(BatchRequest, data), []
    if len(tickets) > max_batch:
        raise InvalidInput(
            f"The batch has {len(tickets)} tickets, more than the {max_batch} allowed; split it.", field="tickets"
        )
    blank: list[dict[str, object]] = [{} for _ in tickets]
    return validate(BatchRequest, data | {"tickets": blank}), tickets


async def _add_case(_request: Request, context: Context) -> Response:
    return _json((await context.run(_store_case)).model_dump_json())


def _store_case(context: Context) -> CaseAnswer:
    runtime = context.runtime
    request = parse(CaseRequest, context.body)
    try:
        case = runtime.intake.prepare(request.case.to_case(runtime.settings.system))
        check_has_text(case.ticket)
    except PrecedentError as error:
        raise _within("case", error) from None
    check_may_store(runtime.history, case, context.access_groups)
    once = context.once(request)
    stored = runtime.history.upsert([case], masking_rules=runtime.intake.masking_rules, once=once)
    runtime.follower.wake()
    return CaseAnswer(id=case.id, change=stored.change)


async def _erase_case(request: Request, context: Context) -> Response:
    return _json((await context.run(partial(_erase, request.path_params["id"]))).model_dump_json())


def _erase(case_id: str, context: Context) -> CaseAnswer:
    runtime = context.runtime
    check_may_erase(runtime.history, case_id, runtime.settings.system, context.access_groups)
    change = runtime.history.erase(case_id, system=runtime.settings.system, actor=context.key_id)
    runtime.follower.wake()
    return CaseAnswer(id=case_id, change=change)


async def _add_feedback(_request: Request, context: Context) -> Response:
    return _json((await context.run(_store_feedback)).model_dump_json())


def _store_feedback(context: Context) -> FeedbackAnswer:
    request = parse(FeedbackRequest, context.body)
    if request.id is None and request.target in {"case", "runbook"}:
        raise InvalidInput(f"The target {request.target} needs the id of what was shown; send it as id.", field="id")
    # An agent's name is personal data, and a value may hold some: both go the way that a ticket's texts go.
    try:
        masked = context.runtime.intake.prepare_ticket(Ticket(subject=request.value or "", reporter=request.by))
    except PrecedentError as error:
        error.field = "by" if error.field == "reporter" else "value"
        raise
    said_at = checked_time(request.at, "at")
    entry = FeedbackEntry(
        at=said_at or datetime.now(UTC),
        is_dated=said_at is not None,
        key_id=context.key_id,
        request_id=request.request_id,
        kind=request.kind,
        target=request.target,
        ref_id=request.id,
        value=masked.subject or None,
        by=masked.reporter,
    )
    context.runtime.journal.add_feedback(entry, once=context.once(request))
    return FeedbackAnswer(request_id=request.request_id, recorded=True)


async def _live(_request: Request, _context: Context) -> Response:
    return _json(LiveAnswer(status="alive").model_dump_json())


async def _ready(_request: Request, context: Context) -> Response:
    follower = context.runtime.follower
    status = "ready" if follower.is_ready else "not_ready"
    is_open = context.key is None and not context.runtime.settings.service.require_key
    if not (is_open or (context.key and context.key.allows(Scope.REPORT))):
        answer = ReadyAnswer(status=status).model_dump_json(exclude={"details"})
    else:
        details = dict(await context.runtime.aside(follower.details))
        answer = ReadyAnswer(status=status, details=details).model_dump_json()
    return _json(answer, 200 if status == "ready" else 503)


async def _metrics(_request: Request, context: Context) -> Response:
    rendered = await context.runtime.aside(context.runtime.metrics.render)
    return Response(rendered, media_type=None, headers={"content-type": figures.CONTENT_TYPE})


async def _openapi(_request: Request, _context: Context) -> Response:
    return _json(openapi_json())
