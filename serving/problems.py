"""Errors as HTTP answers: ``{"error": {"code", "message", "field"?}, "request_id"}``, and the headers beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from features.errors import (
    MethodNotAllowed,
    NoRelease,
    Overloaded,
    PrecedentError,
    TooManyRequests,
    Unauthenticated,
)
from serving.schemas import ErrorAnswer, ErrorDetail

JSON = "application/json"
_RETRY_SECONDS = 1
_RETRY_AFTER_RELEASE_SECONDS = 30


def internal() -> PrecedentError:
    """A fault of ours; what it was is in the log, under the request id."""
    return PrecedentError("Something went wrong here; the service's log tells more under this request_id.")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error ready to send."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...]


def error_answer(error: PrecedentError, request_id: str) -> ErrorAnswer:
    """An error as the contract's model."""
    detail = ErrorDetail(code=error.code, message=error.message, field=error.field)
    return ErrorAnswer(error=detail, request_id=request_id)


def error_json(answer: ErrorAnswer) -> bytes:
    """An error as JSON; ``field`` is left out where there is none."""
    return answer.model_dump_json(exclude_none=True).encode()


def problem(error: PrecedentError, request_id: str) -> Problem:
    """An error as status, body and headers."""
    headers = [("content-type", JSON)]
    if isinstance(error, Unauthenticated):
        headers.append(("www-authenticate", 'Bearer realm="precedent"'))
    if isinstance(error, MethodNotAllowed):
        headers.append(("allow", ", ".join(error.allowed)))
    if isinstance(error, (Overloaded, TooManyRequests)):
        headers.append(("retry-after", str(max(_RETRY_SECONDS, math.ceil(error.retry_seconds)))))
    elif error.status == Overloaded.status:
        seconds = _RETRY_AFTER_RELEASE_SECONDS if isinstance(error, NoRelease) else _RETRY_SECONDS
        headers.append(("retry-after", str(seconds)))
    return Problem(error.status, error_json(error_answer(error, request_id)), tuple(headers))
