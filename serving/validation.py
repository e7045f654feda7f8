"""From the bytes of a request to the models of the contract, or to an error that names the field and quotes no text.

JSON is read strictly: UTF-8, no NaN, at most :data:`MAX_DEPTH` levels; of a repeated key the last one counts. Halves of
surrogate pairs, which systems that cut texts leave behind, are dropped as :mod:`features.intake` drops them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from features.case_filter import CaseFilter
from features.errors import InvalidInput, InvalidTicket, PrecedentError, UnknownField
from features.ticket import Ticket
from serving.schemas import BatchRequest, SuggestRequest, TicketIn
from serving.suggester import Query

MAX_DEPTH = 16
MAX_WIDTH = 1_000
_MAX_SHOWN = 40
_NEAR = 0.7  # likeness of a misspelt name: "kind" is no "id", "subjet" is a "subject"
_TEXTS = frozenset({"subject", "description", "text", "resolution", "fields", "targets", "value"})
_BOUNDS = frozenset({"string_too_long", "too_long", "greater_than_equal", "less_than_equal", "string_pattern_mismatch"})
# Whole escapes are matched, so that the backslash of `\\ud800`, which is text, is not taken for the start of one.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\."
)

Model = TypeVar("Model", bound=BaseModel)


def parse_json(body: bytes) -> Any:
    """Parse a request's body.

    Raises
    ------
    InvalidInput
        If the body is not JSON, or is too deep or too wide to be a request of ours.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        value = _parse_again(body)
    _check_shape(value)
    return value


def parse(model: type[Model], body: bytes) -> Model:
    """Parse and validate a request's body; raises as :func:`parse_json` and :func:`validate`."""
    return validate(model, parse_json(body))


def parse_suggest_request(body: bytes) -> SuggestRequest:
    """Parse and validate the body of ``POST /v1/suggest``."""
    return parse(SuggestRequest, body)


def validate(model: type[Model], value: Any, prefix: Sequence[str | int] = ()) -> Model:
    """Validate parsed JSON.

    Parameters
    ----------
    prefix : sequence of str or int
        Where in the request the value stands, for the error's field.

    Raises
    ------
    UnknownField
        If there is a field that the contract does not have.
    InvalidTicket
        If a ticket or case breaks a bound.
    InvalidInput
        If anything else is wrong.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        # A name that is misspelt often leaves the right one missing: the misspelling is what to mend.
        first = next((detail for detail in details if detail["type"] == "extra_forbidden"), details[0])
        raise _translated(first, value, prefix, model) from None


def check_has_text(ticket: Ticket) -> None:
    """Refuse to store a ticket without a word: nothing could find it, and it may replace one that has some.

    Raises
    ------
    InvalidTicket
        If subject, description and messages are blank.
    """
    texts = (ticket.subject, ticket.description, *(message.text for message in ticket.messages))
    if not any(text.strip() for text in texts):
        raise InvalidTicket(
            "The case has no text; give its subject, its description or its messages.", field="description"
        )


def to_query(
    request: SuggestRequest | BatchRequest,
    ticket: TicketIn,
    *,
    access_groups: frozenset[str] | None = None,
    request_id: str | None = None,
) -> Query:
    """What the suggester is asked for one ticket of a request."""
    return Query(
        ticket=ticket.to_ticket(),
        top_k=request.top_k,
        filter=CaseFilter(
            product=request.filters.product,
            category=request.filters.category,
            customer=request.filters.customer,
            language=request.filters.language,
            access_group=request.filters.access_group,
            since=request.filters.since,
            until=request.filters.until,
        ),
        explain=request.explain,
        access_groups=access_groups,
        request_id=request_id,
        partial_ok=True,
    )


def _parse_again(body: bytes) -> Any:
    cleaned = _ESCAPE.sub(lambda match: b"" if match[1] else match[0], body)
    try:
        return orjson.loads(cleaned)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"The body is not valid JSON ({error}); send one JSON object in UTF-8.") from None


def _check_shape(value: Any) -> None:
    """Refuse what no request of ours looks like, before any time goes into it."""
    if not isinstance(value, dict):
        raise InvalidInput("The body is not a JSON object; send one as /openapi.json describes it.")
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise InvalidInput(f"The body is nested more than {MAX_DEPTH} levels deep; /openapi.json describes what is read.")


def _children(node: dict[str, Any] | list[Any]) -> Sequence[Any]:
    if len(node) > MAX_WIDTH:
        raise InvalidInput(
            f"The body has an object or a list of {len(node):,} entries, more than the {MAX_WIDTH:,} that any field "
            "takes; split the request."
        )
    return list(node.values()) if isinstance(node, dict) else node


@cache
def _field_names(model: type[BaseModel], path: tuple[str | int, ...]) -> tuple[str, ...]:
    """Names of the fields of what stands at a path of a request; none where that is no object of ours."""
    schema = model.model_json_schema()
    node = schema
    for part in path:
        node = _resolved(node, schema)
        node = node.get("items", {}) if isinstance(part, int) else node.get("properties", {}).get(part, {})
    return tuple(_resolved(node, schema).get("properties", ()))


def _resolved(node: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A part of a schema, or what it refers to; of a union, its first member, since the others are null."""
    if "anyOf" in node:
        node = node["anyOf"][0]
    return schema["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _translated(
    detail: ErrorDetails, value: Any, prefix: Sequence[str | int], model: type[BaseModel]
) -> PrecedentError:
    path, rest = _path(detail, value)
    field = ".".join(_name(part) for part in (*prefix, *path)) or None
    if detail["type"] == "extra_forbidden":
        names = _field_names(model, tuple(path[:-1])) if path else ()
        near = get_close_matches(str(path[-1])[:_MAX_SHOWN], names, 1, _NEAR) if names else []
        way_out = f"did you mean {near[0]}?" if near else "leave it out (/openapi.json lists them)."
        return UnknownField(f"The contract has no field {field}; {way_out}", field=field)
    if detail["type"] == "missing":
        return InvalidInput(f"The field {field} is missing; /openapi.json describes it.", field=field)
    is_of_ticket = "ticket" in field.split(".") or "case" in field.split(".") if field else False
    kind = InvalidTicket if detail["type"] in _BOUNDS and (is_of_ticket or "tickets" in prefix) else InvalidInput
    shown = "" if rest else _shown(detail, path)
    said = detail["msg"].removeprefix("Value error, ")  # which pydantic puts before what a validator of ours says
    message = said[:1].lower() + said[1:]
    return kind(f"{field or 'The body'} is wrong: {message}{shown}; /openapi.json describes it.", field=field)


def _path(detail: ErrorDetails, value: Any) -> tuple[list[str | int], bool]:
    """The part of an error's place that is in the request: a union's members and key markers are pydantic's own.

    Returns
    -------
    path : list of str or int
    rest : bool
        Whether the place goes on to a key, whose text must not be shown.
    """
    path: list[str | int] = []
    for part in detail["loc"]:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return ([*path, part], False) if detail["type"] == "missing" else (path, "[key]" in detail["loc"])
        path.append(part)
    return path, False


def _name(part: str | int) -> str:
    """A part of a field's name; one that a client made up is cut, and freed of what could forge a log's line."""
    text = str(part)
    return "".join(char if char.isprintable() else "?" for char in text[:100]) + ("…" if len(text) > 100 else "")


def _shown(detail: ErrorDetails, path: Sequence[str | int]) -> str:
    """The offending value, where it is short and no text of a ticket, nor perhaps one in a wrong place."""
    value = detail["input"]
    if any(part in _TEXTS for part in path):
        return ""
    is_misplaced = detail["type"].endswith("_type")
    if isinstance(value, bool | int | float) or (
        isinstance(value, str) and len(value) <= _MAX_SHOWN and not is_misplaced
    ):
        return f" (got {value!r})"
    return f" (got {_KINDS.get(type(value), 'something else')})"


_KINDS = {dict: "an object", list: "a list", str: "a text", type(None): "null"}
