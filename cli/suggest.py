"""``precedent suggest``."""

from __future__ import annotations

import json
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from cli.common import json_option, settings_of, workspace_option


@click.command()
@click.option("--subject", default=None, help="Subject of the ticket.")
@click.option("--description", default=None, help="Text of the ticket.")
@click.option(
    "--ticket",
    "ticket_file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="JSON file with the body of POST /v1/suggest; '-' reads standard input.",
)
@click.option("--top-k", type=click.IntRange(1, 50), default=None, help="Number of similar cases (default: 5).")
@click.option("--explain", is_flag=True, help="Say why: words, nearest cases, and what would change the severity.")
@workspace_option
@json_option
def suggest(
    subject: str | None,
    description: str | None,
    ticket_file: Path | None,
    top_k: int | None,
    explain: bool,
    workspace: Path | None,
    as_json: bool,
) -> None:
    """Say what a ticket is and what resolved the last one like it, with the champion of the workspace."""
    from cli.suggestion_text import render_suggestion
    from serving.assemble import assemble
    from serving.validation import parse_suggest_request, to_query

    if ticket_file is None and subject is None and description is None:
        raise click.UsageError("Give --ticket FILE, or --subject and --description.")
    if ticket_file is not None and not (subject is None and description is None and top_k is None):
        raise click.UsageError("Give --ticket FILE, or --subject, --description and --top-k, not both.")
    request = parse_suggest_request(_body(ticket_file, subject, description, {"top_k": top_k} if top_k else {}))
    query = to_query(request, request.ticket)
    with closing(assemble(settings_of(workspace))) as opened:
        suggestion = opened.suggester.suggest(replace(query, explain=query.explain or explain))
    click.echo(suggestion.model_dump_json() if as_json else render_suggestion(suggestion))


def _body(ticket_file: Path | None, subject: str | None, description: str | None, more: dict[str, Any]) -> bytes:
    if ticket_file is not None:
        return sys.stdin.buffer.read() if str(ticket_file) == "-" else ticket_file.read_bytes()
    body: dict[str, Any] = {"ticket": {"subject": subject or "", "description": description or ""}}
    # The standard library escapes the halves of surrogates that stand for bytes of an argument that is not UTF-8.
    return json.dumps(body | more).encode()
