"""``precedent report misclassification`` and ``precedent report runbooks``."""

from __future__ import annotations

from pathlib import Path

import click

from cli.common import json_option, print_json, progress, settings_of, workspace_option

_out_option = click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=None,
    help="Where to write the page (default: exports/ in the workspace).",
)


@click.group("report")
def report_group() -> None:
    """Reports for leads."""


@report_group.command()
@click.option("--release", "release_id", default=None, help="Release to report on (default: the newest trained).")
@_out_option
@workspace_option
@json_option
def misclassification(release_id: str | None, out: Path | None, workspace: Path | None, as_json: bool) -> None:
    """Where a release is wrong, on which tickets, and what to do: one HTML page, or its figures as JSON.

    The page joins masked texts of its examples from the history; it is a copy that you keep or delete.
    """
    from training.comparison import known_release
    from training.export import export_page, read_report

    settings = settings_of(workspace)
    chosen = known_release(settings, release_id)
    if as_json:
        print_json(read_report(settings, chosen).to_json())
    else:
        click.echo(f"Report: {export_page(settings, chosen, out)}")


@report_group.command()
@click.option("--days", type=click.IntRange(min=1), default=365, show_default=True, help="Span, to the newest ticket.")
@click.option(
    "--review-days",
    type=click.IntRange(min=1),
    default=365,
    show_default=True,
    help="A runbook that was not reviewed for so long is past its review.",
)
@click.option(
    "--min-tickets", type=click.IntRange(min=2), default=5, show_default=True, help="Fewer tickets are no topic."
)
@_out_option
@workspace_option
@json_option
def runbooks(
    days: int, review_days: int, min_tickets: int, out: Path | None, workspace: Path | None, as_json: bool
) -> None:
    """Where runbooks are missing, unused, failing or old: one HTML page, or its figures as JSON.

    The page joins masked texts of its examples from the history; it is a copy that you keep or delete.
    """
    from contextlib import closing
    from datetime import UTC, datetime

    from evaluation.report.page import excerpt
    from evaluation.report.runbook_page import render_runbooks
    from evaluation.runbook_report import runbook_report
    from evaluation.runbook_use import runbook_use
    from features.errors import NotEnoughData
    from features.files import replace_file
    from serving.assemble import assemble

    settings = settings_of(workspace)
    with closing(assemble(settings)) as opened, progress("Reading tickets") as update:
        history, suggester = opened.history, opened.suggester
        use = runbook_use(history, suggester.encoder, suggester.runbooks, days=days, progress=update)
        if use is None:
            raise NotEnoughData("The history holds no ticket with a date; import some with 'precedent import tickets'.")
        report = runbook_report(
            use,
            history.runbooks(),
            opened.parts.statistics,
            today=datetime.now(UTC).date(),
            review_days=review_days,
            min_tickets=min_tickets,
        )
        texts = {row: excerpt(stored.case) for row, stored in history.cases(report.row_ids).items()}
    if as_json:
        print_json(report.to_json())
        return
    target = out or settings.exports_dir / "runbooks.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, render_runbooks(report, texts, min_tickets=min_tickets).encode())
    click.echo(f"Report: {target}")
