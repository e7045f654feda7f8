"""Readers of the public layouts: Jira issues, status incidents, labelled texts.

What was known at creation goes into the ticket, every last state into the outcome, so that nothing that came later can
reach a query. Any folder of the same layout reads the same, whatever its projects, categories and dates.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from features.errors import NotEnoughData, SourceUnreadable
from features.ticket import Case, Outcome, Severity, Status, Ticket

ISSUES = "issues.jsonl.gz"
PAIRS = "duplicate_pairs.csv"
INCIDENTS = "incidents.jsonl.gz"
SPLIT_TICKETS = "tickets.jsonl.gz"
TRAIN, VALIDATION, TEST = "train.jsonl.gz", "val.jsonl.gz", "test.jsonl.gz"
OUTSIDE_VALIDATION, OUTSIDE_TEST = "oos_val.jsonl.gz", "oos_test.jsonl.gz"

COMPONENT = "component"
"""Name of the target that holds the component of an issue that has exactly one."""

_PRIORITIES = {
    "blocker": Severity.SEV1,
    "critical": Severity.SEV2,
    "major": Severity.SEV3,
    "minor": Severity.SEV4,
    "trivial": Severity.SEV4,
}
_IMPACTS = {"critical": Severity.SEV1, "major": Severity.SEV2, "minor": Severity.SEV3, "none": Severity.SEV4}


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """A ticket (``query``, the later one) that was said to be the same problem as an earlier one.

    ``is_easy`` marks pairs of identical summaries, and queries that name their target.
    """

    query: str
    target: str
    is_easy: bool


@dataclass(frozen=True, slots=True)
class Issues:
    """A Jira folder: cases by creation time, and its duplicate pairs between cases that are there."""

    cases: tuple[Case, ...]
    pairs: tuple[DuplicatePair, ...]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """A text, its label, and the part of the published split that it is in."""

    text: str
    label: str
    part: str


def read_issues(folder: Path, project: str | None = None) -> Issues:
    """Read a folder of the ``jira`` layout.

    Category is the project, severity the priority, and the target ``component`` the component of issues that have
    exactly one.

    Parameters
    ----------
    folder : Path
        Holds ``issues.jsonl.gz``, and ``duplicate_pairs.csv`` for what needs pairs.
    project : str, optional
        Keeps only this project's issues, and pairs within it.

    Raises
    ------
    SourceUnreadable
        If a file cannot be read; names the line.
    NotEnoughData
        If no issue is left.
    """
    with _fields_of(folder / ISSUES):
        rows = [row for row in read_rows(folder / ISSUES) if project is None or row["project"] == project]
        cases = sorted((_issue(row) for row in rows), key=lambda case: (_created(case), case.id))
    if not cases:
        raise NotEnoughData(f"{folder / ISSUES} has no issue of project {project!r}; name one that it has.")
    known = {case.id for case in cases}
    pairs = _read_pairs(folder / PAIRS) if (folder / PAIRS).exists() else []
    return Issues(
        cases=tuple(cases),
        pairs=tuple(p for p in pairs if p.query in known and p.target in known and p.query != p.target),
    )


def read_incidents(folder: Path) -> tuple[Case, ...]:
    """Read a folder of the ``github_status_incidents`` layout, by time; maintenance is no incident and left out."""
    with _fields_of(folder / INCIDENTS):
        cases = [_incident(row) for row in read_rows(folder / INCIDENTS) if row["impact"] in _IMPACTS]
        return tuple(sorted(cases, key=lambda case: (_created(case), case.id)))


def read_labelled(folder: Path) -> tuple[LabelledText, ...]:
    """Read a folder of texts with labels, of either layout.

    ``part`` is the published one (``train``, ``tune``, ``calibration``, ``test``) of ``tickets.jsonl.gz``, else the
    file's name (``train``, ``val``, ``test``, ``oos_val``, ``oos_test``).
    """
    if (folder / SPLIT_TICKETS).exists():
        with _fields_of(folder / SPLIT_TICKETS):
            rows = read_rows(folder / SPLIT_TICKETS)
            return tuple(LabelledText(row["text"] or "", row["category"], row["split"]) for row in rows)
    found: list[LabelledText] = []
    for name in (TRAIN, VALIDATION, TEST, OUTSIDE_VALIDATION, OUTSIDE_TEST):
        if (folder / name).exists():
            with _fields_of(folder / name):
                part = name.removesuffix(".jsonl.gz")
                found += [LabelledText(row["text"] or "", row["label"], part) for row in read_rows(folder / name)]
    return tuple(found)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of one JSON object a line, gzipped.

    Raises
    ------
    SourceUnreadable
        If the file is missing, is not gzip, or a line is no JSON object.
    """
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):  # noqa: B007  the number is for the message below
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ValueError("it is no object")
                    yield row
    except (OSError, EOFError, ValueError) as error:
        raise SourceUnreadable(
            f"{path} cannot be read at line {number} ({error}); it has to be gzipped JSON, one object a line."
        ) from None


@contextmanager
def _fields_of(path: Path) -> Iterator[None]:
    """Say which file is at fault where a row lacks a field or has another kind of value in it."""
    try:
        yield
    except KeyError as error:
        raise SourceUnreadable(f"{path} has a row without the field {error}; see what its layout asks for.") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise SourceUnreadable(f"{path} has a row with a value of another kind than its layout's ({error}).") from None


def _incident(row: Mapping[str, Any]) -> Case:
    return Case(
        ticket=Ticket(
            id=str(row["id"]),
            subject=row["title"] or "",
            description=row.get("first_update") or "",
            created_at=_time(row["started_at"]),
        ),
        outcome=_outcome(row.get("resolved_at"), severity=_IMPACTS[row["impact"]]),
    )


def _issue(row: Mapping[str, Any]) -> Case:
    components = row.get("components") or []
    return Case(
        ticket=Ticket(
            id=row["key"],
            subject=row["summary"] or "",
            description=row["description"] or "",
            created_at=_time(row["created"]),
            product=row["project"],
            reporter=row.get("reporter") or None,
        ),
        outcome=_outcome(
            row.get("resolved"),
            severity=_PRIORITIES.get(str(row.get("priority")).lower()),
            category=row["project"],
            targets={COMPONENT: components[0]} if len(components) == 1 else {},
        ),
    )


def _outcome(
    resolved: str | None,
    *,
    severity: Severity | None,
    category: str | None = None,
    targets: Mapping[str, str] | None = None,
) -> Outcome:
    return Outcome(
        status=Status.RESOLVED if resolved else Status.OPEN,
        resolved_at=_time(resolved) if resolved else None,
        severity=severity,
        category=category,
        targets=targets or {},
    )


def _read_pairs(path: Path) -> list[DuplicatePair]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [
                DuplicatePair(
                    query=row["query_key"],
                    target=row["target_key"],
                    is_easy="1" in (row["identical_summary"], row["query_mentions_target"]),
                )
                for row in csv.DictReader(file)
            ]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise SourceUnreadable(
            f"{path} cannot be read ({error}); it has to be CSV with query_key, target_key, identical_summary and "
            "query_mentions_target."
        ) from None


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text)
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _created(case: Case) -> datetime:
    return case.ticket.created_at or datetime.min.replace(tzinfo=UTC)
