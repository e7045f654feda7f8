"""Folders of a benchmark's layout that are too small or odd get one sentence, not a traceback."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.benchmarks.readers import read_incidents, read_issues, read_labelled
from evaluation.dataset import LabelledRows
from features.errors import NotEnoughData, SourceUnreadable
from training.folds import fit_triage_in_folds
from training.params import TrainingParams

ISSUE = {"key": "A-1", "project": "A", "summary": "s", "description": "d", "created": "2020-01-01T00:00:00Z"}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path.parent


def test_an_issue_without_a_project(tmp_path: Path) -> None:
    folder = write(tmp_path / "issues.jsonl.gz", [{name: ISSUE[name] for name in ISSUE if name != "project"}])
    with pytest.raises(SourceUnreadable, match="row without the field 'project'"):
        read_issues(folder)


def test_an_issue_with_a_date_that_is_none(tmp_path: Path) -> None:
    folder = write(tmp_path / "issues.jsonl.gz", [ISSUE | {"created": "yesterday"}])
    with pytest.raises(SourceUnreadable, match="value of another kind"):
        read_issues(folder)


def test_a_project_that_is_not_there(tmp_path: Path) -> None:
    folder = write(tmp_path / "issues.jsonl.gz", [ISSUE])
    with pytest.raises(NotEnoughData, match="no issue of project 'B'"):
        read_issues(folder, "B")


def test_an_incident_without_a_title(tmp_path: Path) -> None:
    folder = write(tmp_path / "incidents.jsonl.gz", [{"id": "1", "impact": "minor", "started_at": ISSUE["created"]}])
    with pytest.raises(SourceUnreadable, match="row without the field 'title'"):
        read_incidents(folder)


def test_a_text_without_a_label(tmp_path: Path) -> None:
    folder = write(tmp_path / "train.jsonl.gz", [{"text": "x"}])
    with pytest.raises(SourceUnreadable, match="row without the field 'label'"):
        read_labelled(folder)


def test_rows_of_one_fold() -> None:
    with pytest.raises(NotEnoughData, match="near-duplicates of one another"):
        fit_triage_in_folds(LabelledRows((), (), (), {}), np.zeros(3, dtype=np.int64), TrainingParams())
