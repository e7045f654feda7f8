"""``precedent index stats|verify|rebuild|compact``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import json_option, print_json, settings_of, workspace_option

if TYPE_CHECKING:
    from serving.assemble import Workspace


@click.group("index")
def index_group() -> None:
    """The case index: derived from the history, so it can always be rebuilt."""


@index_group.command()
@workspace_option
@json_option
def stats(workspace: Path | None, as_json: bool) -> None:
    """Size, memory, watermark, and the kind of the vectors' index."""
    with _opened(workspace) as opened:
        found = opened.parts.index.stats()
        last_change = opened.history.last_change()
    if as_json:
        print_json(
            {
                "watermark": found.watermark,
                "last_change": last_change,
                "n_cases": found.n_cases,
                "n_resolved": found.n_resolved,
                "n_dead_slots": found.n_dead_slots,
                "n_segments": found.n_segments,
                "kind": found.kind,
                "dense_bytes_a_case": found.dense_bytes_a_case,
                "n_bytes": dict(found.n_bytes),
                "snapshot": found.snapshot,
            }
        )
        return
    click.echo(
        f"{found.n_cases:,} cases, {found.n_resolved:,} of them resolved; at change {found.watermark} of {last_change}"
    )
    for name, size in found.n_bytes.items():
        click.echo(f"  {name:13} {size / 1e6:8.1f} MB")
    click.echo(f"  vectors of kind {found.kind}, {found.dense_bytes_a_case:.0f} bytes of memory a case")
    click.echo(
        f"  {found.n_dead_slots:,} dead slots, {found.n_segments} text segments, snapshot {found.snapshot or 'none'}"
    )


@index_group.command()
@workspace_option
@json_option
def verify(workspace: Path | None, as_json: bool) -> int:
    """Hold the index against the history, the snapshots against their hashes, and searches against exact ones.

    Exits 1 on a problem.
    """
    from features.index_check import damaged_snapshots

    # Looked at first: opening passes over a damaged snapshot and replaces it.
    folders = sorted(settings_of(workspace).index_dir.glob("*"))
    damaged = [problem for folder in folders for problem in damaged_snapshots(folder)]
    with _opened(workspace) as opened:
        report = opened.parts.index.verify(opened.history)
    report = replace(report, problems=(*damaged, *report.problems))
    if as_json:
        print_json(
            {
                "sound": report.is_sound,
                "n_cases": report.n_cases,
                "n_history": report.n_history,
                "watermark": report.watermark,
                "last_change": report.last_change,
                "kind": report.kind,
                "recall_at_10": report.recall_at_10,
                "problems": report.problems,
            }
        )
    elif report.is_sound:
        click.echo(f"Sound: {report.n_cases:,} cases in the index and in the history, at change {report.watermark}.")
        click.echo(f"Vectors of kind {report.kind}: recall@10 {report.recall_at_10:.3f} against exact search.")
    else:
        for problem in report.problems:
            click.echo(problem)
        click.echo("Mend it with 'precedent index rebuild'.")
    return int(not report.is_sound)


@index_group.command()
@workspace_option
@json_option
def rebuild(workspace: Path | None, as_json: bool) -> None:
    """Build the index afresh from the history; vectors that are known are not embedded again."""
    from features.case_index import CaseIndex

    with _opened(workspace) as opened:
        parts = opened.parts
        fresh = CaseIndex.create(parts.index.folder, parts.encoder, parts.statistics)
        try:
            fresh.replay(opened.history)
            path = fresh.snapshot()
            n_cases = len(fresh)
        finally:
            fresh.close()
    _tell("Rebuilt", n_cases, path, as_json)


@index_group.command()
@workspace_option
@json_option
def compact(workspace: Path | None, as_json: bool) -> None:
    """Leave behind what changes and erasures have left, and write a snapshot."""
    with _opened(workspace) as opened:
        index = opened.parts.index
        index.compact()
        path = index.snapshot()
        n_cases = len(index)
    _tell("Compacted", n_cases, path, as_json)


def _tell(done: str, n_cases: int, path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"n_cases": n_cases, "snapshot": path.name})
    else:
        click.echo(f"{done}: {n_cases:,} cases, snapshot {path.name}.")


@contextmanager
def _opened(workspace: Path | None) -> Iterator[Workspace]:
    from serving.assemble import assemble

    opened = assemble(settings_of(workspace))
    try:
        yield opened
    finally:
        opened.close()
