"""``precedent backup`` and ``precedent restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import json_option, print_json, say, settings_of, workspace_option

if TYPE_CHECKING:
    from features.backup_format import BackupManifest

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.argument("path", type=_FILE)
@click.option("--without-history", is_flag=True, help="Leave out a history that is kept in a database of its own.")
@workspace_option
@json_option
def backup(path: Path, without_history: bool, workspace: Path | None, as_json: bool) -> None:
    """Write everything but derived indexes and exported pages into the file PATH; services may go on meanwhile."""
    from features.backup import write_backup

    settings = settings_of(workspace)
    manifest = write_backup(settings, path, with_history=not without_history)
    if as_json:
        print_json({"path": path, "bytes": path.stat().st_size, **_told(manifest)})
        return
    click.echo(
        f"Backed up {settings.workspace} into {path}: {_counted(manifest)}, {path.stat().st_size / 1e6:,.1f} MB."
    )
    say("It holds the secret key of the pseudonyms and every ticket: keep it as you keep the workspace.")


@click.command()
@click.argument("path", type=_FILE)
@workspace_option
@json_option
def restore(path: Path, workspace: Path | None, as_json: bool) -> None:
    """Make a workspace out of the backup PATH; the folder must be empty or not be there."""
    from features.restore import restore_backup
    from features.settings import load_settings

    target = load_settings(workspace).workspace
    manifest = restore_backup(path, target)
    if as_json:
        print_json({"workspace": target, **_told(manifest)})
        return
    click.echo(f"Restored {target} as of {manifest.made_at:%Y-%m-%d %H:%M:%S %Z}: {_counted(manifest)}.")
    if manifest.has_history:
        say("Tickets that were erased since then are in it again: erase them again.")
    else:
        say("The history is not in this backup: restore its database, and name it in the setting database_url.")
    say(f"Look at it with 'precedent doctor --workspace {target}'.")


def _told(manifest: BackupManifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "made_by": manifest.made_by,
        "history": manifest.has_history,
        "change": manifest.change,
        "release": manifest.release,
        "files": len(manifest.files),
    }


def _counted(manifest: BackupManifest) -> str:
    history = f"the history up to change {manifest.change}" if manifest.has_history else "no history"
    return f"{history}, release {manifest.release or 'none'}, {len(manifest.files):,} files"
