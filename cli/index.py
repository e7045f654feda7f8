"""``precedent index stats|verify|rebuild|compact``."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import counting, json_option, print_json, progress, settings_of, workspace_option

if TYPE_CHECKING:
    from features.case_index import IndexStats
    from features.index_check import IndexReport
    from serving.assemble import OpenIndex

_PARTS = {
    "dense": "vectors, in memory",
    "dense_on_disk": "vectors, on disk",
    "forward": "terms, in memory",
    "fulltext": "inverted index, on disk",
    "snapshot": "snapshot, on disk",
}


@click.group("index")
def index_group() -> None:
    """The case index: derived from the history, so it can always be rebuilt."""


@index_group.command()
@workspace_option
@json_option
def stats(workspace: Path | None, as_json: bool) -> None:
    """Size, memory, watermark, and the kind of the vectors' index with its recall, on a sample."""
    from serving.assemble import open_index

    with closing(open_index(settings_of(workspace))) as opened:
        _replay(opened)
        found = opened.index.stats()
        last_change = opened.history.last_change()
    if as_json:
        print_json({**asdict(found), "dense_bytes_a_case": found.dense_bytes_a_case, "last_change": last_change})
        return
    for line in _stats_lines(found, last_change):
        click.echo(line)


def _stats_lines(found: IndexStats, last_change: int) -> list[str]:
    lines = [
        f"{found.n_cases:,} cases, {found.n_resolved:,} of them resolved; at change {found.watermark} of {last_change}"
    ]
    lines += [f"  {size / 1e6:8.1f} MB  {_PARTS.get(name, name)}" for name, size in found.n_bytes.items()]
    recall = _recall(found.recall_at_10)
    lines.append(f"  vectors of kind {found.kind}, {found.dense_bytes_a_case:.0f} bytes of memory a case{recall}")
    lines.append(f"  {found.n_dead_slots:,} dead slots, {found.n_segments} text segments")
    if found.snapshot is None:
        lines.append("  no snapshot: the next start takes every case in anew; 'precedent index rebuild' writes one")
    else:
        lines.append(f"  snapshot {found.snapshot}, at change {found.snapshot_watermark}")
    return lines


@index_group.command()
@workspace_option
@json_option
def verify(workspace: Path | None, as_json: bool) -> int:
    """Hold the index on disk against history and hashes, and its searches against exact ones, on a sample.

    Changes nothing; exits 1 on a problem.
    """
    from features.index_check import damaged_snapshots
    from serving.assemble import open_index

    settings = settings_of(workspace)
    with closing(open_index(settings)) as opened:
        report = opened.index.verify(opened.history)
        others = [folder for folder in sorted(settings.index_dir.glob("*")) if folder != opened.index.folder]
    problems = [*report.problems, *(problem for folder in others for problem in damaged_snapshots(folder))]
    if as_json:
        print_json({**asdict(report), "problems": problems, "sound": not problems})
    else:
        for line in problems or _sound(report):
            click.echo(line)
        if problems:
            click.echo("Mend it with 'precedent index rebuild', and then restart the service if one runs.")
    return int(bool(problems))


def _recall(recall_at_10: float | None) -> str:
    return "" if recall_at_10 is None else f", recall@10 {recall_at_10:.3f} against exact search on a sample"


def _sound(report: IndexReport) -> list[str]:
    if report.n_cases == 0 < report.n_history:
        return ["There is no snapshot to verify; 'precedent index rebuild' writes one, and so does the next start."]
    behind = report.last_change - report.watermark
    to_come = f"; later changes, which every start takes in: {behind:,}" if behind else ""
    return [
        f"Sound: {report.n_cases:,} cases, as in the history at change {report.watermark}{to_come}.",
        f"Vectors of kind {report.kind}{_recall(report.recall_at_10)}.",
    ]


@index_group.command()
@workspace_option
@json_option
def rebuild(workspace: Path | None, as_json: bool) -> None:
    """Build the index afresh from the history; vectors that are known are not embedded again."""
    from features.snapshot import remove_damaged_snapshots
    from serving.assemble import open_index

    settings = settings_of(workspace)
    with closing(open_index(settings, is_empty=True)) as opened:
        _replay(opened)
        path, n_cases = opened.index.snapshot(), len(opened.index)
    remove_damaged_snapshots(settings.index_dir)
    _tell("Rebuilt", n_cases, path, as_json)


@index_group.command()
@workspace_option
@json_option
def compact(workspace: Path | None, as_json: bool) -> None:
    """Leave behind what changes and erasures have left, and write a snapshot."""
    from serving.assemble import open_index

    with closing(open_index(settings_of(workspace))) as opened:
        _replay(opened)
        opened.index.compact()
        path, n_cases = opened.index.snapshot(), len(opened.index)
    _tell("Compacted", n_cases, path, as_json)


def _replay(opened: OpenIndex) -> None:
    with progress("Taking in changes") as update:
        opened.index.build(opened.history, counting(update))


def _tell(done: str, n_cases: int, path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"n_cases": n_cases, "snapshot": path.name})
    else:
        click.echo(f"{done}: {n_cases:,} cases, snapshot {path.name}.")
