"""The reduced form of the public Jira data set, whole."""

import csv
import os
from collections import Counter
from pathlib import Path

import pytest

from features.sources import open_source
from features.sources.base import Row

DATA = Path(os.environ.get("PRECEDENT_DATA", Path(__file__).parents[2].parent / "shared" / "data")) / "jira"


@pytest.mark.shared
@pytest.mark.skipif(not DATA.is_dir(), reason="the public data sets are not at $PRECEDENT_DATA")
def test_every_issue_is_read() -> None:
    source = open_source("jira", DATA)
    severities: Counter[str | None] = Counter()
    duplicates = 0
    for n_rows, row in enumerate(source.rows(), start=1):
        assert isinstance(row, Row), row
        assert row.line == n_rows
        assert row.case.outcome.category == row.case.id.partition("-")[0]
        assert row.case.ticket.product is None
        assert row.case.outcome.is_resolved == (row.case.outcome.resolved_at is not None)
        severities[row.case.outcome.severity] += 1
        duplicates += sum(link.type == "duplicate_of" for link in row.case.links)
    with (DATA / "duplicate_pairs.csv").open(newline="") as file:
        assert duplicates == len(list(csv.DictReader(file)))
    assert source.notes == ()
    if n_rows == 19_403:
        assert severities == {"sev1": 1531, "sev2": 1434, "sev3": 12_491, "sev4": 3947}
