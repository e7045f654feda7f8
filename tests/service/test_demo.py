"""The demo, whole: import, train, report, serve, ask; with the hashing encoder, so that it is quick."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def demo(workspace: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli.main", "demo", "--once", "--workspace", str(workspace)]
    environ = {**os.environ, "PRECEDENT_SERVICE__PORT": "0"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, env=environ)


@pytest.mark.slow
def test_the_demo_serves_a_suggestion_and_does_nothing_twice(tmp_path: Path):
    workspace = tmp_path / "a folder with blanks"
    workspace.mkdir()
    (workspace / "precedent.toml").write_text('encoder = "hashing"\n')
    first = demo(workspace)
    assert first.returncode == 0, first.stderr
    assert "630 tickets read (630 new" in first.stderr
    assert "Service ready at http://127.0.0.1:" in first.stderr
    for part in (
        "A new ticket comes in:",
        "Category ",
        "Severity ",
        "Similar cases",
        "Runbooks",
        "The service is stopped",
    ):
        assert part in first.stdout
    report = next(line.split(maxsplit=1)[1] for line in first.stdout.splitlines() if line.startswith("Report"))
    assert Path(report).read_text(encoding="utf-8").startswith("<!doctype html>")
    assert str(workspace / "mlflow" / "mlflow.db") in first.stdout
    second = demo(workspace)
    assert second.returncode == 0, second.stderr
    assert "(0 new, 630 as they were)" in second.stderr
    assert "has learned from this history already" in second.stderr
    assert len(list((workspace / "releases").glob("*/manifest.json"))) == 1


def test_the_demo_keeps_out_of_a_workspace_with_other_tickets(workspace):
    done = demo(workspace.workspace)
    assert done.returncode == 1
    assert "holds 30 tickets of its own: give the demo a folder of its own with --workspace" in done.stderr
