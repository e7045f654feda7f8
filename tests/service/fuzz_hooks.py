"""Hooks of schemathesis for test_served_fuzz.py, which runs it as a process of its own."""

from __future__ import annotations

import re

import schemathesis

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
def map_headers(context: object, headers: dict[str, str] | None) -> dict[str, str] | None:
    """Leave a request the time that it needs: one that asks for a millisecond gets the 504 that it asked for."""
    name = "X-Request-Timeout-Ms"
    return {**headers, name: "20000"} if headers and str(headers.get(name, "")).isdecimal() else headers
