"""``precedent import tickets`` and ``precedent import runbooks``."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import (
    counting,
    json_option,
    print_json,
    progress,
    say,
    settings_of,
    system_option,
    workspace_option,
)

if TYPE_CHECKING:
    from features.history_runbooks import RunbookChanges
    from features.importing import ImportResult
    from features.runbooks import RunbookImport

_INDEX_PAGES = frozenset(["readme", "index"])
"""Ids of a Markdown library's front page."""


@click.group("import")
def import_group() -> None:
    """Bring tickets or runbooks into the history. Importing again changes only what has changed."""


@import_group.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--source", "kind", type=click.Choice(["jira", "jsonl", "csv"]), required=True, help="Format of PATH.")
@click.option(
    "--mapping",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="TOML file: which column is what (docs/import.md).",
)
@system_option
@workspace_option
@json_option
def tickets(
    path: Path, kind: str, mapping: Path | None, system: str | None, workspace: Path | None, as_json: bool
) -> int:
    """Import tickets from PATH (a file, gz or plain, or a folder for jira).

    Rows that cannot be used go to a rejects file with their line and reason; they never stop the good ones. Exits 1
    when there was no good one.
    """
    from features.history import History
    from features.importing import import_tickets
    from features.intake import open_intake
    from features.sources import open_source
    from features.sources.mapping import load_mapping

    source = open_source(kind, path, load_mapping(mapping) if mapping else None)
    settings = settings_of(workspace, make=True)
    name = path.resolve().name.split(".")[0]
    rejects = settings.rejects_dir / f"{name}-{time.strftime('%Y%m%dT%H%M%S')}.jsonl"
    with closing(History.open(settings.history_url)) as history, progress("Importing tickets") as update:
        result = import_tickets(
            source.rows(),
            history,
            open_intake(settings),
            system=system or settings.system,
            rejects_path=rejects,
            progress=counting(update),
        )
    for note in source.notes:
        say(note)
    _tell(result, as_json)
    return int(0 < result.read == result.rejected)


def _tell(result: ImportResult, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "read": result.read,
                "inserted": result.inserted,
                "updated": result.updated,
                "unchanged": result.unchanged,
                "rejected": result.rejected,
                "warnings": result.warnings,
                "rejects_path": result.rejects_path,
                "seconds": round(result.seconds, 3),
            }
        )
        return
    click.echo(
        f"Read {result.read:,} rows in {result.seconds:.1f} s: {result.inserted:,} new, {result.updated:,} changed, "
        f"{result.unchanged:,} as they were, {result.rejected:,} rejected."
    )
    if result.rejects_path is not None:
        say(f"Rejected rows and warnings, with line and reason: {result.rejects_path}")


@import_group.command()
@click.argument("source", metavar="PATH_OR_URL")
@click.option(
    "--source",
    "kind",
    type=click.Choice(["markdown", "confluence", "notion"]),
    help="What PATH_OR_URL holds; told by its files where not given.",
)
@click.option("--base-url", default=None, help="Where the library is published; makes links to and in runbooks whole.")
@click.option(
    "--library",
    default="main",
    show_default=True,
    help="Name of the library, where there are several; those of other names are left as they are.",
)
@click.option("--replace", "is_replacing", is_flag=True, help="Let it take the place of a wholly different library.")
@workspace_option
@json_option
def runbooks(
    source: str,
    kind: str | None,
    base_url: str | None,
    library: str,
    is_replacing: bool,
    workspace: Path | None,
    as_json: bool,
) -> int:
    """Import runbooks from PATH_OR_URL: a folder or zip archive, or the URL of a git repository or zip archive.

    Reads Markdown, space exports of Confluence (HTML or XML), and Notion's export as Markdown. What is gone from the
    library is removed; ids stay. Where none of its stored runbooks, a README or index apart, is in PATH_OR_URL, either
    --library has to name another one or --replace has to say that they may go. Pages that cannot be used, those with an
    id of another library among them, are told with their reason and never stop the good ones; what is stored of them is
    kept. Exits 1, and changes nothing, when there was no good one.
    """
    library = library.strip()
    if not library:
        raise click.UsageError("--library has no name; give one, or leave it out.")
    from features.history import History
    from features.intake import open_intake
    from features.runbook_sources import import_runbooks

    read = import_runbooks(source, kind=kind, base_url=base_url)
    settings = settings_of(workspace, make=True)
    changes = None
    if read.runbooks:
        intake = open_intake(settings)
        with closing(History.open(settings.history_url)) as history:
            prepared = [intake.prepare_runbook(runbook) for runbook in read.runbooks]
            if not is_replacing:
                stored = {each for each, name in history.runbook_libraries().items() if name == library}
                _check_related(source, library, {each.id for each in prepared}, stored)
            changes = history.replace_runbooks(prepared, library=library, is_kept=read.may_be_rejected)
    is_used = changes is not None and len(changes.taken) < len(read.runbooks)
    _tell_runbooks(read, changes, library, as_json, is_used=is_used)
    return int(not is_used)


def _check_related(source: str, library: str, new: set[str], stored: set[str]) -> None:
    """Refuse to remove every stored runbook by mistake: for a mistyped folder, or a second library.

    Every library has a README or an index: one of the same id is no sign that it is the same library, unless nothing
    else is stored.
    """
    from features.errors import Conflict

    others = stored - _INDEX_PAGES or stored
    if not others or others & new:
        return
    which = "stored runbooks" if others == stored else "stored runbooks beside README and index"
    raise Conflict(
        f'None of the {len(others)} {which} of the library "{library}" is in {source}, so all of them would be '
        "removed. Give --library and another name to keep them beside these, or --replace to remove them."
    )


def _tell_runbooks(
    read: RunbookImport, changes: RunbookChanges | None, library: str, as_json: bool, *, is_used: bool
) -> None:
    from features.history_runbooks import RunbookChanges

    told = changes or RunbookChanges(added=0, updated=0, unchanged=0)
    taken = [
        (each, f'its id is one of the library "{other}", which is left as it is; give the page an id of its own')
        for each, other in told.taken.items()
    ]
    rejected = [*read.rejected, *taken]
    if as_json:
        print_json(
            {
                "source": read.kind,
                "library": library,
                "read": len(read.runbooks),
                "added": told.added,
                "updated": told.updated,
                "removed": told.removed,
                "unchanged": told.unchanged,
                "kept": told.kept,
                "rejected": [{"path": path, "reason": reason} for path, reason in rejected],
            }
        )
        return
    n = len(read.runbooks)
    click.echo(
        f"Read {n} runbook{'' if n == 1 else 's'} ({read.kind}): {told.added} new, {told.updated} changed, "
        f"{len(told.removed)} removed, {told.unchanged} as they were, {len(rejected)} rejected."
    )
    for path, reason in rejected:
        say(f"  {path}: {reason}")
    if told.removed:
        say(f"Removed: {', '.join(told.removed)}.")
    if told.kept and is_used:
        say(f"Kept as stored, since their files were rejected: {', '.join(told.kept)}.")
    if not is_used:
        say("The history is left as it was, since no page could be used.")
