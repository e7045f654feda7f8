"""Hooks of schemathesis for test_served_fuzz.py, which runs it as a process of its own."""

from __future__ import annotations

import re

import schemathesis

_TIMEOUT, _LEAST_MS = "X-Request-Timeout-Ms", 20_000
_YEAR = re.compile(r"^\d{4}(?=-\d\d-\d\d[T ])")


@schemathesis.hook
def map_body(context: object, body: object) -> object:
    """Put the times of generated tickets into the past: nearly all would be refused for theirs, and get no further."""
    if isinstance(body, dict):
        return {key: map_body(context, value) for key, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return _YEAR.sub("2024", body) if isinstance(body, str) else body


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case, _kwargs: dict[str, object]) -> None:
    """Leave a request the time that it needs: one that asks for a millisecond gets the 504 that it asked for."""
    asked = str((case.headers or {}).get(_TIMEOUT, ""))
    if asked.isdecimal() and 0 < int(asked) < _LEAST_MS:
        case.headers[_TIMEOUT] = str(_LEAST_MS)
