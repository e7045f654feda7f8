"""``precedent report misclassification``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, settings_of, workspace_option


@click.group("report")
def report_group() -> None:
    """Reports for leads."""


@report_group.command()
@click.option("--release", "release_id", default=None, help="Release to report on (default: the newest trained).")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where to write the page (default: exports/ in the workspace).",
)
@workspace_option
@json_option
def misclassification(release_id: str | None, out: Path | None, workspace: Path | None, as_json: bool) -> None:
    """Where a release is wrong, on which tickets, and what to do: one HTML page, or its figures as JSON.

    The page joins masked texts of its examples from the history; it is a copy that you keep or delete.
    """
    from training.comparison import known_release
    from training.export import export_page, read_report

    settings = settings_of(workspace)
    chosen = known_release(settings, release_id)
    if as_json:
        print_json(read_report(settings, chosen).to_json())
    else:
        click.echo(f"Report: {export_page(settings, chosen, out)}")
