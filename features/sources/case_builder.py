"""From the values of one row to a case: the part that all readers share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, TypeVar

from features.sources.mapping import ColumnMapping
from features.sources.values import RowFault, show, to_int, to_label, to_list, to_text, to_time
from features.sources.vocabulary import OUTCOME_NAMES, SEVERITY_NAMES, STATUS_NAMES, look_up
from features.ticket import Author, Case, FixOutcome, Link, LinkType, Message, Outcome, Scalar, Severity, Status, Ticket

T = TypeVar("T")

_LINK_COLUMNS = tuple((link_type, link_type.value) for link_type in LinkType)

# The value of one of the file's own columns or paths; None where the row has none.
Lookup = Callable[[str], Any]


class CaseBuilder:
    """Builds cases after a mapping.

    Parameters
    ----------
    mapping : ColumnMapping
        Which column is what.
    severity_names : mapping
        Names of severities that hold where the mapping says nothing.
    """

    def __init__(self, mapping: ColumnMapping, severity_names: Mapping[str, Severity] = SEVERITY_NAMES) -> None:
        self._mapping = mapping
        self._columns = dict(mapping.columns)
        self._severities = {**severity_names, **mapping.severity.values}
        self._statuses = {**STATUS_NAMES, **mapping.status.values}
        self._outcomes = {**OUTCOME_NAMES, **mapping.outcome.values}
        # A column that the mapping names and that no row has is most likely misspelt.
        named = {getattr(mapping.columns, ours) for ours in mapping.columns.model_fields_set} - {""}
        self._never_met = named | set(mapping.fields) | set(mapping.targets.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know after the last row."""
        return tuple(
            f"No row has a value in {column!r}, which the mapping names; check its spelling."
            for column in sorted(self._never_met)
        )

    def build(self, at: Lookup) -> Case:
        """Build the case of one row.

        Raises
        ------
        RowFault
            If the row cannot be used; with the field and the value at fault.
        """
        row = _Row(self._mapping, self._columns, self._watched(at) if self._never_met else at)
        outcome = self._outcome(row)
        ticket = _ticket(row, self.case_id(row.at))
        if ticket.created_at and outcome.resolved_at and outcome.resolved_at < ticket.created_at:
            raise RowFault(
                "resolved_at",
                f"The resolved_at {outcome.resolved_at.isoformat()} lies before the created_at "
                f"{ticket.created_at.isoformat()}.",
            )
        return Case(ticket=ticket, outcome=outcome, links=_links(row))

    def case_id(self, at: Lookup) -> str:
        """Read the row's id.

        Raises
        ------
        RowFault
            If there is none.
        """
        case_id = to_label("id", at(self._mapping.columns.id))
        if case_id is None:
            raise RowFault("id", f"The row has no id (column {self._mapping.columns.id!r}).")
        return case_id

    def _watched(self, at: Lookup) -> Lookup:
        def watched(column: str) -> Any:
            value = at(column)
            if not _is_blank(value):
                self._never_met.discard(column)
            return value

        return watched

    def _outcome(self, row: _Row) -> Outcome:
        resolved_at = row.time("resolved_at")
        resolution = row.text("resolution")
        status = _translate("status", row, self._statuses)
        if status is None:
            is_over = resolved_at is not None or bool(resolution and not resolution.isspace())
            status = Status.RESOLVED if is_over else Status.OPEN
        return Outcome(
            status=status,
            resolved_at=resolved_at,
            category=row.label("category"),
            severity=_translate("severity", row, self._severities),
            targets=row.targets(),
            resolution=resolution,
            outcome=_translate("outcome", row, self._outcomes) or FixOutcome.UNKNOWN,
            url=row.label("url"),
        )


class _Row:
    """The values of a row, by our names."""

    def __init__(self, mapping: ColumnMapping, columns: Mapping[str, str], at: Lookup) -> None:
        self.mapping = mapping
        self.columns = columns
        self.constants = mapping.constants
        self.at = at

    def raw(self, name: str) -> Any:
        column = self.columns[name]
        value = self.at(column) if column else None
        return self.constants.get(name) if value is None or _is_blank(value) else value

    def text(self, name: str) -> str | None:
        return to_text(name, self.raw(name))

    def label(self, name: str) -> str | None:
        return to_label(name, self.raw(name))

    def time(self, name: str) -> datetime | None:
        return self.parse_time(name, self.raw(name))

    def parse_time(self, field: str, value: Any) -> datetime | None:
        return to_time(field, value, self.mapping.zone, self.mapping.date_formats)

    def targets(self) -> Mapping[str, str]:
        labels = {name: to_label(name, self.at(column)) for name, column in self.mapping.targets.items()}
        return MappingProxyType({name: label for name, label in labels.items() if label is not None})

    def fields(self) -> Mapping[str, Scalar]:
        values = self.raw("fields")
        if values is not None and not isinstance(values, dict):
            raise RowFault("fields", "The fields are not an object of names and values.")
        values = {**(values or {}), **{column: self.at(column) for column in self.mapping.fields}}
        scalars = {name: _scalar(f"fields.{name}", value) for name, value in values.items()}
        return MappingProxyType({name: value for name, value in scalars.items() if value is not None})


def _is_blank(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _ticket(row: _Row, case_id: str) -> Ticket:
    ticket = Ticket(
        id=case_id,
        version=to_int("version", row.raw("version")),
        subject=row.text("subject") or "",
        description=row.text("description") or "",
        created_at=row.time("created_at"),
        messages=_messages(row),
        product=row.label("product"),
        customer=row.label("customer"),
        customer_tier=row.label("customer_tier"),
        channel=row.label("channel"),
        language=row.label("language"),
        access_group=row.label("access_group"),
        reporter=row.label("reporter"),
        fields=row.fields(),
    )
    if not ticket.messages and not ticket.subject.strip() and not ticket.description.strip():
        raise RowFault("subject", "The row has no text: subject, description and messages are blank.")
    return ticket


def _translate(name: str, row: _Row, names: Mapping[str, T]) -> T | None:
    label = row.label(name)
    if label is None:
        return None
    value = look_up(label, names)
    if value is None and getattr(row.mapping, name).unknown == "reject":
        raise RowFault(
            name, f"The {name} {show(label)} is unknown; translate it under [{name}] in the mapping, or ignore it."
        )
    return value


def _messages(row: _Row) -> tuple[Message, ...]:
    values = row.raw("messages")
    if values is None:
        return ()
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RowFault("messages", "The messages are not a list of objects with at, by and text.")
    messages = (_message(row, f"messages.{number}", value) for number, value in enumerate(values))
    return tuple(message for message in messages if message.text.strip())


def _message(row: _Row, field: str, value: Mapping[str, Any]) -> Message:
    moment = row.parse_time(f"{field}.at", value.get("at"))
    if moment is None:
        raise RowFault(f"{field}.at", f"The {field}.at is missing.")
    author = value.get("by")
    if author not in ("customer", "agent"):
        raise RowFault(f"{field}.by", f"The {field}.by {show(author)} is neither customer nor agent.")
    return Message(at=moment, by=Author(author), text=to_text(f"{field}.text", value.get("text")) or "")


def _links(row: _Row) -> tuple[Link, ...]:
    links = [
        Link(link_type, case_id)
        for link_type, name in _LINK_COLUMNS
        if (value := row.raw(name)) is not None
        for case_id in to_list(name, value, row.mapping.list_separator)
    ]
    values = row.raw("links") or []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise RowFault("links", "The links are not a list of objects with type and id.")
    links.extend(_link(f"links.{number}", value) for number, value in enumerate(values))
    return tuple(dict.fromkeys(links))


def _link(field: str, value: Mapping[str, Any]) -> Link:
    link_type, case_id = value.get("type"), to_label(f"{field}.id", value.get("id"))
    if case_id is None:
        raise RowFault(f"{field}.id", f"The {field}.id is missing.")
    try:
        return Link(LinkType(str(link_type)), case_id)
    except ValueError:
        known = ", ".join(known.value for known in LinkType)
        raise RowFault(f"{field}.type", f"The {field}.type {show(link_type)} is unknown; there are {known}.") from None


def _scalar(field: str, value: Any) -> Scalar | None:
    if isinstance(value, list):
        return ", ".join(to_list(field, value, ",")) or None
    if value is None or isinstance(value, str | int | float | bool):
        return value if value != "" else None
    raise RowFault(field, f"The {field} is an object; map one of its parts (name.part).")
