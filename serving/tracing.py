"""Traces by OpenTelemetry, where a setting asks for them: a span a request, and one for each part of its answer.

Spans are made of what the service takes down anyway (:mod:`serving.stages`), once a request is over. They are sent by a
thread of the SDK's, as OTLP over HTTP in its JSON form, which every collector reads and which needs no further package.
They hold names, ids and numbers; no text of a ticket. The only door to opentelemetry.

References
----------
.. [1] OpenTelemetry Protocol, https://opentelemetry.io/docs/specs/otlp/#otlphttp
.. [2] W3C Trace Context, https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.metadata import version
from typing import Any, cast
from urllib.parse import urlsplit

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Span, SpanContext, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from features.settings import TracingSettings
from serving.stages import Took

logger = logging.getLogger("precedent.tracing")

# A batch of a hundred tickets has a thousand parts; the first of them show the pattern.
MAX_PARTS = 100
_EXPORT_SECONDS = 5.0
_EVERY_SECONDS = 1.0
_KINDS = {SpanKind.INTERNAL: 1, SpanKind.SERVER: 2, SpanKind.CLIENT: 3, SpanKind.PRODUCER: 4, SpanKind.CONSUMER: 5}
_STATUSES = {StatusCode.UNSET: 0, StatusCode.OK: 1, StatusCode.ERROR: 2}
_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class Trace:
    """A request's span while the request goes on."""

    span: Span

    @property
    def trace_id(self) -> str:
        """For the log: 32 hexadecimal digits."""
        return f"{self.span.get_span_context().trace_id:032x}"


class Tracing:
    """Makes spans and sends them, between its making and :meth:`stop`.

    Parameters
    ----------
    settings : TracingSettings
        With a URL.
    on_failure : callable
        Told of each time that spans could not be sent.
    """

    def __init__(self, settings: TracingSettings, on_failure: Callable[[], None]) -> None:
        resource = Resource.create({"service.name": "precedent", "service.version": version("precedent")})
        self._provider = TracerProvider(
            resource=resource, sampler=ParentBasedTraceIdRatio(settings.sample_ratio), shutdown_on_exit=False
        )
        exporter = _OtlpJson(str(settings.url), on_failure)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=_EVERY_SECONDS * 1000))
        self._tracer = self._provider.get_tracer("precedent")
        # Parts are timed by the performance counter, spans by the clock.
        self._clock_offset = time.time_ns() - time.perf_counter_ns()

    def begin(self, name: str, headers: Mapping[str, str], began: int) -> Trace:
        """Begin a request's span, below the caller's where the request names one (``traceparent``).

        Parameters
        ----------
        name : str
            Method and template of the route.
        began : int
            Nanoseconds of the performance counter.
        """
        carrier = {key: headers[key] for key in ("traceparent", "tracestate") if key in headers}
        parent = _PROPAGATOR.extract(carrier)
        start = began + self._clock_offset
        return Trace(self._tracer.start_span(name, parent, SpanKind.SERVER, start_time=start))

    def end(self, trace: Trace, parts: Iterable[Took], attributes: Mapping[str, str | int], *, status: int) -> None:
        """End a request's span, with a span for each part below it."""
        span = trace.span
        inside = set_span_in_context(span)
        if span.is_recording():
            for took, _ in zip(parts, range(MAX_PARTS), strict=False):
                start = took.began + self._clock_offset
                part = self._tracer.start_span(took.part.value, inside, start_time=start)
                part.end(took.ended + self._clock_offset)
        span.set_attributes({"http.response.status_code": status, **attributes})
        # By the conventions a client's errors are none of the server's.
        if status >= 500:
            span.set_status(StatusCode.ERROR)
        span.end()

    def stop(self) -> None:
        """Send what waits, then end."""
        self._provider.shutdown()


class _OtlpJson(SpanExporter):
    """Sends spans to a collector; what it does not take is lost, for a trace is worth no memory."""

    def __init__(self, url: str, on_failure: Callable[[], None]) -> None:
        self._url = url
        self._on_failure = on_failure

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send spans, in one request."""
        try:
            _post(self._url, json.dumps(_request(spans)).encode())
        except (OSError, HTTPException) as error:
            self._on_failure()
            logger.warning("spans not sent", extra={"fields": {"spans": len(spans), "kind": type(error).__name__}})
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS


def _post(address: str, body: bytes) -> None:
    """Send to the collector; neither proxies nor redirects are followed."""
    url = urlsplit(address)
    kind = HTTPSConnection if url.scheme == "https" else HTTPConnection
    connection = kind(url.hostname or "", url.port, timeout=_EXPORT_SECONDS)
    try:
        connection.request("POST", url.path or "/", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        if not 200 <= response.status < 300:
            raise HTTPException(f"status {response.status}")
    finally:
        connection.close()


def _request(spans: Sequence[ReadableSpan]) -> dict[str, Any]:
    resource = spans[0].resource
    return {
        "resourceSpans": [
            {
                "resource": {"attributes": _attributes(resource.attributes)},
                "scopeSpans": [{"scope": {"name": "precedent"}, "spans": [_span(span) for span in spans]}],
            }
        ]
    }


def _span(span: ReadableSpan) -> dict[str, Any]:
    own = cast("SpanContext", span.get_span_context())
    told: dict[str, Any] = {
        "traceId": f"{own.trace_id:032x}",
        "spanId": f"{own.span_id:016x}",
        "name": span.name,
        "kind": _KINDS[span.kind],
        # 64-bit numbers are text in protobuf's JSON.
        "startTimeUnixNano": str(span.start_time),
        "endTimeUnixNano": str(span.end_time),
        "attributes": _attributes(span.attributes or {}),
        "status": {"code": _STATUSES[span.status.status_code]},
    }
    if span.parent is not None:
        told["parentSpanId"] = f"{span.parent.span_id:016x}"
    return told


def _attributes(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in values.items()]


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"stringValue": str(value)}
