"""``precedent evaluate``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, settings_of, workspace_option


@click.command()
@click.argument("release", required=False)
@workspace_option
@json_option
def evaluate(release: str | None, workspace: Path | None, as_json: bool) -> None:
    """Score RELEASE (default: the challenger) on the tickets it has not learned from, beside the champion."""
    from training.comparison import evaluate_release

    found = evaluate_release(settings_of(workspace), release)
    if as_json:
        print_json(found.to_json())
        return
    click.echo(f"Release {found.release_id} on {found.n} tickets that it has not learned from:")
    for line in found.lines():
        click.echo(f"  {line}")
    if found.comparison is not None:
        click.echo(f"Beside the champion {found.comparison.champion}: {found.comparison.reason}")
