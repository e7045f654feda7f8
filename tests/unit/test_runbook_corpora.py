"""Runbook corpora: what a matcher must not see is gone, and nothing is unpacked."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path

import pytest

from evaluation.benchmarks.runbook_corpora import Alert, corpus_names, is_verbatim, read_corpus
from features.errors import NotEnoughData, SourceUnreadable


def write_corpus(folder: Path, files: dict[str, str], alerts: list[dict[str, object]]) -> None:
    with tarfile.open(folder / "team.tar.gz", "w:gz") as archive:
        for name, text in files.items():
            data = text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("evil.md")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with gzip.open(folder / "team-alerts.jsonl.gz", "wt") as file:
        file.writelines(json.dumps(row) + "\n" for row in alerts)


ALERT = {"title": "Queue is full", "description": "since long", "alert": "QueueFull"}


@pytest.mark.parametrize(
    ("text", "headings"),
    [
        ("# QueueFull\n\n## Meaning\nIt is full.\n\n## Fix\nEmpty it.", ["Meaning", "Fix"]),
        ("---\ntitle: QueueFull\nweight: 20\n---\n# QueueFull\n## Meaning\nIt is full.", ["Meaning"]),
        ("## QueueFull\nIt is full.\n## Fix\nEmpty it.", ["", "Fix"]),
        ("It is full.\n", [""]),
        ("# Meaning\nIt is full.\n# Fix\nEmpty it.", ["", "Fix"]),
    ],
)
def test_path_front_matter_and_first_heading_are_out_of_sight(tmp_path: Path, text: str, headings: list[str]):
    write_corpus(tmp_path, {"ops/QueueFull.md": text, "notes.txt": "no"}, [ALERT | {"runbook": "ops/QueueFull.md"}])
    corpus = read_corpus(tmp_path, "team")
    (runbook,) = corpus.runbooks
    assert runbook.id == "ops/QueueFull.md"
    assert runbook.title == ""
    assert [section.heading for section in runbook.sections] == headings
    assert "QueueFull" not in corpus.bodies[0]
    assert "QueueFull" not in "".join(section.heading + section.anchor + section.text for section in runbook.sections)


def test_alerts_without_a_runbook_are_passed_over_and_one_whose_file_is_missing_counts(tmp_path: Path):
    alerts = [ALERT | {"runbook": name} for name in ("./a.md", "a.md", None, "gone.md")]
    write_corpus(tmp_path, {"./a.md": "# A\ntext", "empty.md": "# nothing below"}, alerts)
    corpus = read_corpus(tmp_path, "team")
    assert [alert.runbook for alert in corpus.alerts] == ["a.md", "a.md", "gone.md"]
    assert len(corpus.runbooks) == 1
    assert corpus_names(tmp_path) == ["team"]


def test_no_alert_with_a_runbook_is_told_of(tmp_path: Path):
    write_corpus(tmp_path, {"a.md": "# A\ntext"}, [ALERT | {"runbook": None}])
    with pytest.raises(NotEnoughData, match="No alert in"):
        read_corpus(tmp_path, "team")


def test_a_broken_tarball_is_told_of(tmp_path: Path):
    (tmp_path / "team.tar.gz").write_bytes(b"not a tarball")
    with pytest.raises(SourceUnreadable, match=r"team.tar.gz cannot be read"):
        read_corpus(tmp_path, "team")


def test_a_tarball_without_alerts_is_no_corpus(tmp_path: Path):
    (tmp_path / "team.tar.gz").write_bytes(b"")
    assert corpus_names(tmp_path) == []


def test_verbatim_ignores_case_and_blanks():
    assert is_verbatim(Alert("Queue  is full", "", ""), "When the queue\nis FULL, wait.")
    assert not is_verbatim(Alert("", "", ""), "anything")
