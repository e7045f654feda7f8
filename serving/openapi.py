"""The OpenAPI document, made of the same table and models that the service runs on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, Literal

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from serving.metrics import CONTENT_TYPE
from serving.problems import JSON
from serving.request_head import IDEMPOTENCY_HEADER, MAX_IDEMPOTENCY_CHARS, MAX_MILLISECONDS, TIMEOUT_HEADER
from serving.routes import ROUTES, Access, ReadyAnswer, Route
from serving.schemas import ErrorAnswer

_REF = "#/components/schemas/{model}"
_SECURITY: list[dict[str, list[str]]] = [{"key": []}, {"bearer": []}]
_Mode = Literal["validation", "serialization"]
_Schemas = Mapping[Any, dict[str, Any]]  # by model and mode


@lru_cache(maxsize=1)
def openapi_json() -> bytes:
    """The document as JSON."""
    return orjson.dumps(openapi())


def openapi() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    wanted: list[tuple[type[BaseModel], _Mode]] = [(ErrorAnswer, "serialization")]
    for route in ROUTES:
        if route.request is not None:
            wanted.append((route.request, "validation"))
        if route.answer is not None:
            wanted.append((route.answer, "serialization"))
    schemas, definitions = models_json_schema(wanted, ref_template=_REF)
    paths: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for route in ROUTES:
        paths[route.template][route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Precedent",
            "version": version("precedent"),
            "description": "Tells a support team what a new ticket is and what resolved the last one like it.",
        },
        "paths": paths,
        "components": {
            "schemas": definitions["$defs"],
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _operation(route: Route, schemas: _Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": _operation_id(route),
        "security": {Access.OPEN: [], Access.MORE_WITH_KEY: [{}, *_SECURITY], Access.KEY: _SECURITY}[route.access],
        "responses": _responses(route, schemas),
    }
    if route.scope is not None:
        operation["description"] = f"Needs a key with the scope `{route.scope}` or `admin`."
    if parameters := _parameters(route):
        operation["parameters"] = parameters
    if route.request is not None:
        content = {JSON: {"schema": schemas[route.request, "validation"]}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(route: Route) -> list[dict[str, Any]]:
    parameters: list[dict[str, Any]] = []
    if "{id}" in route.template:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "string"}})
    if route.lane is not None:
        about = "How long the caller waits, in milliseconds; the service's own limit holds beside it."
        schema: dict[str, Any] = {"type": "integer", "minimum": 1, "maximum": MAX_MILLISECONDS}
        parameters.append({"name": TIMEOUT_HEADER, "in": "header", "description": about, "schema": schema})
    if route.applies_once:
        about = "Names a write, which is then applied once however often it is sent; a UUID for one."
        schema = {"type": "string", "minLength": 1, "maxLength": MAX_IDEMPOTENCY_CHARS, "pattern": "^[!-~]+$"}
        parameters.append({"name": IDEMPOTENCY_HEADER, "in": "header", "description": about, "schema": schema})
    return parameters


def _operation_id(route: Route) -> str:
    words = [word for word in route.template.removesuffix(".json").split("/") if word not in ("", "v1", "{id}")]
    return "_".join([route.method.lower(), *words])


def _responses(route: Route, schemas: _Schemas) -> dict[str, Any]:
    responses: dict[str, Any] = {"200": _answer(route, schemas)}
    by_status: defaultdict[int, set[str]] = defaultdict(set)
    for error in route.all_errors:
        by_status[error.status].add(error.code)
    for status, codes in sorted(by_status.items()):
        responses[str(status)] = {
            "description": f"{HTTPStatus(status).phrase}: {', '.join(sorted(codes))}",
            "content": {JSON: {"schema": schemas[ErrorAnswer, "serialization"]}},
        }
    if route.answer is ReadyAnswer:
        either = [schemas[ReadyAnswer, "serialization"], schemas[ErrorAnswer, "serialization"]]
        responses["503"] = {"description": "Not ready", "content": {JSON: {"schema": {"anyOf": either}}}}
    return responses


def _answer(route: Route, schemas: _Schemas) -> dict[str, Any]:
    if route.answer is not None:
        content = {JSON: {"schema": schemas[route.answer, "serialization"]}}
    elif route.template == "/metrics":
        content = {CONTENT_TYPE: {"schema": {"type": "string"}}}
    else:
        content = {JSON: {"schema": {"type": "object"}}}
    return {"description": "OK", "content": content}
