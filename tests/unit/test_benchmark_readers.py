"""Public layouts: what is read into the ticket, what into the outcome, and what a broken file gets."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evaluation.benchmarks.readers import COMPONENT, read_incidents, read_issues, read_labelled, read_rows
from features.errors import NotEnoughData, SourceUnreadable
from features.ticket import Severity

PAIRS_HEADER = "query_key,target_key,query_created,target_created,identical_summary,query_mentions_target"


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def issue(key: str, day: int, **fields: object) -> dict[str, object]:
    return {
        "key": key,
        "project": key.split("-")[0],
        "created": f"2012-03-{day:02d}T10:00:00Z",
        "resolved": None,
        "priority": "Major",
        "components": [],
        "reporter": "ann",
        "summary": f"Summary of {key}",
        "description": None,
        **fields,
    }


def test_issues_come_by_time_with_last_states_in_the_outcome(tmp_path: Path):
    write_rows(
        tmp_path / "issues.jsonl.gz",
        [
            issue("ABC-2", 5, priority="Blocker", resolved="2012-04-01T00:00:00+0200", components=["core"]),
            issue("ABC-1", 2, priority="Unset", components=["core", "ui"], description="It fails."),
        ],
    )
    first, second = read_issues(tmp_path).cases
    assert [first.id, second.id] == ["ABC-1", "ABC-2"]
    assert first.ticket.description == "It fails."
    assert first.outcome.severity is None, "a priority of another scheme is no severity"
    assert first.outcome.targets == {}, "an issue of two components has no one component"
    assert second.outcome.severity is Severity.SEV1
    assert second.outcome.resolved_at == datetime(2012, 3, 31, 22, tzinfo=UTC)
    assert second.outcome.targets == {COMPONENT: "core"}
    assert second.ticket.product == second.outcome.category == "ABC"


def test_pairs_are_those_of_the_issues_that_are_kept(tmp_path: Path):
    write_rows(tmp_path / "issues.jsonl.gz", [issue(key, 1) for key in ("ABC-1", "ABC-2", "ABC-3", "XYZ-1")])
    rows = ["ABC-2,ABC-1,,,1,0", "ABC-3,ABC-1,,,0,0", "XYZ-1,ABC-1,,,0,1", "ABC-3,ABC-9,,,0,0", "ABC-3,ABC-3,,,0,0"]
    (tmp_path / "duplicate_pairs.csv").write_text("\n".join([PAIRS_HEADER, *rows]))
    everything, one = read_issues(tmp_path), read_issues(tmp_path, "ABC")
    assert [(p.query, p.target, p.is_easy) for p in everything.pairs] == [
        ("ABC-2", "ABC-1", True),
        ("ABC-3", "ABC-1", False),
        ("XYZ-1", "ABC-1", True),
    ]
    assert [p.query for p in one.pairs] == ["ABC-2", "ABC-3"]


def test_a_project_that_is_not_there_is_named(tmp_path: Path):
    write_rows(tmp_path / "issues.jsonl.gz", [issue("ABC-1", 1)])
    with pytest.raises(NotEnoughData, match="no issue of project 'NOPE'"):
        read_issues(tmp_path, "NOPE")


def test_incidents_leave_out_maintenance_and_later_updates(tmp_path: Path):
    incident = {"id": 7, "title": "Trouble", "first_update": None, "started_at": "2024-01-02T00:00:00Z"}
    later = {"resolved_at": "2024-01-03T00:00:00Z", "resolution_text": "secret", "updates": [["x", "y", "secret"]]}
    write_rows(
        tmp_path / "incidents.jsonl.gz",
        [incident | later | {"impact": "critical"}, incident | later | {"id": 8, "impact": "maintenance"}],
    )
    (case,) = read_incidents(tmp_path)
    assert (case.id, case.outcome.severity) == ("7", Severity.SEV1)
    assert "secret" not in repr(case)
    assert case.ticket.description == ""


def test_labelled_texts_of_both_layouts(tmp_path: Path):
    write_rows(tmp_path / "train.jsonl.gz", [{"text": "a", "label": "x"}])
    write_rows(tmp_path / "oos_test.jsonl.gz", [{"text": "b", "label": "oos"}])
    assert [(row.text, row.label, row.part) for row in read_labelled(tmp_path)] == [
        ("a", "x", "train"),
        ("b", "oos", "oos_test"),
    ]
    write_rows(tmp_path / "tickets.jsonl.gz", [{"id": 0, "text": None, "category": "x", "split": "tune"}])
    assert [(row.text, row.label, row.part) for row in read_labelled(tmp_path)] == [("", "x", "tune")]


@pytest.mark.parametrize("content", [b"plain text", gzip.compress(b'{"a": 1}\n[2]\n'), gzip.compress(b'{"a": 1}')[:-4]])
def test_a_file_that_is_no_gzipped_json_lines_says_where(tmp_path: Path, content: bytes):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(content)
    with pytest.raises(SourceUnreadable, match=r"rows.jsonl.gz cannot be read at line \d"):
        list(read_rows(path))


def test_pairs_without_the_columns_say_which_they_need(tmp_path: Path):
    write_rows(tmp_path / "issues.jsonl.gz", [issue("ABC-1", 1)])
    (tmp_path / "duplicate_pairs.csv").write_text("query_key,target_key\nABC-1,ABC-1\n")
    with pytest.raises(SourceUnreadable, match="query_mentions_target"):
        read_issues(tmp_path)
