"""``precedent follow``."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import click

from cli.common import json_option, print_json, say, settings_of, workspace_option


@click.command()
@click.option("--once", is_flag=True, help="Look once and end, for cron; exits 1 where the registry could not be had.")
@click.option(
    "--every",
    type=click.FloatRange(0.1, 86_400),
    default=30.0,
    show_default=True,
    help="Seconds between two looks.",
)
@workspace_option
@json_option
def follow(once: bool, every: float, workspace: Path | None, as_json: bool) -> None:
    """Serve the champion of the registry that the setting mlflow_url names, from whenever it changes."""
    from training.following import ChampionFollower
    from training.following import follow as run

    settings = settings_of(workspace, make=True)

    def tell(release_id: str | None) -> None:
        if as_json:
            print_json({"release": release_id or _served(settings.releases_dir), "changed": release_id is not None})
        else:
            click.echo(f"Champion is now {release_id}." if release_id else "In step with the champion.")

    if once:
        tell(ChampionFollower(settings).step())
        return
    is_over = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: is_over.set())
    run(
        settings,
        every_seconds=every,
        is_over=is_over,
        on_change=tell,
        on_trouble=lambda error: say(
            f"Going on with {_served(settings.releases_dir) or 'no release'}: {error.message}"
        ),
    )


def _served(releases_dir: Path) -> str | None:
    from features.release import current_release_id

    return current_release_id(releases_dir)
