"""``precedent erase``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import click

from cli.common import json_option, print_json, settings_of, system_option, workspace_option


@click.command()
@click.option("--ticket", "ticket_id", required=True, help="Id of the ticket in its ticketing system.")
@system_option
@workspace_option
@json_option
def erase(ticket_id: str, system: str | None, workspace: Path | None, as_json: bool) -> None:
    """Erase a ticket from history, vectors and journal; every index follows, in running services too."""
    from features.history import History

    settings = settings_of(workspace)
    with closing(History.open(settings.history_url)) as history:
        change = history.erase(ticket_id, system=system or settings.system)
    if as_json:
        print_json({"id": ticket_id, "change": change})
    else:
        click.echo(f"Erased {ticket_id} (change {change}); running services drop it within a second.")
