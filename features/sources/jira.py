"""Jira: pages of the REST search, JSON Lines of issues, and the reduced form of the public Jira data set."""

from __future__ import annotations

import csv
import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import ijson

from features.errors import SourceUnreadable
from features.sources.base import RejectedRow, Row
from features.sources.bounded_json import BoundedStrings, holds_cut_string
from features.sources.case_builder import CaseBuilder
from features.sources.jira_issue import issue_lookup
from features.sources.jsonl import build_row, json_lines
from features.sources.mapping import ColumnMapping
from features.sources.open_text import MAX_ROW_CHARS, TextFile, Utf8Reader
from features.sources.vocabulary import JIRA_SEVERITY_NAMES
from features.ticket import Link, LinkType

PAIRS = "duplicate_pairs.csv"
_PAGE = re.compile(r'"issues"\s*:\s*\[')
_FILES = ("*.json", "*.jsonl", "*.json.gz", "*.jsonl.gz")


class JiraSource:
    """Issues from a file, or from a folder of files read by name.

    The category is the project; ``columns.category = "component"`` in the mapping takes the component instead. Jira's
    own names of priorities are known. Where a folder holds ``duplicate_pairs.csv`` (query_key, target_key), its pairs
    are the duplicates, and the issues' own lists are not read: their direction does not follow time.
    """

    def __init__(self, path: Path, mapping: ColumnMapping | None = None) -> None:
        mapping = mapping or ColumnMapping()
        self._path = path
        self._builder = CaseBuilder(mapping, JIRA_SEVERITY_NAMES)
        category = mapping.columns.category
        self._labels = frozenset({"project" if category == "category" else category, *mapping.targets.values()})
        self._files: list[TextFile] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Encoding faults and columns that no issue has, after reading."""
        return (*(note for file in self._files for note in file.notes), *self._builder.notes)

    def rows(self) -> Iterator[Row | RejectedRow]:
        """Read the issues; see :meth:`features.sources.base.Source.rows`.

        ``line`` is the line in JSON Lines, and the number of the issue within its file in pages. Reasons in a folder
        of several files begin with the file's name.
        """
        paths = _issue_files(self._path) if self._path.is_dir() else [self._path]
        pairs = _read_pairs(self._path / PAIRS) if self._path.is_dir() else None
        n_issues = 0
        for path in paths:
            prefix = f"{path.name}: " if len(paths) > 1 else ""
            self._files.append(TextFile(path))
            for line, issue in _issues(self._files[-1]):
                n_issues += 1
                row = issue if isinstance(issue, RejectedRow) else self._row(line, issue, pairs)
                yield dataclasses.replace(row, reason=prefix + row.reason) if isinstance(row, RejectedRow) else row
        if not n_issues:
            raise SourceUnreadable(
                f'There are no issues in {self._path}; give pages of the REST search ({{"issues": [...]}}) or JSON '
                "Lines of issues."
            )

    def _row(self, line: int, issue: Mapping[str, Any], pairs: Mapping[str, list[str]] | None) -> Row | RejectedRow:
        row = build_row(self._builder, line, lambda: issue_lookup(issue, labels=self._labels))
        if pairs is None or isinstance(row, RejectedRow):
            return row
        links = [Link(LinkType.DUPLICATE_OF, key) for key in pairs.get(row.case.id, ())]
        links += [link for link in row.case.links if link.type is not LinkType.DUPLICATE_OF]
        return Row(line, dataclasses.replace(row.case, links=tuple(links)))


def _issue_files(folder: Path) -> list[Path]:
    files = sorted({path for pattern in _FILES for path in folder.glob(pattern)})
    if not files:
        raise SourceUnreadable(f"The folder {folder} has no issues: no file named {', '.join(_FILES)}.")
    return files


def _read_pairs(path: Path) -> dict[str, list[str]] | None:
    """Earlier issues that a later one duplicates, by the later one's key."""
    if not path.is_file():
        return None
    pairs: defaultdict[str, list[str]] = defaultdict(list)
    reader = csv.DictReader(line.text or "" for line in TextFile(path).lines())
    if not {"query_key", "target_key"} <= set(reader.fieldnames or ()):
        raise SourceUnreadable(f"The file {path} lacks the column query_key or target_key; give both, or remove it.")
    for row in reader:
        if row["query_key"] and row["target_key"]:
            pairs[row["query_key"]].append(row["target_key"])
    return pairs


def _issues(file: TextFile) -> Iterator[tuple[int, dict[str, Any] | RejectedRow]]:
    """Issues of a file with their line or number, or why one cannot be used."""
    head = next((block.lstrip() for block in TextFile(file.path).blocks() if not block.isspace()), "")
    if _is_json_lines(head):
        yield from json_lines(file)
        return
    prefix = "item" if head.startswith("[") else "issues.item"
    number = 0
    strings = BoundedStrings(MAX_ROW_CHARS)
    try:
        text = Utf8Reader(strings.bounded(block) for block in file.blocks())
        for number, issue in enumerate(ijson.items(text, prefix, multiple_values=True, use_float=True), start=1):
            yield number, _usable(number, issue, may_be_cut=strings.n_cut > 0)
    except ijson.JSONError as error:
        raise SourceUnreadable(
            f"The JSON of {file.path} breaks off or is damaged after issue {number} ({_first_line(error)}); export it "
            "again and import once more: what was stored stays."
        ) from None


def _is_json_lines(head: str) -> bool:
    """Whether a file that begins so has an issue a line; pages may be on one line or on many."""
    first_line = head.partition("\n")[0].strip()
    return not (_PAGE.search(head) or head.startswith("[") or first_line == "{")


def _usable(number: int, issue: Any, *, may_be_cut: bool) -> dict[str, Any] | RejectedRow:
    if not isinstance(issue, dict):
        return RejectedRow(number, None, None, f"The issue is not a JSON object but {type(issue).__name__}.")
    if may_be_cut and holds_cut_string(issue):
        key = issue.get("key")
        reason = f"The issue holds a text of more than {MAX_ROW_CHARS:,} characters."
        return RejectedRow(number, key if isinstance(key, str) else None, None, reason)
    return issue


def _first_line(error: Exception) -> str:
    # yajl quotes the place in the text below its message.
    return str(error).strip().partition("\n")[0][:80]
