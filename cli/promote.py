"""``precedent promote`` and ``precedent rollback``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import json_option, print_json, say, settings_of, workspace_option

if TYPE_CHECKING:
    from training.comparison import Comparison


@click.command()
@click.argument("release", required=False)
@click.option("--force", is_flag=True, help="Promote without asking the gate.")
@workspace_option
@json_option
def promote(release: str | None, force: bool, workspace: Path | None, as_json: bool) -> None:
    """Make RELEASE (default: the challenger) the champion; a running service follows within a second."""
    from training.promotion import promote as run

    settings = settings_of(workspace)
    chosen = run(settings, release, force=force, on_comparison=_say_passed)
    if as_json:
        print_json({"champion": chosen})
    else:
        click.echo(f"Champion is now {chosen}.")


def _say_passed(comparison: Comparison) -> None:
    # A refusal holds the reason already.
    if comparison.passed:
        say(comparison.reason)


@click.command()
@workspace_option
@json_option
def rollback(workspace: Path | None, as_json: bool) -> None:
    """Serve the release that was served before the current one."""
    from training.promotion import rollback as run

    chosen = run(settings_of(workspace))
    if as_json:
        print_json({"champion": chosen})
    else:
        click.echo(f"Back to {chosen}.")
