"""The programs that load a real service: that what they print is there, and that the service bears it; no times."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from evaluation.benchmarks.soak import Record, Sample, figures


def printed(module: str, *arguments: str) -> dict:
    command = [sys.executable, "-m", f"evaluation.benchmarks.{module}", *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, timeout=120).stdout)


@pytest.mark.slow
def test_a_soak_finds_nothing_but_answers(workspace):
    found = printed("soak", str(workspace.workspace), "--minutes", "0.15")
    assert found["unexpected"] == {}
    assert found["workers"] == 1
    assert all(found["requests"][kind] for kind in ("suggest", "batch", "case", "feedback", "probe"))
    assert len(found["tenths"]) == 10


@pytest.mark.slow
def test_an_overload_is_answered_or_turned_away(workspace):
    found = printed("overload", str(workspace.workspace), "--times", "8", "--seconds", "2")
    for phase in ("capacity", "overload"):
        assert set(found[phase]["statuses"]) <= {"200", "503"}
        assert found[phase]["accepted_ms"] is not None
        assert found[phase]["refused_without_retry_after"] == 0


def test_growth_is_told_by_the_tenths_after_the_first():
    record = Record()
    for second in range(100):
        record.samples.append(Sample(second, 7, 90.0 if second < 10 else 100.0 + second // 10, 30, 12))
        record.answers["suggest"].append((float(second), 0.1 if second < 90 else 0.3, 200))
    record.samples.append(Sample(99.5, 8, 109.0, 31, 12))
    found = figures(record, 100.0)
    assert found["workers"] == 2
    assert found["descriptors_most"] == 31
    assert found["memory_change_after_warm_up"] == pytest.approx(109 / 101 - 1, abs=1e-4)
    assert [part["suggest"]["p50_ms"] for part in found["tenths"]] == [100.0] * 9 + [300.0]
    assert found["tenths"][0]["batch"] is None
