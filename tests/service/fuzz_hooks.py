"""Hooks of schemathesis for test_served_fuzz.py, which runs it as a process of its own."""

from __future__ import annotations

import re
from datetime import datetime

import schemathesis

_TIMEOUT, _LEAST_MS = "X-Request-Timeout-Ms", 20_000
_YEAR = re.compile(r"^\d{4}(?=-\d\d-\d\d[T ])")


@schemathesis.hook
def map_body(context: object, body: object) -> object:
    """Put the times of generated tickets into the past: nearly all would be refused for theirs, and get no further.

    What is no time stays as it is: of 2023-02-29, which is to be refused, another year would make a day.
    """
    if isinstance(body, dict):
        return {key: map_body(context, value) for key, value in body.items()}
    if isinstance(body, list):
        return [map_body(context, value) for value in body]
    return _YEAR.sub("2024", body) if isinstance(body, str) and _is_time(body) else body


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


@schemathesis.hook
def before_call(_context: object, case: schemathesis.Case, _kwargs: dict[str, object]) -> None:
    """Leave a request the time that it needs: one that asks for a millisecond gets the 504 that it asked for."""
    asked = str((case.headers or {}).get(_TIMEOUT, ""))
    if asked.isdecimal() and 0 < int(asked) < _LEAST_MS:
        case.headers[_TIMEOUT] = str(_LEAST_MS)
