"""What is installed from a wheel works without the checkout: an editable install would hide what the wheel lacks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "tests" / "golden" / "misclassification.json"

# Run beside nothing of the checkout; each line fails where the wheel lacks a file that it needs.
USES = """
import sys
from pathlib import Path
import cli, evaluation, features, serving, training
installed = Path(sys.argv[1])
for package in (cli, evaluation, features, serving, training):
    assert Path(package.__file__).is_relative_to(installed), package.__file__
from cli.demo import samples_folder
samples = samples_folder()
assert samples.is_relative_to(installed), samples
assert len((samples / "tickets.jsonl").read_text(encoding="utf-8").splitlines()) > 600
from features.history import History
from features.runbook_sources import read_runbooks
history = History.open(f"sqlite:///{sys.argv[2]}/history.db")  # migrates
history.replace_runbooks(read_runbooks(samples / "runbooks").runbooks)
assert len(history.runbooks()) >= 14
history.close()
import json
from evaluation.report.contents import MisclassificationReport
from evaluation.report.page import render
report = MisclassificationReport.from_json(json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
assert "<h1" in render(report)
"""


@pytest.mark.slow
def test_a_wheel_holds_all_that_it_needs(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    wheels, target, elsewhere = tmp_path / "wheels", tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    build = [*pip, "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    wheel = next(wheels.glob("precedent-*.whl"))
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--target", str(target), str(wheel)], check=True)
    # The path of the target stands before that of the editable install.
    environment = {**os.environ, "PYTHONPATH": str(target)}
    used = subprocess.run(
        [sys.executable, "-c", USES, str(target), str(elsewhere), str(REPORT)],
        cwd=elsewhere,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert used.returncode == 0, used.stderr
