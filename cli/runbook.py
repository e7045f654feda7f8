"""``precedent runbook draft``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, settings_of, system_option, workspace_option


@click.group("runbook")
def runbook_group() -> None:
    """Runbooks from what the history knows."""


@runbook_group.command()
@click.argument("cluster")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where to write it (default: standard output).",
)
@system_option
@workspace_option
@json_option
def draft(cluster: str, out: Path | None, system: str | None, workspace: Path | None, as_json: bool) -> None:
    """Print the Markdown skeleton of a runbook for CLUSTER, to be edited by a person.

    CLUSTER is the id of a ticket: the one that 'precedent report runbooks' names, or any other. The skeleton holds what
    the tickets about the same thing say of symptoms, checks and resolutions, each with its case.
    """
    from contextlib import closing

    if out is not None and out.exists():
        raise click.BadParameter(f"{out} exists and may have been edited; give another name.", param_hint="--out")
    from evaluation.runbook_draft import draft as skeleton
    from evaluation.topic_cases import topic_of
    from features.files import replace_file
    from serving.assemble import assemble
    from serving.customer_names import CustomerNames

    settings = settings_of(workspace)
    with closing(assemble(settings)) as opened:
        system = system or settings.system
        topic = topic_of(cluster, opened.history, opened.suggester, opened.parts.statistics, system=system)
        names = CustomerNames(opened.suggester.index.customers())
    text = skeleton(topic.cases, topic.words, names)
    if as_json:
        print_json({"markdown": text, "case_ids": [case.id for case in topic.cases], "words": topic.words})
        return
    if out is None:
        click.echo(text, nl=False)
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    replace_file(out, text.encode())
    click.echo(f"Draft of {len(topic.cases)} case{'' if len(topic.cases) == 1 else 's'}: {out}")
