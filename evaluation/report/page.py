"""The misclassification report as a page, and what a page may show of a ticket."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from evaluation.report import figures
from evaluation.report.contents import MisclassificationReport
from evaluation.report.document import document
from features.ticket import Author, Case

MAX_SUBJECT_CHARS = 200
MAX_TEXT_CHARS = 300
_WEB_ADDRESS = re.compile(r"https?://[^\s\"'<>\\]+")


@dataclass(frozen=True, slots=True)
class TicketExcerpt:
    """What a page shows of a ticket: masked subject, the first 300 characters of its text, where to open it."""

    subject: str
    text: str
    url: str | None = None
    is_restricted: bool = False

    @property
    def link(self) -> str | None:
        """The address, if it is one of the web."""
        return self.url if self.url is not None and _WEB_ADDRESS.fullmatch(self.url) else None


ReadTexts = Callable[[Sequence[int]], Mapping[int, TicketExcerpt]]
"""Excerpts by row in the history; rows that are gone are left out."""


def excerpt(case: Case) -> TicketExcerpt:
    """What a page may show of a case of the history, where texts are masked already.

    A ticket of an access group is named and not shown: pages travel further than groups.
    """
    ticket = case.ticket
    if ticket.access_group is not None:
        return TicketExcerpt("", "", case.outcome.url, is_restricted=True)
    first = next((message.text for message in ticket.messages if message.by is Author.CUSTOMER), "")
    return TicketExcerpt(
        subject=_start(ticket.subject, MAX_SUBJECT_CHARS),
        text=_start(ticket.description or first, MAX_TEXT_CHARS),
        url=case.outcome.url,
    )


def _start(text: str, n_chars: int) -> str:
    # Only the beginning is looked at: a description may have a million characters.
    flat = " ".join(text[: 10 * n_chars].split())
    return flat if len(flat) <= n_chars and len(text) <= 10 * n_chars else flat[: n_chars - 1].rstrip() + "…"


def render(report: MisclassificationReport, read_texts: ReadTexts | None = None) -> str:
    """Make the page.

    Parameters
    ----------
    report : MisclassificationReport
    read_texts : callable, optional
        Gives the excerpts of rows, for a page that a person reads. Without it the page holds figures and ids only, and
        may lie beside a release.

    Returns
    -------
    str
        An HTML document; encode it as UTF-8.
    """
    return document(
        "misclassification.html",
        report=report,
        texts=read_texts(report.row_ids) if read_texts is not None else None,
        **_pictures(report),
        max_classes=figures.MAX_CLASSES,
    )


def _pictures(report: MisclassificationReport) -> dict[str, Markup]:
    """The drawings by the names that the templates have for them."""
    drawn: dict[str, str] = {}
    if report.category is not None:
        drawn["matrix"] = figures.confusion_svg(report.category.labels, report.category.confusion)
        drawn["category_curve"] = figures.reliability_svg(report.category.calibration, figures.CATEGORY_CURVE)
    if report.severity is not None:
        drawn["severity_curve"] = figures.reliability_svg(report.severity.calibration, figures.SEVERITY_CURVE)
        drawn["sev1_curve"] = figures.reliability_svg(report.severity.sev1_risk, figures.SEV1_CURVE)
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704
