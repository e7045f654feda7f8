"""Every benchmark on every folder that fits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evaluation.benchmarks.bench import Bench, On
from evaluation.benchmarks.category import category_benchmark
from evaluation.benchmarks.readers import INCIDENTS, ISSUES, PAIRS, SPLIT_TICKETS, TEST, TRAIN
from evaluation.benchmarks.runbook_corpora import corpus_names
from evaluation.benchmarks.runbooks import runbooks_benchmark
from evaluation.benchmarks.severity import severity_benchmark
from evaluation.benchmarks.similar import similar_benchmark
from features.errors import NotFound

TASKS = ("category", "severity", "similar", "runbooks")


def fits(task: str, folder: Path) -> bool:
    """Whether a folder has the files that a task reads."""

    def has(*names: str) -> bool:
        return all((folder / name).is_file() for name in names)

    match task:
        case "category":
            return has(ISSUES) or has(SPLIT_TICKETS) or has(TRAIN, TEST)
        case "severity":
            return has(ISSUES) or has(INCIDENTS)
        case "similar":
            return has(ISSUES, PAIRS)
        case _:
            return bool(corpus_names(folder))


def run_task(
    bench: Bench, task: str, folder: Path, *, on: On | None = None, label: str = "project", project: str | None = None
) -> dict[str, object]:
    """Run one task on one folder.

    Parameters
    ----------
    on : "tune" or "test", optional
        Default: the category benchmark tunes, since that is what one does while developing; severity tests.

    Raises
    ------
    NotFound
        If the folder is not of a layout that the task reads.
    """
    if not fits(task, folder):
        raise NotFound(f"{folder} holds no files of a layout that the {task} benchmark reads; see docs/benchmarks.md.")
    bench = bench.fresh()
    match task:
        case "category":
            result = category_benchmark(bench, folder, on=on or "tune", label=label, project=project)
        case "severity":
            result = severity_benchmark(bench, folder, on=on or "test", project=project)
        case "similar":
            result = similar_benchmark(bench, folder, project=project)
        case _:
            result = runbooks_benchmark(bench, folder)
    finite: dict[str, object] = _finite(result)
    return finite


def run_all(bench: Bench, root: Path, *, on: On | None = None) -> dict[str, dict[str, dict[str, object]]]:
    """Run every task on each subfolder that fits.

    Returns
    -------
    dict
        ``{task: {folder name: result}}``.

    Raises
    ------
    NotFound
        If no folder fits any task.
    """
    folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
    results: dict[str, dict[str, dict[str, object]]] = {}
    for task in TASKS:
        for folder in folders:
            if fits(task, folder):
                bench.progress(f"== {task} on {folder.name}")
                results.setdefault(task, {})[folder.name] = run_task(bench, task, folder, on=on)
    if not results:
        raise NotFound(f"No folder in {root} is of a layout that a benchmark reads; see docs/benchmarks.md.")
    return results


def _finite(value: Any) -> Any:
    """The same with null for what is not a number: JSON has no NaN."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
