"""A report's page for a person: figures and ids of the report, masked texts joined from the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

import orjson

from evaluation.report.contents import MisclassificationReport
from evaluation.report.page import TicketExcerpt, excerpt, render
from features.errors import SourceUnreadable
from features.files import replace_file
from features.history import History
from features.settings import Settings
from training.reporting import REPORT_JSON


def read_report(settings: Settings, release_id: str) -> MisclassificationReport:
    """Read the report that a training run wrote.

    Raises
    ------
    SourceUnreadable
        If there is none for this release.
    """
    path = settings.reports_dir / release_id / REPORT_JSON
    if not path.exists():
        raise SourceUnreadable(f"There is no report of release {release_id!r} at {path}; 'precedent train' writes one.")
    return MisclassificationReport.from_json(orjson.loads(path.read_bytes()))


def export_page(settings: Settings, release_id: str, path: Path | None = None) -> Path:
    """Write the page with its examples' masked texts; gives where it is.

    Parameters
    ----------
    path : Path, optional
        Default: ``exports/misclassification-RELEASE.html`` in the workspace.
    """
    target = path or settings.exports_dir / f"misclassification-{release_id}.html"
    target.parent.mkdir(parents=True, exist_ok=True)
    report = read_report(settings, release_id)
    with closing(History.open(settings.history_url)) as history:

        def read_texts(row_ids: Sequence[int]) -> Mapping[int, TicketExcerpt]:
            return {row_id: excerpt(stored.case) for row_id, stored in history.cases(row_ids).items()}

        replace_file(target, render(report, read_texts).encode())
    return target
