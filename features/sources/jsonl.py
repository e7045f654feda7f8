"""JSON Lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from features.errors import SourceUnreadable
from features.sources.base import RejectedRow, Row
from features.sources.case_builder import CaseBuilder, Lookup
from features.sources.mapping import ColumnMapping
from features.sources.open_text import MAX_ROW_CHARS, TextFile
from features.sources.values import RowFault

# What odd values raise in the standard library. One row must never stop the others.
_UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)


class JsonlSource:
    """Tickets from a JSON Lines file, gz or plain. Blank lines are passed over."""

    def __init__(self, path: Path, mapping: ColumnMapping) -> None:
        self._file = TextFile(path)
        self._builder = CaseBuilder(mapping)

    @property
    def notes(self) -> tuple[str, ...]:
        """Encoding faults and columns that no row has, after reading."""
        return (*self._file.notes, *self._builder.notes)

    def rows(self) -> Iterator[Row | RejectedRow]:
        """Read the file; see :meth:`features.sources.base.Source.rows`."""
        for number, value in json_lines(self._file):
            if isinstance(value, RejectedRow):
                yield value
            else:
                yield build_row(self._builder, number, partial(path_lookup, value))


def build_row(builder: CaseBuilder, line: int, read: Callable[[], Lookup]) -> Row | RejectedRow:
    """Build the case of a row, or say why there is none.

    Parameters
    ----------
    read : callable
        Gives access to the row's values.
    """
    case_id = None
    try:
        at = read()
        case_id = builder.case_id(at)
        return Row(line, builder.build(at))
    except RowFault as fault:
        return RejectedRow(line, case_id, fault.field, fault.reason)
    except _UNFORESEEN as error:
        return RejectedRow(line, case_id, None, f"The row has a value of a wrong form ({type(error).__name__}).")


def json_lines(file: TextFile) -> Iterator[tuple[int, dict[str, Any] | RejectedRow]]:
    """Parse a file line by line: each line's number, with its object or why there is none.

    Raises
    ------
    SourceUnreadable
        If the file is one JSON array.
    """
    is_first = True
    for number, text in file.lines():
        if text is None:
            yield number, RejectedRow(number, None, None, f"The line is longer than {MAX_ROW_CHARS:,} characters.")
        elif text.strip():
            if is_first and text.lstrip().startswith("["):
                raise SourceUnreadable(
                    f"The file {file.path} is one JSON array, not JSON Lines; write one object a line: "
                    "jq -c '.[]' FILE > FILE.jsonl"
                )
            yield number, _parse(number, text)
        is_first = is_first and not (text is None or text.strip())


def path_lookup(value: Mapping[str, Any]) -> Lookup:
    """Values of a JSON object by key, else by dotted path; a number in it counts the elements of a list from 0.

    Examples
    --------
    >>> at = path_lookup({"a.b": 1, "a": {"b": 2, "c": [{"d": 3}]}})
    >>> at("a.b"), at("a.c.0.d"), at("a.x.y")
    (1, 3, None)
    """

    def at(path: str) -> Any:
        if path in value or "." not in path:
            return value.get(path)
        found: Any = value
        for part in path.split("."):
            if isinstance(found, dict):
                found = found.get(part)
            elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
                found = found[int(part)]
            else:
                return None
        return found

    return at


def _parse(number: int, text: str) -> dict[str, Any] | RejectedRow:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            # orjson refuses the half of a surrogate pair that other writers leave where they cut an emoji in two.
            value = json.loads(text, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            # The message of a JSONDecodeError tells the place and never quotes the text.
            return RejectedRow(number, None, None, f"The line is not valid JSON: {error}.")
    if not isinstance(value, dict):
        return RejectedRow(number, None, None, f"The line is not a JSON object but {type(value).__name__}.")
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")
