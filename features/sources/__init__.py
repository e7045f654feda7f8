"""Readers of ticket exports, one contract."""

from __future__ import annotations

from pathlib import Path

from features.errors import SourceUnreadable
from features.sources.base import Source
from features.sources.mapping import ColumnMapping

KINDS = ("jira", "jsonl", "csv")


def open_source(kind: str, path: Path, mapping: ColumnMapping | None = None) -> Source:
    """Open an export for reading.

    Parameters
    ----------
    kind : {"jira", "jsonl", "csv"}
        Its format.
    path : Path
        A file, gz or plain; for Jira also a folder.
    mapping : ColumnMapping, optional
        Which column is what; without one, columns have our own names.

    Raises
    ------
    SourceUnreadable
        If there is nothing at the path, it is of the wrong kind, or the format is unknown.
    """
    from features.sources.csv import CsvSource
    from features.sources.jira import JiraSource
    from features.sources.jsonl import JsonlSource

    if kind not in KINDS:
        raise SourceUnreadable(f"There is no source {kind!r}; choose one of {', '.join(KINDS)}.")
    if not path.exists():
        raise SourceUnreadable(f"There is nothing at {path}; check the path.")
    if path.is_dir() and kind != "jira":
        raise SourceUnreadable(f"{path} is a folder, and {kind} is read from a file; name the file.")
    if kind == "jira":
        return JiraSource(path, mapping)
    return (JsonlSource if kind == "jsonl" else CsvSource)(path, mapping or ColumnMapping())
