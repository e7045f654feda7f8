"""``precedent keys create|list|rotate|revoke``."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.common import json_option, print_json, settings_of, workspace_option

if TYPE_CHECKING:
    from serving.keys import ApiKey, NewKey

_SCOPES = ("suggest", "write", "report", "admin")


@click.group("keys")
def keys_group() -> None:
    """Who may call the service. A key is shown once, when it is made; only its hash is kept."""


@keys_group.command()
@click.option("--label", required=True, help="What the key is for.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(_SCOPES),
    multiple=True,
    default=("suggest", "write"),
    show_default=True,
    help="What it may do; may be given several times.",
)
@click.option(
    "--group", "groups", multiple=True, help="Access group whose cases it may see; may be given several times."
)
@click.option("--all-groups", is_flag=True, help="It may see the cases of every access group.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="Days until it expires (default: never).")
@workspace_option
@json_option
def create(
    label: str,
    scopes: tuple[str, ...],
    groups: tuple[str, ...],
    all_groups: bool,
    days: int | None,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Make a key. Without --group it sees only the cases of no access group."""
    from features.audit_chain import COMMAND_LINE
    from features.history import History
    from serving.keys import create_key

    if all_groups and groups:
        raise click.UsageError("Give --group or --all-groups, not both.")
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    with closing(History.open(settings_of(workspace, make=True).history_url)) as history:
        made = create_key(
            history,
            label=label,
            scopes=scopes,
            groups=None if all_groups else groups,
            expires_at=expires_at,
            actor=COMMAND_LINE,
        )
    _show(made, as_json)


@keys_group.command("list")
@workspace_option
@json_option
def list_command(workspace: Path | None, as_json: bool) -> None:
    """List the keys, revoked and expired ones too."""
    from features.history import History
    from serving.keys import list_keys

    with closing(History.open(settings_of(workspace).history_url)) as history:
        keys = list_keys(history)
    if as_json:
        print_json([_row(key) for key in keys])
        return
    now = datetime.now(UTC)
    for key in keys:
        state = "valid" if key.is_valid(now) else "revoked" if key.revoked_at else "expired"
        click.echo(f"{key.key_id}  {state:8}  {','.join(sorted(key.scopes)):24}  {key.label}")
    if not keys:
        click.echo("No keys yet: make one with 'precedent keys create --label NAME'.")


@keys_group.command()
@click.argument("key_id")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, 8760),
    default=24,
    show_default=True,
    help="How long the old key stays valid.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=None,
    help="Days until the new key expires (default: as many as the old one was made for).",
)
@workspace_option
@json_option
def rotate(key_id: str, overlap_hours: int, days: int | None, workspace: Path | None, as_json: bool) -> None:
    """Replace the key KEY_ID by a new one of the same rights; the old one expires after the overlap."""
    from features.audit_chain import COMMAND_LINE
    from features.history import History
    from serving.keys import rotate_key

    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    overlap = timedelta(hours=overlap_hours)
    with closing(History.open(settings_of(workspace).history_url)) as history:
        made = rotate_key(history, key_id, overlap=overlap, expires_at=expires_at, actor=COMMAND_LINE)
    _show(made, as_json)


@keys_group.command()
@click.argument("key_id")
@workspace_option
@json_option
def revoke(key_id: str, workspace: Path | None, as_json: bool) -> None:
    """Revoke the key KEY_ID; running services refuse it within about a second."""
    from features.audit_chain import COMMAND_LINE
    from features.history import History
    from serving.keys import revoke_key

    with closing(History.open(settings_of(workspace).history_url)) as history:
        key = revoke_key(history, key_id, actor=COMMAND_LINE)
    if as_json:
        print_json(_row(key))
    else:
        click.echo(f"Revoked {key.key_id} ({key.label}).")


def _show(made: NewKey, as_json: bool) -> None:
    if as_json:
        print_json({**_row(made.key), "token": made.token})
    else:
        click.echo(made.token)
        click.echo("Keep it: it is not shown again. Send it as the header X-API-Key.", err=True)


def _row(key: ApiKey) -> dict[str, Any]:
    return {
        "key_id": key.key_id,
        "label": key.label,
        "scopes": sorted(key.scopes),
        "groups": None if key.groups is None else sorted(key.groups),
        "created_at": key.created_at.isoformat(),
        "expires_at": key.expires_at.isoformat() if key.expires_at else None,
        "revoked_at": key.revoked_at.isoformat() if key.revoked_at else None,
    }
