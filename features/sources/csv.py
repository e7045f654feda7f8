"""CSV with a header, as spreadsheets and ticketing systems export it."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from features.errors import MappingInvalid, SourceUnreadable
from features.sources.base import RejectedRow, Row
from features.sources.case_builder import CaseBuilder
from features.sources.csv_records import Record, cut_records
from features.sources.jsonl import build_row
from features.sources.mapping import ColumnMapping
from features.sources.open_text import MAX_ROW_CHARS, TextFile

_DELIMITERS = (",", ";", "\t")


class CsvSource:
    """Tickets from a CSV file, gz or plain. Comma, semicolon or tab: the one that cuts the header into most columns."""

    def __init__(self, path: Path, mapping: ColumnMapping) -> None:
        self._file = TextFile(path)
        self._mapping = mapping
        self._builder = CaseBuilder(mapping)

    @property
    def notes(self) -> tuple[str, ...]:
        """Encoding faults and columns that were always blank, after reading."""
        return (*self._file.notes, *self._builder.notes)

    def rows(self) -> Iterator[Row | RejectedRow]:
        """Read the file; see :meth:`features.sources.base.Source.rows`.

        Raises
        ------
        MappingInvalid
            If the header lacks a column that the mapping names.
        """
        # The csv module's own bound (131,072 characters) is below what a pasted log takes, and is the process's.
        csv.field_size_limit(max(csv.field_size_limit(), MAX_ROW_CHARS))
        header, delimiter = self._header()
        for number, record in enumerate(cut_records(self._file.pieces(), delimiter)):
            if number > 0:
                yield self._row(record, header, delimiter)

    def _row(self, record: Record, header: list[str], delimiter: str) -> Row | RejectedRow:
        if record.is_open:
            reason = "A quote that opens in this record is never closed; rows after it could not be told apart."
        elif record.text is None:
            reason = f"The record is longer than {MAX_ROW_CHARS:,} characters."
        else:
            cells = _cells(record.text, delimiter)
            if len(cells) == len(header):
                row = dict(zip(header, cells, strict=True))
                return build_row(self._builder, record.line, lambda: row.get)
            reason = (
                f"The record has {len(cells)} cells and the header {len(header)}; quote cells that hold {delimiter!r}."
            )
        return RejectedRow(record.line, None, None, reason)

    def _header(self) -> tuple[list[str], str]:
        first = next(TextFile(self._file.path).lines(), None)
        if first is None or first.text is None:
            raise SourceUnreadable(f"The file {self._file.path} has no header; its first line must name the columns.")
        delimiter = max(_DELIMITERS, key=lambda one: len(_cells(first.text or "", one)))
        record = next(cut_records(TextFile(self._file.path).pieces(), delimiter))
        header = [cell.strip() for cell in _cells(record.text or "", delimiter)]
        if twice := sorted({name for name in header if name and header.count(name) > 1}):
            raise SourceUnreadable(
                f"The header of {self._file.path} has the column {twice[0]!r} twice; give each column its own name."
            )
        self._check_columns(header)
        return header, delimiter

    def _check_columns(self, header: list[str]) -> None:
        columns = self._mapping.columns
        # Columns that nobody named may be absent; the id never.
        named = {getattr(columns, ours) for ours in columns.model_fields_set} | {columns.id}
        wanted = named | set(self._mapping.fields) | set(self._mapping.targets.values())
        if missing := sorted(wanted - set(header) - {""}):
            raise MappingInvalid(
                f"The file {self._file.path} has no column {missing[0]!r}; it has {', '.join(header)}: "
                "name the right ones in the mapping."
            )


def _cells(record: str, delimiter: str) -> list[str]:
    return next(csv.reader([record], delimiter=delimiter), [])
