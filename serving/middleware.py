"""Guards before the service, in pure ASGI: they stand outside BentoML's own layers, which know no keys and no limits.

In this order: route, key and scope, the caller's own time limit, the key's rate, load, content type, size, queue; all
within the time limit, and while the client is there. Then the log line and the figures.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.types import Message as AsgiMessage

from features.errors import (
    BodyTooLarge,
    DeadlineExceeded,
    Forbidden,
    InvalidInput,
    Overloaded,
    PrecedentError,
    Unauthenticated,
    Unavailable,
)
from serving.app import CONTEXT, Context
from serving.keys import ApiKey
from serving.lanes import Lane
from serving.logs import log
from serving.metrics import UNMATCHED
from serving.problems import internal, problem
from serving.rates import Allowance
from serving.request_head import check_type, idempotency_key, time_limit, token
from serving.routes import Access, Matched, Route, match
from serving.runtime import Runtime
from serving.suggester import new_request_id

logger = logging.getLogger("precedent.access")

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_CLIENT_GONE = 499  # nginx's status for it; it is only ever logged
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_HSTS = {"strict-transport-security": "max-age=31536000"}


class ClientGoneError(Exception):
    """The client went away before it was answered."""


class Guards:
    """Lets a request through to the service when it is known, allowed, of a fitting size, and there is room for it.

    Parameters
    ----------
    app : ASGI application
        The service.
    api : Starlette
        The app mounted in it, whose ``state.runtime`` is there once the service has started. Health is asked of it
        directly: BentoML's own routes for it would answer in its place.
    """

    def __init__(self, app: ASGIApp, *, api: Starlette) -> None:
        self._app = app
        self._api = api
        self._n_in_flight: Counter[Lane] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection's scope."""
        if scope["type"] == "http" and CONTEXT not in scope:
            await self._serve(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            # The lifespan; or a request that the guards around the service have seen already.
            await self._app(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        runtime: Runtime | None = getattr(self._api.state, "runtime", None)
        exchange = _Exchange(scope, send)
        if runtime is None:
            await exchange.send_error(Unavailable("The service is starting; try again in a moment."))
            return
        exchange.limit = runtime.settings.service.timeout_seconds
        try:
            async with asyncio.timeout(exchange.limit) as deadline:
                await self._pass(runtime, exchange, receive, deadline)
        except ClientGoneError:
            exchange.status = _CLIENT_GONE
        except PrecedentError as error:
            await exchange.send_error(error)
        except TimeoutError:
            late = DeadlineExceeded(
                f"The answer took longer than {exchange.limit:g} s; try again, or with less text at a time."
            )
            await exchange.send_error(late if deadline.expired() else internal())
        except Exception:
            logger.exception("guard failed", extra={"fields": exchange.ids})
            await exchange.send_error(internal())
        finally:
            exchange.report(runtime)

    async def _pass(self, runtime: Runtime, exchange: _Exchange, receive: Receive, deadline: asyncio.Timeout) -> None:
        matched = match(exchange.method, exchange.scope["path"])
        route = exchange.route = matched.route
        if route.lane is not None:
            exchange.limit = time_limit(exchange.headers, exchange.limit)
            deadline.reschedule(asyncio.get_running_loop().time() + exchange.limit)
        until = time.monotonic() + exchange.limit
        context = Context(runtime=runtime, request_id=exchange.request_id, route=route, until=until)
        exchange.context = context
        context.key = await _authenticated(runtime, route, exchange.headers)
        if route.lane is None:
            # Nor traced: probes come all day.
            await self._forward(exchange, matched, receive)
            return
        exchange.trace(runtime)
        if runtime.rates is not None:
            exchange.allowance = runtime.rates.take(context.key_id or "")
        if route.applies_once:
            context.idempotency_key = idempotency_key(exchange.headers)
        with self._in_flight(runtime, route.lane):
            if route.request is not None:
                check_type(exchange.headers)
                context.body = await _read_body(exchange.headers, receive, runtime.settings.service.max_body_bytes)
            context.place = runtime.queues[route.lane].enter(until=until)
            try:
                await _while_there(receive, self._forward(exchange, matched, receive))
            finally:
                context.place.leave()

    @contextmanager
    def _in_flight(self, runtime: Runtime, lane: Lane) -> Iterator[None]:
        n_before = self._n_in_flight[lane]
        if n_before >= runtime.settings.service.max_concurrency:
            raise Overloaded(f"{n_before} such requests are being answered already; try again in a moment.")
        self._n_in_flight[lane] += 1
        runtime.metrics.in_flight.set(self._n_in_flight.total())
        try:
            yield
        finally:
            self._n_in_flight[lane] -= 1
            runtime.metrics.in_flight.set(self._n_in_flight.total())

    async def _forward(self, exchange: _Exchange, matched: Matched, receive: Receive) -> None:
        app = self._api if matched.route.access is not Access.KEY else self._app
        await app({**exchange.scope, CONTEXT: exchange.context}, receive, exchange.send)


class _Exchange:
    """A request and what was answered to it."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.scope = scope
        self.headers = Headers(scope=scope)
        self.method: str = scope["method"]
        wanted = self.headers.get("x-request-id", "")
        self.request_id = wanted if _SANE_ID.fullmatch(wanted) else new_request_id()
        self.route: Route | None = None
        self.context: Context | None = None
        self.allowance: Allowance | None = None
        self.limit = 0.0
        self.status = 0
        self._is_answered = False
        self._send = send
        self._error_code: str | None = None
        self._began = time.perf_counter_ns()

    @property
    def ids(self) -> dict[str, str]:
        """What a line of the log is found by."""
        return {"request_id": self.request_id} if self.context is None else self.context.ids

    async def send(self, message: AsgiMessage) -> None:
        """Send on, with our headers."""
        if self._is_answered:
            return  # BentoML's layers let a request go on that was given up here
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message["headers"])
            headers.update({**_HEADERS, "x-request-id": self.request_id})
            if self.scope["scheme"] == "https":
                headers.update(_HSTS)
            if self.allowance is not None:
                headers.update(self.allowance.headers)
            if "server" in headers:
                del headers["server"]
        await self._send(message)

    async def send_error(self, error: PrecedentError) -> None:
        """Answer with an error, unless an answer has begun."""
        if self.status:
            return
        self._error_code = error.code
        found = problem(error, self.request_id)
        raw = [(name.encode(), value.encode()) for name, value in found.headers]
        raw.append((b"content-length", str(len(found.body)).encode()))
        await self.send({"type": "http.response.start", "status": found.status, "headers": raw})
        body = b"" if self.method == "HEAD" else found.body
        await self.send({"type": "http.response.body", "body": body})
        self._is_answered = True

    def trace(self, runtime: Runtime) -> None:
        """Begin a span, where traces are on; what has no key yet must not fill a collector."""
        if runtime.tracing is not None and self.context is not None:
            route = self.context.route
            self.context.trace = runtime.tracing.begin(f"{route.method} {route.template}", self.headers, self._began)

    def report(self, runtime: Runtime) -> None:
        """Log and count the request; by its route, for a path may hold anything."""
        seconds = (time.perf_counter_ns() - self._began) / 1e9
        route = self.route.template if self.route else UNMATCHED
        runtime.metrics.observe_request(route, self.method, self.status, seconds)
        fields: dict[str, Any] = {
            **self.ids,
            "method": self.method if self.route else UNMATCHED,
            "route": route,
            "status": self.status,
            "ms": round(seconds * 1000, 1),
        }
        code = self._error_code or (self.context.error_code if self.context else None)
        if code:
            runtime.metrics.count_error(code)
            fields["error"] = code
        if self.context is not None:
            fields |= {"key": self.context.key_id, "bytes": len(self.context.body)}
            self._report_parts(runtime, self.context, code)
        # Probes and scrapes come all day.
        is_routine = self.route is not None and self.route.lane is None
        log(logger, logging.DEBUG if is_routine else logging.INFO, "request", **fields)

    def _report_parts(self, runtime: Runtime, context: Context, code: str | None) -> None:
        taken = context.stages.taken
        runtime.metrics.observe_parts(taken)
        if runtime.tracing is not None and context.trace is not None:
            attributes: dict[str, str | int] = {
                "http.request.method": context.route.method,
                "http.route": context.route.template,
                "precedent.request_id": self.request_id,
                "precedent.key_id": context.key_id or "",
                "http.request.body.size": len(context.body),
                **({"error.type": code} if code else {}),
            }
            runtime.tracing.end(context.trace, taken, attributes, status=self.status)


async def _authenticated(runtime: Runtime, route: Route, headers: Headers) -> ApiKey | None:
    key_sent = token(headers)
    if route.access is Access.OPEN:
        return None
    if key_sent is None:
        if route.access is Access.KEY and runtime.settings.service.require_key:
            raise Unauthenticated("This path needs an API key; send it as X-API-Key or as Authorization: Bearer.")
        return None
    key = await _bearer(runtime, key_sent)
    if route.scope is not None and not key.allows(route.scope):
        raise Forbidden(f"This key lacks the scope {route.scope.value!r}; use one that has it, or `admin`.")
    return key


async def _bearer(runtime: Runtime, sent: str) -> ApiKey:
    # An API key has one dot, a token two.
    if runtime.people is not None and sent.count(".") == 2:
        return await runtime.people.check(sent)
    if runtime.keys.needs_refresh(sent):
        await runtime.aside(runtime.keys.refresh)
    return runtime.keys.check(sent)


async def _while_there(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Give work up when the client goes away."""
    answering = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientGoneError
        await answering
    finally:
        answering.cancel()
        leaving.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read_body(headers: Headers, receive: Receive, limit: int) -> bytes:
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise InvalidInput("The Content-Length is not a number; send the number of bytes, or none.")
    too_large = BodyTooLarge(f"The body is larger than the {limit:,} bytes allowed; shorten it, or split the batch.")
    if int(length) > limit:
        raise too_large
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)
