"""The report on runbooks as a page."""

from __future__ import annotations

from collections.abc import Mapping

from evaluation.report.document import document
from evaluation.report.page import TicketExcerpt
from evaluation.runbook_report import RunbookReport


def render_runbooks(report: RunbookReport, texts: Mapping[int, TicketExcerpt], *, min_tickets: int) -> str:
    """Make the page; encode it as UTF-8.

    Parameters
    ----------
    texts : mapping of int to TicketExcerpt
        By row; of rows that are gone there is none.
    min_tickets : int
        Fewer tickets were no topic.
    """
    return document("runbooks.html", report=report, texts=texts, min_tickets=min_tickets)
