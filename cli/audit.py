"""``precedent audit verify|prune``."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import json_option, print_json, settings_of, workspace_option

if TYPE_CHECKING:
    from features.audit_check import Anchor, AuditReport


@click.group("audit")
def audit_group() -> None:
    """Check that journal and keys tell what happened, all of it and in its order."""


@audit_group.command()
@click.option(
    "--expect-head",
    "anchor",
    metavar="NUMBER:HASH",
    callback=lambda _context, _parameter, value: _anchor(value),
    default=None,
    help="A head printed earlier and kept elsewhere: the chain must still lead through it.",
)
@workspace_option
@json_option
def verify(anchor: Anchor | None, workspace: Path | None, as_json: bool) -> int:
    """Check the audit chain and the journal against it; exits 1 where something was changed, removed or put in."""
    from dataclasses import asdict

    from features.audit_check import verify as check
    from features.history import History

    with closing(History.open(settings_of(workspace).history_url)) as history:
        report = check(history, anchor)
    if as_json:
        print_json({"ok": report.fault is None, "head": f"{report.head_seq}:{report.head_hash}", **asdict(report)})
    else:
        click.echo(_sentences(report))
    return int(report.fault is not None)


@audit_group.command()
@click.option("--days", type=click.IntRange(0, 36_500), default=None, help="Default: the setting retention_days.")
@workspace_option
@json_option
def prune(days: int | None, workspace: Path | None, as_json: bool) -> None:
    """Remove entries of the journal and of the audit chain that are older than a number of days."""
    from dataclasses import asdict

    from features.history import History

    settings = settings_of(workspace)
    days = settings.journal.retention_days if days is None else days
    if days is None:
        raise click.UsageError("Give --days, or set retention_days under [journal].")
    with closing(History.open(settings.history_url)) as history:
        pruned = history.prune_journal(datetime.now(UTC) - timedelta(days=days))
    if as_json:
        print_json(asdict(pruned))
    else:
        click.echo(f"Removed {pruned.entries:,} entries and {pruned.rows:,} rows of the journal.")


def _anchor(value: str | None) -> Anchor | None:
    import re

    from features.audit_check import Anchor

    if value is None:
        return None
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-f]{64})", value.strip())
    if found is None:
        raise click.BadParameter(f"{value!r} is not a number, a colon and 64 hexadecimal digits")
    return Anchor(int(found[1]), found[2])


def _sentences(report: AuditReport) -> str:
    span = f", from {_time(report.first_at)} to {_time(report.last_at)}" if report.entries else ""
    n_texts = sum(report.texts.values())
    lines = [f"{report.entries:,} entries checked{span}; {n_texts:,} rows of the journal, {report.erased:,} erased."]
    if report.removed_through:
        lines.append(f"Entries up to number {report.removed_through} were removed by retention.")
    if report.unchained:
        lines.append(f"{report.unchained:,} rows of the journal are from before the chain began.")
    if report.fault is None:
        lines.append(f"Nothing was changed. Head: {report.head_seq}:{report.head_hash}")
    else:
        where = "The audit trail" if report.fault.seq is None else f"Entry {report.fault.seq}"
        lines.append(f"BROKEN. {where}: {report.fault.reason}.")
    return "\n".join(lines)


def _time(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else ""
