"""``precedent erase``."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import json_option, print_json, say, settings_of, system_option, workspace_option
from features.errors import NoRelease, PrecedentError

if TYPE_CHECKING:
    from features.settings import Settings


@click.command()
@click.option("--ticket", "ticket_id", required=True, help="Id of the ticket in its ticketing system.")
@system_option
@workspace_option
@json_option
def erase(ticket_id: str, system: str | None, workspace: Path | None, as_json: bool) -> None:
    """Erase a ticket from history, vectors, journal and index; running services drop it within a second."""
    from features.audit_chain import COMMAND_LINE
    from features.history import History

    settings = settings_of(workspace)
    with closing(History.open(settings.history_url)) as history:
        change = history.erase(ticket_id, system=system or settings.system, actor=COMMAND_LINE)
    _renew_indexes(settings)
    pages = [path for path in settings.exports_dir.glob("*.html") if ticket_id in path.read_text(encoding="utf-8")]
    if as_json:
        print_json({"id": ticket_id, "change": change, "exports": pages})
        return
    click.echo(f"Erased {ticket_id} (change {change}); running services drop it within a second.")
    for path in pages:
        click.echo(f"The exported page {path} may show it: delete the page, or export it again.")


def _renew_indexes(settings: Settings) -> None:
    """Bring the champion's index up to date on disk; other indexes, which still hold the ticket, go."""
    from features.snapshot import remove_other_snapshots
    from serving.assemble import assemble

    renewed = None
    try:
        with closing(assemble(settings)) as opened:
            renewed = opened.parts.index.folder
    except NoRelease:
        pass
    except PrecedentError as error:
        say(f"The index is left out, and is built again when it is needed: {error.message}")
    remove_other_snapshots(settings.index_dir, renewed)
