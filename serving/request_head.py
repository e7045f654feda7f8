"""What a request's head says: the key, the type of the body, how long the caller waits, by which key it may repeat."""

from __future__ import annotations

import re
from email.message import Message

from starlette.datastructures import Headers

from features.errors import InvalidInput, WrongContentType
from serving.problems import JSON

TIMEOUT_HEADER = "X-Request-Timeout-Ms"
IDEMPOTENCY_HEADER = "Idempotency-Key"
MAX_MILLISECONDS = 999_999_999
MAX_IDEMPOTENCY_CHARS = 200
_MAX_SHOWN = 40
_MILLISECONDS = re.compile(r"0*[1-9][0-9]{0,8}")
_IDEMPOTENCY_KEY = re.compile(rf"[!-~]{{1,{MAX_IDEMPOTENCY_CHARS}}}")


def token(headers: Headers) -> str | None:
    """The API key that came as ``X-API-Key`` or as a bearer token."""
    if (key := headers.get("x-api-key")) is not None:
        return key.strip()
    scheme, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if scheme.lower() == "bearer" else None


def check_type(headers: Headers) -> None:
    """Refuse a body that is not said to be plain JSON in UTF-8.

    Raises
    ------
    WrongContentType
        If it is not.
    """
    declared = Message()  # HTTP has the syntax of this header from mail (RFC 9110, 8.3)
    declared["content-type"] = headers.get("content-type", "")
    is_utf_8 = declared.get_content_charset("") in ("", "utf-8", "utf8")
    is_plain = headers.get("content-encoding", "").strip().lower() in ("", "identity")
    if declared.get_content_type() != JSON or not is_utf_8 or not is_plain:
        raise WrongContentType("The body's type is not understood; send JSON as application/json, uncompressed.")


def time_limit(headers: Headers, longest: float) -> float:
    """Seconds until the caller gives up: as it says, and ``longest`` at most.

    Raises
    ------
    InvalidInput
        If what it says is no whole number of milliseconds, from 1.
    """
    wanted = headers.get(TIMEOUT_HEADER)
    if wanted is None:
        return longest
    if not _MILLISECONDS.fullmatch(wanted):
        raise InvalidInput(
            f"The header {TIMEOUT_HEADER} is {wanted[:_MAX_SHOWN]!r}; send a whole number of milliseconds, from 1.",
            field=TIMEOUT_HEADER,
        )
    return min(longest, int(wanted) / 1000)


def idempotency_key(headers: Headers) -> str | None:
    """The key under which a write is applied once; None where none was sent.

    Raises
    ------
    InvalidInput
        If it is empty, too long or not visible ASCII.
    """
    key = headers.get(IDEMPOTENCY_HEADER)
    if key is not None and not _IDEMPOTENCY_KEY.fullmatch(key):
        raise InvalidInput(
            f"The header {IDEMPOTENCY_HEADER} is {key[:_MAX_SHOWN]!r}; send 1 to {MAX_IDEMPOTENCY_CHARS} visible ASCII "
            "characters, a UUID for one.",
            field=IDEMPOTENCY_HEADER,
        )
    return key
