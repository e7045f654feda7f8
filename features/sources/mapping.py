"""The mapping file (TOML): which column is what, and how its values translate. See docs/import.md."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import UTC, tzinfo
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from features.errors import MappingInvalid
from features.sources.vocabulary import fold
from features.ticket import FixOutcome, Scalar, Severity, Status

UNIX_FORMATS = ("unix", "unix_ms")
T = TypeVar("T")
_Name = Annotated[str, StringConstraints(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Section):
    """Our name to the file's: a column of CSV, a dotted path in JSON. ``""`` reads nothing."""

    id: _Name = "id"
    version: str = "version"
    subject: str = "subject"
    description: str = "description"
    created_at: str = "created_at"
    messages: str = "messages"
    product: str = "product"
    customer: str = "customer"
    customer_tier: str = "customer_tier"
    channel: str = "channel"
    language: str = "language"
    access_group: str = "access_group"
    reporter: str = "reporter"
    fields: str = "fields"
    status: str = "status"
    resolved_at: str = "resolved_at"
    category: str = "category"
    severity: str = "severity"
    resolution: str = "resolution"
    outcome: str = "outcome"
    url: str = "url"
    links: str = "links"
    duplicate_of: str = "duplicate_of"
    not_duplicate_of: str = "not_duplicate_of"
    related: str = "related"
    runbook: str = "runbook"


class Translation(_Section, Generic[T]):
    """Values of a column to ours, compared without case; what is in neither this table nor our own list is unknown."""

    values: dict[str, T] = {}
    unknown: Literal["reject", "ignore"] = "reject"

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, table: Any) -> Any:
        """In the file, the values stand in the table itself, beside ``unknown``."""
        if not isinstance(table, dict):
            return table
        values = {name: value for name, value in table.items() if name != "unknown"}
        return {"values": values} | ({"unknown": table["unknown"]} if "unknown" in table else {})

    @field_validator("values")
    @classmethod
    def _fold(cls, values: dict[str, T]) -> dict[str, T]:
        return {fold(name): value for name, value in values.items()}


class ColumnMapping(_Section):
    """How a file's rows become cases.

    Attributes
    ----------
    columns : Columns
        What is not named keeps our own name.
    severity, status, outcome : Translation
        Before the names that are known anyway (:mod:`features.sources.vocabulary`).
    time_zone : str
        IANA name; of times that state no offset.
    date_formats : tuple of str
        ``strptime`` forms, ``unix`` (seconds) or ``unix_ms``, tried in order after ISO 8601.
    list_separator : str
        Between ids of links in one cell.
    fields : tuple of str
        Columns known at creation that are kept as structured fields of the ticket.
    targets : dict
        Further categorical targets: name to column (DESIGN, decision 8).
    constants : dict
        Our column to the value of rows that have none.
    """

    columns: Columns = Columns()
    severity: Translation[Severity] = Translation[Severity]()
    status: Translation[Status] = Translation[Status]()
    outcome: Translation[FixOutcome] = Translation[FixOutcome]()
    time_zone: str = "UTC"
    date_formats: tuple[_Name, ...] = ()
    list_separator: _Name = ","
    fields: tuple[_Name, ...] = ()
    targets: dict[_Name, _Name] = {}
    constants: dict[str, Scalar] = Field(default={})

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        if name != "UTC":
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise ValueError("is no IANA time zone, such as Europe/Berlin") from None
        return name

    @field_validator("date_formats")
    @classmethod
    def _known_formats(cls, formats: tuple[str, ...]) -> tuple[str, ...]:
        for form in formats:
            if form not in UNIX_FORMATS and "%" not in form:
                raise ValueError(f"{form!r} is neither unix, unix_ms nor a form like %d.%m.%Y %H:%M")
        return formats

    @field_validator("constants")
    @classmethod
    def _known_constants(cls, constants: dict[str, Scalar]) -> dict[str, Scalar]:
        for name in constants:
            if name not in Columns.model_fields or name in ("id", "version", "messages", "fields", "links"):
                raise ValueError(f"{name!r} cannot be constant; name one of our columns, such as product")
        return constants

    @cached_property
    def zone(self) -> tzinfo:
        """Of times that state no offset. UTC needs no time zone data on the machine."""
        return UTC if self.time_zone == "UTC" else ZoneInfo(self.time_zone)


def load_mapping(path: Path) -> ColumnMapping:
    """Read a mapping file.

    Raises
    ------
    MappingInvalid
        If the file cannot be read or parsed, a key is unknown, or a value is wrong; names the key and the value.
    """
    try:
        table: Mapping[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise MappingInvalid(f"The mapping {path} cannot be read ({error.strerror}); check the path.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MappingInvalid(f"The mapping {path} is not valid TOML: {error}; mend that place.") from None
    try:
        return ColumnMapping.model_validate(table)
    except ValidationError as error:
        raise _explain(path, error) from None


def _explain(path: Path, error: ValidationError) -> MappingInvalid:
    problem = error.errors(include_url=False)[0]
    parts = [str(part) for part in problem["loc"] if part != "values"]
    key = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        known = Columns.model_fields if parts[0] == "columns" else ColumnMapping.model_fields
        return MappingInvalid(
            f"The mapping {path} has an unknown key {key}; known ones are {', '.join(known)}.", field=key
        )
    reason = problem["msg"].removeprefix("Value error, ")
    return MappingInvalid(f"The mapping {path} is wrong at {key}: {reason} (got {problem['input']!r}).", field=key)
